package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kith/node"
)

// A kept node is one that we want to be connected to always.
type kept struct {
	node *node.Node
	stop context.CancelFunc
	wake chan struct{} // dial now; holds one
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
	defer c.mu.Unlock()
	old := c.static[targetOf(n)]
	if c.quitting || old != nil && old.node.Equal(n) {
		stop()
		return
	}
	if old != nil {
		old.stop()
	}
	k := &kept{node: n, stop: stop, wake: make(chan struct{}, 1)}
	c.static[targetOf(n)] = k
	c.loops.Go(func() { c.keepLoop(ctx, k) })
}

// keepLoop dials a kept node whenever it is not connected. It waits longer from
// time to time, until a session has lasted.
func (c *core) keepLoop(ctx context.Context, k *kept) {
	wait := firstBackOff
	for ctx.Err() == nil {
		began, due := time.Now(), time.Time{}
		if l, err := c.dial(ctx, k.node); err == nil {
			select {
			case <-l.Peer().Done():
			case <-ctx.Done():
			}
			l.Release()
		} else {
			c.cfg.log.Debug("dial failed", "peer", nodeText(k.node), "err", err)
			due = c.dueAgain(k.node)
		}
		if time.Since(began) > maxBackOff {
			wait = firstBackOff
		}
		select {
		case <-time.After(max(wait, time.Until(due))):
		case <-k.wake:
		case <-ctx.Done():
		}
		wait = min(2*wait, c.patience(targetOf(k.node)))
	}
}

func (c *core) dueAgain(n *node.Node) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backOff.failures[targetOf(n)].until
}

// AddPeer keeps n connected from now on, redialling it when it goes. n.ID must
// be set. If n is kept already under other Hosts these take their place. n is
// not to be changed afterwards. ErrNotRunning before Start: there StaticNodes
// are for that.
func (s *Server) AddPeer(n *node.Node) error {
	c, err := s.running()
	switch {
	case err != nil:
		return err
	case n.ID.IsZero():
		return errors.New("p2p: add peer: the node has no ID")
	case n.ID == c.local.ID():
		return fmt.Errorf("p2p: add peer %s: %w", nodeText(n), DiscSelf)
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

// Trust says whether id is exempt from MaxPeers from now on. It does nothing
// before Start: there TrustedNodes are for that.
func (s *Server) Trust(id node.ID, trusted bool) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if trusted {
		c.trusted[id] = true
	} else {
		delete(c.trusted, id)
	}
}
