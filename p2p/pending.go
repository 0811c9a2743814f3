package p2p

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"kith/node"
)

// A handshake is an accepted connection that is not a peer yet.
type handshake struct {
	from   netip.Addr
	friend bool // it comes from where a static or trusted node is
	since  time.Time
	ctx    context.Context
	stop   context.CancelFunc
}

// reserve takes a place among the pending handshakes, unless there is none or
// the address is throttled.
func (c *core) reserve(addr netip.Addr) (*handshake, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.accepted++
	now := time.Now()
	if c.quitting {
		return nil, DiscQuitting
	}
	if !c.cfg.permitted(addr) {
		c.count.restricted++
		return nil, ErrRestricted
	}
	friend := c.cfg.Policy == Fill && c.friends[addr.Unmap()]
	if err := c.throttle.check(addr, now); err != nil && !friend {
		c.count.throttled++
		return nil, err
	}
	h := &handshake{from: c.throttle.source(addr), friend: friend, since: now}
	if len(c.pending) >= c.cfg.MaxPendingPeers && !c.giveWayLocked(h) {
		c.count.pendingFull++
		return nil, fmt.Errorf("%w: MaxPendingPeers is %d", ErrPendingLimit, c.cfg.MaxPendingPeers)
	}
	if c.cfg.Policy == Fill {
		c.throttle.block(addr, now)
	}
	h.ctx, h.stop = context.WithTimeout(c.ctx, c.cfg.HandshakeTimeout)
	c.pending[h] = true
	c.handshakes++
	return h, nil
}

// slowHandshake is how long one may take while others find no place.
const slowHandshake = 500 * time.Millisecond

// giveWayLocked makes room for a handshake when there is none, by giving up
// another one. Those that were given up may take a moment to end: when there are
// as many of them as may be pending nobody gives way, but for the first that comes
// from a friend, who waits for twice as many.
func (c *core) giveWayLocked(newcomer *handshake) bool {
	of := make(map[netip.Addr]int)
	for h := range c.pending {
		of[h.from]++
	}
	most := 2 * c.cfg.MaxPendingPeers
	if newcomer.friend && of[newcomer.from] == 0 {
		most += c.cfg.MaxPendingPeers
	}
	if c.handshakes >= most {
		return false
	}
	h := c.victimLocked(newcomer, of)
	if h == nil {
		return false
	}
	c.count.pendingFull++
	delete(c.pending, h)
	h.stop()
	c.throttle.relent(h.from, newcomer.since)
	return true
}

// victimLocked chooses who gives way, nil if the newcomer shall be turned away.
// Where one address has more pending than the newcomer's would have, it is the
// oldest from there: one that connects and says nothing cannot keep all others
// out. Else the oldest of all, if it is slow or the newcomer is the first that
// comes from a friend. In an open network else any: many addresses that are quick
// to come again may then end some honest handshakes, but not each. A friend's
// stays, unless there are more from there: others may share its address.
func (c *core) victimLocked(newcomer *handshake, of map[netip.Addr]int) *handshake {
	var worst, oldest *handshake
	var all []*handshake
	for h := range c.pending {
		if h.friend && of[h.from] == 1 {
			continue
		}
		all = append(all, h)
		if worst == nil || of[h.from] > of[worst.from] || of[h.from] == of[worst.from] && h.since.Before(worst.since) {
			worst = h
		}
		if oldest == nil || h.since.Before(oldest.since) {
			oldest = h
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case of[worst.from] > of[newcomer.from]+1:
		return worst
	case newcomer.since.Sub(oldest.since) >= slowHandshake, newcomer.friend && of[newcomer.from] == 0:
		return oldest
	case c.cfg.Policy == Fill && of[newcomer.from] == 0:
		return all[rand.N(len(all))]
	}
	return nil
}

// maxFriends is how many addresses of static and trusted nodes are remembered.
// When there are as many no further ones are.
const maxFriends = 4096

// befriendLocked notes where a static or trusted node has been or is said to be:
// who comes from there is not throttled, and waits behind no stranger.
func (c *core) befriendLocked(hosts ...string) {
	for _, h := range hosts {
		if ap, err := netip.ParseAddrPort(h); err == nil && len(c.friends) < maxFriends {
			c.friends[ap.Addr().Unmap()] = true
		}
	}
}

// knownLocked tells whether id is static or trusted.
func (c *core) knownLocked(id node.ID) bool { return c.trusted[id] || c.staticLocked(id) }
