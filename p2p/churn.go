package p2p

import (
	"time"

	"kith/node"
)

// errChurned is what a peer is told that has to make room.
var errChurned = &DisconnectError{Reason: DiscTooManyPeers, Text: "too many peers: others shall find a place"}

// churnLoop lets peers go so that others find room.
func (c *core) churnLoop() {
	tick := time.NewTicker(c.cfg.ChurnInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range c.churn(now) {
				c.loops.Go(func() { c.end(p, errChurned) })
			}
		}
	}
}

// A stay is how much use a peer has been of late.
type stay struct {
	peer    *Peer
	inbound bool
	use     uint64 // messages since the last time
	since   time.Time
}

// churn chooses who has to leave, at most one of those that we dialled and one
// of those that dialled us. They are going from now on.
func (c *core) churn(now time.Time) []*Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	stays := c.staysLocked(now)
	var leave []*Peer
	full := func(inbound bool) bool {
		if inbound {
			return c.roomLocked(node.ID{}, &conn{inbound: true}, nil) != nil
		}
		return len(c.sources()) > 0 && c.dialledLocked() >= c.maxDialled()
	}
	for _, inbound := range []bool{true, false} {
		if p := leastUseful(stays, inbound); p != nil && full(inbound) {
			p.going = ending(errChurned)
			c.rested.note(target{id: p.ID()}, now)
			c.recent.note(target{id: p.ID()}, now)
			leave = append(leave, p)
		}
	}
	return leave
}

// staysLocked are the peers that may be asked to leave: not the static, trusted
// and leased ones, nor those that have not been there since the last time.
func (c *core) staysLocked(now time.Time) []stay {
	var out []stay
	for id, n := range c.conns {
		p := n.peer
		if p == nil || p.going != nil {
			continue
		}
		st := p.session.Stats()
		use := st.MsgsIn + st.MsgsOut - p.used
		first := p.usedAt.IsZero()
		p.used, p.usedAt = p.used+use, now
		if !first && p.leases == 0 && !c.knownLocked(id) {
			out = append(out, stay{p, n.inbound, use, p.since})
		}
	}
	return out
}

// leastUseful is the peer with the fewest messages, and of those with as few the
// one that came last: who has been there long is not pushed out by strangers.
func leastUseful(stays []stay, inbound bool) *Peer {
	var least *stay
	for i := range stays {
		s := &stays[i]
		if s.inbound == inbound && (least == nil || s.use < least.use || s.use == least.use && s.since.After(least.since)) {
			least = s
		}
	}
	if least == nil {
		return nil
	}
	return least.peer
}
