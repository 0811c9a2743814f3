package p2p

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kith/node"
)

// Dial connects to n, or shares the session that is there, and returns a lease
// that keeps it open until it is released. Many who dial one node at a time
// share one dial, which goes on when the deadline of one of them passes and is
// given up when all have cancelled. If the node connects to us meanwhile, that
// is as good.
//
// A node that could not be dialled is not tried again for a moment, at first a
// quarter of a second and at most half a minute; with Policy OnDemand five
// seconds, or one if n is an address alone. Meanwhile the error is an ErrBackOff
// that wraps the last one. If n has no Hosts, the Discovery is asked; not to
// know is no failure of that kind.
//
// The error says why: a DiscReason that the peer gave, the transport's refusal,
// ctx's, ErrNoDial if there is no session to share, or ErrClosed. The dial lasts DialTimeout at most, whatever ctx says.
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
// think that the next Dial will do better. A dial that has been under way for a
// second is joined by a second one, to where the Discovery now says. It does
// nothing before Start and after Close.
func (s *Server) Retry(id node.ID) {
	c, err := s.running()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backOff.forget(target{id: id})
	if d := c.dials[target{id: id}]; d != nil && d.running == 1 && time.Since(d.began) >= slowDial && !c.quitting {
		c.tryLocked(d, true)
	}
	if k := c.static[target{id: id}]; k != nil {
		k.ring()
	}
}

// slowDial is how old a dial is that Retry does not trust any more.
const slowDial = time.Second

func nodeText(n *node.Node) string {
	switch where := strings.Join(n.Hosts, ","); {
	case n.ID.IsZero():
		return where
	case where == "":
		return n.Short()
	default:
		return n.Short() + " at " + where
	}
}

// A target is what two dials have in common that are shared.
type target struct {
	id    node.ID
	hosts string // if id is zero
}

func targetOf(n *node.Node) target {
	if n.ID.IsZero() {
		return target{hosts: strings.Join(n.Hosts, ",")}
	}
	return target{id: n.ID}
}

func (c *core) dial(ctx context.Context, n *node.Node) (*Lease, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		lease, d, wait, err := c.share(n)
		switch {
		case lease != nil || err != nil:
			return lease, err
		case d != nil:
			return c.join(ctx, d)
		}
		select { // a session to this node is just opening, or ending
		case <-wait:
		case <-ctx.Done():
		case <-c.ctx.Done():
			return nil, ErrClosed
		}
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
		if !o.over() && o.stage == open {
			return o.peer.leaseLocked(), nil, nil, nil
		}
		return nil, nil, c.changed, nil
	}
	d := c.dials[targetOf(n)]
	if d == nil && c.cfg.NoDial {
		return nil, nil, nil, ErrNoDial
	}
	if d == nil {
		if err := c.backOff.check(targetOf(n), time.Now()); err != nil {
			return nil, nil, nil, err
		}
		d = c.beginLocked(n)
	}
	d.waiting++
	return nil, d, nil, nil
}
