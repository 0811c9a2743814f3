package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"kith/node"
)

// A dialing is one dial that all who want the same node share.
type dialing struct {
	node    *node.Node
	waiting int // guarded by core.mu; the dial is given up when nobody waits
	stop    context.CancelFunc
	done    chan struct{}
	peer    *Peer // set when done is closed, unless err is
	err     error
}

// Dial connects to n, or shares the session that is there, and returns a lease
// that keeps it open until it is released. Many who dial one node at a time
// share one dial. A node that could not be dialled is not tried again for a
// moment, at first a quarter of a second and at most half a minute, or five
// seconds with Policy OnDemand: meanwhile the error is an ErrBackOff that wraps
// the last one. If n has no Hosts, the Discovery is asked; not to know is no
// failure of that kind.
//
// The error says why: a DiscReason that the peer gave, the transport's refusal,
// or ctx's. Without a deadline in ctx, DialTimeout bounds the wait.
func (s *Server) Dial(ctx context.Context, n *node.Node) (*Lease, error) {
	c, err := s.running()
	if err != nil {
		return nil, err
	}
	l, err := c.dial(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("p2p: dial %s: %w", nodeText(n), err)
	}
	return l, nil
}

// Retry forgets that a node could not be dialled: who calls it has reason to
// think that the next Dial will do better.
func (s *Server) Retry(id node.ID) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backOff.forget(id.String())
}

func nodeText(n *node.Node) string {
	switch where := strings.Join(n.Hosts, ","); {
	case n.ID.IsZero():
		return where
	case where == "":
		return n.ID.Short()
	default:
		return n.ID.Short() + " at " + where
	}
}

func dialKey(n *node.Node) string {
	if n.ID.IsZero() {
		return strings.Join(n.Hosts, ",")
	}
	return n.ID.String()
}

func (c *core) dial(ctx context.Context, n *node.Node) (*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	for {
		lease, d, wait, err := c.share(n)
		if lease != nil || err != nil {
			return lease, err
		}
		if d == nil { // a session to this node is just opening
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		select {
		case <-d.done:
			c.left(d)
		case <-ctx.Done():
			c.left(d)
			return nil, ctx.Err()
		}
		if d.err != nil {
			return nil, d.err
		}
		if lease := c.lease(d.peer); lease != nil {
			return lease, nil
		}
		<-d.peer.Done() // it came and went
		return nil, d.peer.Err()
	}
}

// share finds the session to n (a lease), or a dial of it that is under way or
// begins now, or something to wait for before asking again.
func (c *core) share(n *node.Node) (*Lease, *dialing, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quitting {
		return nil, nil, nil, ErrClosed
	}
	if n.ID == c.local.ID() {
		return nil, nil, nil, DiscSelf
	}
	if o := c.conns[n.ID]; o != nil && !o.dead() && o.stage != greeting {
		if o.stage == open {
			return c.leaseLocked(o.peer), nil, nil, nil
		}
		return nil, nil, c.changed, nil
	}
	key := dialKey(n)
	d := c.dials[key]
	if d == nil {
		if err := c.backOff.check(key, time.Now()); err != nil {
			return nil, nil, nil, err
		}
		d = c.begin(key, n)
	}
	d.waiting++
	return nil, d, nil, nil
}

// begin starts a dial. Call it with mu held.
func (c *core) begin(key string, n *node.Node) *dialing {
	ctx, stop := context.WithTimeout(c.ctx, c.cfg.DialTimeout)
	d := &dialing{node: n, stop: stop, done: make(chan struct{})}
	c.dials[key] = d
	c.count.dials++
	c.loops.Go(func() {
		defer stop()
		peer, tried, err := c.connect(ctx, n)
		c.mu.Lock()
		if c.dials[key] == d {
			delete(c.dials, key)
		}
		if d.peer, d.err = peer, err; err != nil {
			c.count.dialFailures++
			if tried && c.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				c.backOff.failed(key, err, time.Now())
			}
		} else {
			c.backOff.forget(key)
		}
		c.mu.Unlock()
		close(d.done)
	})
	return d
}

// left says that one who waited for d does so no more.
func (c *core) left(d *dialing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.waiting--; d.waiting == 0 {
		select {
		case <-d.done:
		default:
			if c.dials[dialKey(d.node)] == d {
				delete(c.dials, dialKey(d.node)) // who comes now begins anew
			}
			d.stop()
		}
	}
}

// connect dials n and makes the session a peer, or finds the one that is there.
// It has not tried if there was no address: one may be known the next moment.
func (c *core) connect(ctx context.Context, n *node.Node) (p *Peer, tried bool, err error) {
	n, err = c.resolve(ctx, n)
	if err != nil {
		return nil, false, err
	}
	p, err = c.connectTo(ctx, n)
	return p, true, err
}

func (c *core) connectTo(ctx context.Context, n *node.Node) (*Peer, error) {
	session, err := c.cfg.Transport.Dial(ctx, n)
	if err != nil {
		return nil, err
	}
	mine := &conn{session: session}
	if !c.claim(mine) { // somebody else was faster
		session.Close(DiscAlreadyConnected)
		return c.await(ctx, session.Remote(), DiscAlreadyConnected)
	}
	peer, err := c.greet(ctx, mine)
	if errors.Is(err, DiscAlreadyConnected) {
		return c.await(ctx, session.Remote(), err)
	}
	return peer, err
}

// claim takes the place of a node that nobody is connected to, so that our
// hello may be sent.
func (c *core) claim(n *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.conns[n.session.Remote()]; old != nil && !old.dead() {
		return false
	}
	c.conns[n.session.Remote()] = n
	return true
}

// await waits for a peer whose session is being opened by the other side. It
// gives up with why after a second.
func (c *core) await(ctx context.Context, id node.ID, why error) (*Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		c.mu.Lock()
		changed := c.changed
		var peer *Peer
		if o := c.conns[id]; o != nil && !o.dead() {
			peer = o.peer
		}
		c.mu.Unlock()
		if peer != nil {
			return peer, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, why
		}
	}
}

// resolve finds the addresses of n if it has none.
func (c *core) resolve(ctx context.Context, n *node.Node) (*node.Node, error) {
	if len(n.Hosts) > 0 {
		for _, h := range n.Hosts {
			if _, _, err := net.SplitHostPort(h); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	err := ErrNoAddress
	for _, d := range c.cfg.Discovery {
		r, ok := d.(Resolver)
		if !ok {
			continue
		}
		found, rerr := r.Resolve(ctx, n.ID)
		if rerr == nil && found != nil && len(found.Hosts) > 0 {
			return found, nil
		}
		if rerr != nil {
			err = rerr
		}
	}
	return nil, err
}

// lease makes a lease on p, nil if p is gone.
func (c *core) lease(p *Peer) *Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.conns[p.ID()]; n == nil || n.peer != p {
		return nil
	}
	return c.leaseLocked(p)
}

func (c *core) leaseLocked(p *Peer) *Lease {
	p.leases++
	return &Lease{peer: p, release: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		p.leases--
	}}
}
