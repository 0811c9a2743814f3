package p2p

import (
	"context"
	"errors"
	"time"

	"kith/node"
)

// A dialing is one dial that all who want the same node share.
type dialing struct { // guarded by core.mu
	node    *node.Node
	waiting int       // who has not left
	running int       // tries: one, or two after Retry
	began   time.Time // the last of them
	ctx     context.Context
	stop    context.CancelFunc
	done    chan struct{}
	peer    *Peer // set when done is closed, unless err is
	err     error
}

// beginLocked starts a dial. Call it with mu held.
func (c *core) beginLocked(n *node.Node) *dialing {
	d := &dialing{node: n, done: make(chan struct{})}
	d.ctx, d.stop = context.WithCancel(c.ctx)
	c.dials[targetOf(n)] = d
	c.tryLocked(d, false)
	return d
}

// tryLocked starts a goroutine that connects. The first of a dial's that succeeds
// is its result, or the last that fails.
func (c *core) tryLocked(d *dialing, again bool) {
	d.running++
	d.began = time.Now()
	c.count.dials++
	c.loops.Go(func() {
		ctx, cancel := context.WithTimeout(d.ctx, c.cfg.DialTimeout)
		defer cancel()
		n := d.node
		if again {
			if found, err := c.resolve(ctx, &node.Node{ID: n.ID}); err == nil {
				n = found
			}
		}
		peer, tried, err := c.connect(ctx, n)
		c.mu.Lock()
		defer c.mu.Unlock()
		if d.running--; err == nil || d.running == 0 {
			c.finishLocked(d, peer, tried, err)
		}
	})
}

// finishLocked gives a dial its result, the first time it is called for it. Who
// cannot be dialled is left alone for a moment, unless we did not want it to the
// end.
func (c *core) finishLocked(d *dialing, p *Peer, tried bool, err error) {
	select {
	case <-d.done:
		return
	default:
	}
	t := targetOf(d.node)
	wanted := c.dials[t] == d
	if wanted {
		delete(c.dials, t)
	}
	switch {
	case err == nil:
		c.backOff.forget(t)
	case c.quitting:
		err = ErrClosed
	case tried && wanted:
		c.backOff.failed(t, err, time.Now(), c.patience(t))
	}
	if err != nil {
		c.count.dialFailures++
	}
	d.peer, d.err = p, err
	d.stop()
	close(d.done)
}

// patience is how long a node that fails again and again is left alone.
func (c *core) patience(t target) time.Duration {
	switch {
	case c.cfg.Policy == Fill:
		return maxBackOff
	case t.id.IsZero():
		return maxBackOffAddress
	}
	return maxBackOffOnDemand
}

// join waits for a dial.
func (c *core) join(ctx context.Context, d *dialing) (*Lease, error) {
	select {
	case <-d.done:
	case <-ctx.Done():
		c.left(d, ctx.Err())
		return nil, ctx.Err()
	}
	if d.err != nil {
		return nil, d.err
	}
	if l := c.lease(d.peer.ID()); l != nil {
		return l, nil
	}
	select { // it came and went
	case <-d.peer.Done():
		return nil, d.peer.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// left says that one who waited for d does so no more. A deadline that passes
// ends only the wait: else callers in a hurry would begin one dial after the
// other, and none would ever be known to have failed.
func (c *core) left(d *dialing, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.waiting--; d.waiting > 0 || errors.Is(why, context.DeadlineExceeded) {
		return
	}
	if c.dials[targetOf(d.node)] == d {
		delete(c.dials, targetOf(d.node)) // who comes now begins anew
	}
	d.stop()
}
