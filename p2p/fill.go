package p2p

import (
	"time"

	"kith/node"
)

const (
	// redialAfter is how long a node found by a Discovery is left alone after it
	// has been dialled.
	redialAfter = 35 * time.Second
	// recentRoom is how many such nodes are remembered. When it is full one of
	// them is forgotten, no matter which.
	recentRoom = 4096
)

// fillLoop dials whom d finds. It pulls a node only when there is a slot.
func (c *core) fillLoop(d Discovery) {
	recent := make(recent)
	if !c.slot(false) {
		return
	}
	for n := range d.Nodes(c.ctx) {
		if n.ID == c.local.ID() || c.connected(n.ID) || !recent.add(n.ID, time.Now()) {
			continue
		}
		if !c.slot(true) {
			return
		}
		c.loops.Go(func() {
			if l, err := c.dial(c.ctx, n); err == nil {
				l.Release()
			} else {
				c.cfg.log.Debug("dial failed", "peer", nodeText(n), "err", err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.filling--
			c.notify()
		})
		if !c.slot(false) {
			return
		}
	}
}

// recent is when nodes were dialled last.
type recent map[node.ID]time.Time

// add notes that id is dialled now, unless it has just been: then it is false.
func (r recent) add(id node.ID, now time.Time) bool {
	if at, ok := r[id]; ok && now.Sub(at) <= redialAfter {
		return false
	}
	if len(r) >= recentRoom {
		r.makeRoom(now)
	}
	r[id] = now
	return true
}

func (r recent) makeRoom(now time.Time) {
	for id, at := range r {
		if now.Sub(at) > redialAfter {
			delete(r, id)
		}
	}
	for id := range r {
		if len(r) <= recentRoom*3/4 {
			return
		}
		delete(r, id)
	}
}

func (c *core) connected(id node.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns[id] != nil
}

// slot waits until a further node may be dialled, and with take counts it as
// under way; false when we are closing.
func (c *core) slot(take bool) bool {
	for {
		c.mu.Lock()
		dialled := c.filling
		for _, n := range c.conns {
			if !n.inbound && n.stage == open {
				dialled++
			}
		}
		if dialled < c.maxDialled() && c.filling < c.cfg.MaxPendingPeers && len(c.conns) < c.cfg.MaxPeers {
			if take {
				c.filling++
			}
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
