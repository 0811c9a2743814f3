package p2p

import (
	"context"
	"time"

	"kith/node"
)

// redialAfter is how long a node found by a Discovery is left alone after it
// has been dialled.
const redialAfter = 35 * time.Second

// fillLoop dials whom d finds, while there are slots.
func (c *core) fillLoop(d Discovery) {
	recent := make(map[node.ID]time.Time)
	for n := range d.Nodes(c.ctx) {
		now := time.Now()
		for id, at := range recent {
			if now.Sub(at) > redialAfter {
				delete(recent, id)
			}
		}
		if _, ok := recent[n.ID]; ok || n.ID == c.local.ID() || c.connected(n.ID) {
			continue
		}
		if !c.slot() {
			return
		}
		recent[n.ID] = now
		c.loops.Go(func() {
			if l, err := c.dial(c.ctx, n); err == nil {
				l.Release()
			} else {
				c.cfg.log.Debug("dial failed", "peer", nodeText(n), "err", err)
			}
			c.mu.Lock()
			c.filling--
			c.notify()
			c.mu.Unlock()
		})
	}
}

func (c *core) connected(id node.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns[id] != nil
}

// slot waits until a further node may be dialled; false when we are closing.
func (c *core) slot() bool {
	for {
		c.mu.Lock()
		dialled := c.filling
		for _, n := range c.conns {
			if !n.inbound && n.stage == open {
				dialled++
			}
		}
		if dialled < c.maxDialled() && c.filling < c.cfg.MaxPendingPeers && len(c.conns) < c.cfg.MaxPeers {
			c.filling++
			c.mu.Unlock()
			return true
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.ctx.Done():
			return false
		}
	}
}

// keep starts to keep n connected, if it is not kept already.
func (c *core) keep(n *node.Node) {
	ctx, stop := context.WithCancel(c.ctx)
	c.mu.Lock()
	_, kept := c.static[n.ID]
	if kept || c.quitting {
		c.mu.Unlock()
		stop()
		return
	}
	c.static[n.ID] = stop
	c.loops.Go(func() { c.keepLoop(ctx, n) })
	c.mu.Unlock()
}

func (c *core) keepLoop(ctx context.Context, n *node.Node) {
	for ctx.Err() == nil {
		wait := firstBackOff
		if l, err := c.dial(ctx, n); err == nil {
			select {
			case <-l.Peer().Done():
			case <-ctx.Done():
			}
			l.Release()
		} else {
			c.mu.Lock()
			wait = max(wait, time.Until(c.backOff.failures[dialKey(n)].until))
			c.mu.Unlock()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// AddPeer keeps n connected from now on, redialling it when it goes. n.ID must
// be set.
func (s *Server) AddPeer(n *node.Node) error {
	c, err := s.running()
	if err != nil {
		return err
	}
	if n.ID.IsZero() {
		return ErrNoAddress
	}
	c.keep(n)
	return nil
}

// RemovePeer lets go of a node: it is kept connected no more, and disconnected.
func (s *Server) RemovePeer(id node.ID) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	stop := c.static[id]
	delete(c.static, id)
	var p *Peer
	if n := c.conns[id]; n != nil {
		p = n.peer
	}
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	if p != nil {
		c.drop(p, DiscRequested)
	}
}

// Trust says whether id is exempt from MaxPeers from now on.
func (s *Server) Trust(id node.ID, trusted bool) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trusted[id] = trusted
}

// sweepLoop closes sessions that nobody leases or uses, with Policy OnDemand.
func (c *core) sweepLoop() {
	tick := time.NewTicker(c.cfg.IdleTimeout / 4)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range c.idlers(now) {
				c.loops.Go(func() { c.drop(p, DiscIdle) })
			}
		}
	}
}

// idlers are the peers that have had neither lease nor traffic for IdleTimeout.
func (c *core) idlers(now time.Time) []*Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Peer
	for _, n := range c.conns {
		p := n.peer
		if p == nil {
			continue
		}
		st := p.session.Stats()
		if use := st.MsgsIn + st.MsgsOut + st.DatagramsIn + st.DatagramsOut; p.leases > 0 || use != p.used || p.usedAt.IsZero() {
			p.used, p.usedAt = use, now
		} else if now.Sub(p.usedAt) >= c.cfg.IdleTimeout {
			out = append(out, p)
		}
	}
	return out
}
