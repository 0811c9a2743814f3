package p2p

import (
	"sync"

	"kith/node"
)

// A Lease keeps us from ending a session for want of use. Many may hold one on
// the same session. It may end all the same: the network or the peer can end it,
// which knows nothing of our leases and lets go of an idle session unless it has
// one of its own. It is safe for concurrent use.
type Lease struct {
	peer    *Peer
	release func()
	once    sync.Once
}

// Peer is who the lease is for.
func (l *Lease) Peer() *Peer { return l.peer }

// Release gives the lease back. It may be called more than once.
func (l *Lease) Release() {
	l.once.Do(func() {
		if l.release != nil {
			l.release()
		}
	})
}

// Lease takes a lease on a peer, as Dial does: for a protocol that is within
// something that takes time, on the side that has not dialled. It is nil if the
// peer is gone or going.
func (p *Peer) Lease() *Lease {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	if p.going != nil {
		return nil
	}
	return p.leaseLocked()
}

// lease makes a lease on the peer that is connected as id, nil if there is none.
func (c *core) lease(id node.ID) *Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.conns[id]; n != nil && n.stage == open && n.peer.going == nil {
		return n.peer.leaseLocked()
	}
	return nil
}

func (p *Peer) leaseLocked() *Lease {
	p.leases++
	return &Lease{peer: p, release: func() {
		p.core.mu.Lock()
		defer p.core.mu.Unlock()
		p.leases--
	}}
}
