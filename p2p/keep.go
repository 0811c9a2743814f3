package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kith/node"
)

// A kept node is one that we want to be connected to always. While it is not
// connected a goroutine dials it, else none is needed.
type kept struct {
	node *node.Node
	ctx  context.Context
	stop context.CancelFunc
	wake chan struct{} // dial now; holds one

	// guarded by core.mu
	lease *Lease        // on the session, while there is one
	since time.Time     // when the last dial began
	pause time.Duration // before the next one
}

func (k *kept) ring() {
	select {
	case k.wake <- struct{}{}:
	default: // it will dial anyway
	}
}

// keep starts to keep n connected, if it is not kept already as it is.
func (c *core) keep(n *node.Node) {
	ctx, stop := context.WithCancel(c.ctx)
	c.mu.Lock()
	old := c.static[targetOf(n)]
	if c.quitting || old != nil && old.node.Equal(n) {
		c.mu.Unlock()
		stop()
		return
	}
	k := &kept{node: n, ctx: ctx, stop: stop, wake: make(chan struct{}, 1), pause: firstBackOff}
	c.static[targetOf(n)] = k
	c.notify() // a place is kept for it
	c.befriendLocked(n.Hosts...)
	c.loops.Go(func() { c.keepLoop(k) })
	var lease *Lease
	if old != nil {
		old.stop()
		lease, old.lease = old.lease, nil
	}
	c.mu.Unlock()
	if lease != nil {
		lease.Release()
	}
}

// keepLoop dials a kept node until it is connected. It waits longer from time to
// time.
func (c *core) keepLoop(k *kept) {
	for k.ctx.Err() == nil {
		c.mu.Lock()
		k.since = time.Now()
		c.mu.Unlock()
		l, err := c.dial(k.ctx, k.node)
		if err == nil {
			if c.settle(k, l) {
				return
			}
			l.Release()
		} else {
			c.cfg.log.Debug("dial failed", "peer", nodeText(k.node), "err", err)
		}
		c.rest(k, err)
	}
}

// settle leaves k alone until its session ends. It is false if it has ended, or
// k is kept no more.
func (c *core) settle(k *kept, l *Lease) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.static[targetOf(k.node)] != k || l.peer.going != nil {
		return false
	}
	k.lease = l
	return true
}

// keepAgainLocked dials those whose session was p's, which has ended.
func (c *core) keepAgainLocked(p *Peer) {
	for _, k := range c.static {
		if k.lease != nil && k.lease.peer == p {
			k.lease = nil
			if !c.quitting {
				c.loops.Go(func() { c.rest(k, nil); c.keepLoop(k) })
			}
		}
	}
}

// rest waits before the next dial of k: each time twice as long, until a session
// has lasted, and as long as the back-off of a failed dial does.
func (c *core) rest(k *kept, failed error) {
	c.mu.Lock()
	if time.Since(k.since) > maxBackOff {
		k.pause = firstBackOff
	}
	wait := k.pause
	if failed != nil {
		wait = max(wait, time.Until(c.backOff.failures[targetOf(k.node)].until))
	}
	k.pause = min(2*k.pause, c.patience(targetOf(k.node)))
	c.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.wake:
	case <-k.ctx.Done():
	}
}

// AddPeer keeps n connected from now on, redialling it when it goes. n.ID must
// be set. If n is kept already under other Hosts these take their place. n is
// not to be changed afterwards. ErrNotRunning before Start: there StaticNodes
// are for that. ErrNoDial if we dial nobody.
func (s *Server) AddPeer(n *node.Node) error {
	c, err := s.running()
	switch {
	case err != nil:
		return err
	case n == nil || n.ID.IsZero():
		return errors.New("p2p: add peer: the node has no ID")
	case n.ID == c.local.ID():
		err = DiscSelf
	case c.cfg.NoDial:
		err = ErrNoDial
	}
	if err != nil {
		return fmt.Errorf("p2p: add peer %s: %w", nodeText(n), err)
	}
	c.keep(n)
	return nil
}

// RemovePeer lets go of a node: it is kept connected no more, and disconnected.
// It does nothing before Start, nor for a node that is not there.
func (s *Server) RemovePeer(id node.ID) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	k := c.static[target{id: id}]
	delete(c.static, target{id: id})
	n := c.conns[id]
	var p *Peer
	if n != nil {
		p = n.peer
	}
	c.mu.Unlock()
	if k != nil {
		k.stop()
	}
	switch {
	case p != nil:
		c.drop(p, DiscRequested)
	case n != nil: // still being opened
		n.session.Close(DiscRequested)
	}
}

// staticLocked tells whether id is kept connected.
func (c *core) staticLocked(id node.ID) bool { return c.static[target{id: id}] != nil }

// missingLocked is how many kept nodes are not connected, beside except.
func (c *core) missingLocked(except node.ID) int {
	n := 0
	for t := range c.static {
		if !t.id.IsZero() && t.id != except && c.conns[t.id] == nil && !c.trusted[t.id] {
			n++
		}
	}
	return n
}
