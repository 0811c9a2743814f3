package p2p

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"

	"kith/node"
)

const (
	// redialAfter is how long a node that a source gave is left alone after it
	// has been dialled.
	redialAfter = 35 * time.Second
	// recentRoom is how many such nodes are remembered. When it is full one of
	// them is forgotten, no matter which.
	recentRoom = 4096
	// fewPeers is how many peers make boot nodes unnecessary.
	fewPeers = 3
)

// A source gives nodes to dial.
type source func(context.Context) iter.Seq[*node.Node]

// sources are where the nodes come from that fill our slots.
func (c *core) sources() []source {
	if c.cfg.Policy != Fill || c.cfg.NoDial {
		return nil
	}
	var all []source
	for _, d := range c.cfg.Discovery {
		all = append(all, d.Nodes)
	}
	for _, p := range c.cfg.Protocols {
		if p.DialCandidates != nil {
			all = append(all, p.DialCandidates)
		}
	}
	if len(c.cfg.BootstrapNodes) > 0 {
		all = append(all, c.bootNodes)
	}
	return all
}

// bootNodes gives the boot nodes in turn while there are few peers, beginning
// anywhere, and each no more often than it may be dialled.
func (c *core) bootNodes(ctx context.Context) iter.Seq[*node.Node] {
	return func(yield func(*node.Node) bool) {
		nodes := c.cfg.BootstrapNodes
		first := rand.N(len(nodes))
		for ctx.Err() == nil {
			for i := range nodes {
				if !c.waitFor(func() bool { return len(c.conns) < fewPeers }) || !yield(nodes[(first+i)%len(nodes)]) {
					return
				}
			}
			select {
			case <-time.After(redialAfter + time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// fillLoop dials whom a source gives. It pulls a node only when there is a slot.
func (c *core) fillLoop(nodes source) {
	if !c.waitFor(c.slotLocked) {
		return
	}
	for n := range nodes(c.ctx) {
		if !c.wanted(n) {
			continue
		}
		if !c.waitFor(c.takeSlotLocked) {
			return
		}
		c.loops.Go(func() { c.fill(n) })
		if !c.waitFor(c.slotLocked) {
			return
		}
	}
}

// wanted tells whether a node that a source gave is worth a dial, and notes that
// it has one.
func (c *core) wanted(n *node.Node) bool {
	if n == nil || c.cfg.Filter != nil && !c.cfg.Filter(n) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.ID == c.local.ID() || c.conns[n.ID] != nil || c.staticLocked(n.ID) {
		return false
	}
	return c.recent.add(targetOf(n), time.Now())
}

func (c *core) fill(n *node.Node) {
	if l, err := c.dial(c.ctx, n); err == nil {
		l.Release()
	} else {
		c.cfg.log.Debug("dial failed", "peer", nodeText(n), "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filling--
	c.notify()
}

// slotLocked tells whether a further node of a source may be dialled.
func (c *core) slotLocked() bool {
	return c.filling+c.dialledLocked() < c.maxDialled() && c.filling < c.cfg.MaxPendingPeers && len(c.conns) < c.placesLocked(node.ID{})
}

func (c *core) takeSlotLocked() bool {
	if !c.slotLocked() {
		return false
	}
	c.filling++
	return true
}

// dialledLocked is how many peers we have dialled, beside static ones.
func (c *core) dialledLocked() int {
	n := 0
	for id, o := range c.conns {
		if !o.inbound && o.stage == open && !c.staticLocked(id) {
			n++
		}
	}
	return n
}

// waitFor waits until what it is given is true, which is called with mu held and
// again whenever connections come and go. It is false when we are closing.
func (c *core) waitFor(isLocked func() bool) bool {
	for {
		c.mu.Lock()
		ok, changed := isLocked(), c.changed
		c.mu.Unlock()
		if ok {
			return c.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
			return false
		}
	}
}

// recent is when something last happened to nodes.
type recent map[target]time.Time

// add notes that it happens to t now, unless it just has: then it is false.
func (r recent) add(t target, now time.Time) bool {
	if r.has(t, now) {
		return false
	}
	r.note(t, now)
	return true
}

// has tells whether it has happened within redialAfter.
func (r recent) has(t target, now time.Time) bool {
	at, ok := r[t]
	return ok && now.Sub(at) <= redialAfter
}

func (r recent) note(t target, now time.Time) {
	if len(r) >= recentRoom {
		r.makeRoom(now)
	}
	r[t] = now
}

func (r recent) makeRoom(now time.Time) {
	for t := range r {
		if !r.has(t, now) {
			delete(r, t)
		}
	}
	for t := range r {
		if len(r) <= recentRoom*3/4 {
			return
		}
		delete(r, t)
	}
}
