package p2p

import (
	"context"
	"errors"
	"net"
	"time"

	"kith/node"
)

// connect dials n and makes the session a peer, or finds the one that is there.
// It has not tried if there was no address: one may be known the next moment.
func (c *core) connect(ctx context.Context, n *node.Node) (p *Peer, tried bool, err error) {
	n, err = c.resolve(ctx, n)
	if err != nil {
		return nil, false, err
	}
	if n, err = c.within(n); err != nil {
		return nil, true, err
	}
	p, err = c.connectTo(ctx, n)
	return p, true, err
}

func (c *core) connectTo(ctx context.Context, n *node.Node) (*Peer, error) {
	session, err := c.cfg.Transport.Dial(ctx, n)
	if err == nil && !c.cfg.permitted(session.RemoteAddr().Addr()) { // a name stands for it
		session.Close(DiscRequested)
		err = ErrRestricted
	}
	if errors.Is(err, ErrRestricted) {
		c.restricted()
	}
	if err != nil {
		return nil, err
	}
	if !n.ID.IsZero() && session.Remote() != n.ID { // its key is that of another
		session.Close(DiscUnexpectedIdentity)
		return nil, DiscUnexpectedIdentity
	}
	mine := &conn{session: session, node: n}
	if !c.claim(mine) { // somebody else was faster
		session.Close(DiscAlreadyConnected)
		return c.await(ctx, session.Remote(), DiscAlreadyConnected)
	}
	peer, err := c.greet(ctx, mine)
	if err != nil && c.rivalled(session.Remote(), err) {
		return c.await(ctx, session.Remote(), err)
	}
	return peer, err
}

// claim takes the place of a node that nobody is connected to, so that our
// hello may be sent.
func (c *core) claim(n *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.conns[n.session.Remote()]; old != nil && !old.over() {
		return false
	}
	c.takeLocked(n, nil)
	return true
}

// takeLocked gives n the place of its node. Whoever had it is down from now on,
// which is told here so that it comes before the news of the next.
func (c *core) takeLocked(n *conn, why error) {
	id := n.session.Remote()
	if old := c.conns[id]; old != nil && old != n && old.peer != nil {
		if err := old.session.Err(); err != nil {
			why = err
		} else if old.peer.going != nil {
			why = old.peer.going
		}
		c.feed.send(Event{Kind: PeerDown, Peer: old.peer, Err: why})
	}
	c.conns[id] = n
	c.notify()
}

// rivalled tells whether our connection has failed for another: the peer says
// so, or the other is there and may have been the one to end ours.
func (c *core) rivalled(id node.ID, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.conns[id]
	return errors.Is(err, DiscAlreadyConnected) || o != nil && !o.over()
}

// rivalTime is how long a session that the other side speaks of may take to
// show up here.
const rivalTime = time.Second

// await waits for a peer whose session another dial or the other side opens. It
// gives up with why when there has been no sign of one for rivalTime.
func (c *core) await(ctx context.Context, id node.ID, why error) (*Peer, error) {
	patience := time.NewTimer(rivalTime)
	defer patience.Stop()
	for {
		c.mu.Lock()
		changed, o := c.changed, c.conns[id]
		there := o != nil && !o.over()
		var peer *Peer
		if there {
			peer = o.peer
		}
		c.mu.Unlock()
		if peer != nil {
			return peer, nil
		}
		late := patience.C
		if there { // it is being opened, and bounded by a timeout of its own
			late = nil
			patience.Reset(rivalTime)
		}
		select {
		case <-changed:
		case <-late:
			return nil, why
		case <-ctx.Done():
			return nil, why
		}
	}
}

// errOtherNode is the error of a Discovery that was asked for one node and gives
// another.
var errOtherNode = errors.New("the discovery gives another node than it was asked for")

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
	if n.ID.IsZero() {
		return nil, err
	}
	for _, d := range c.cfg.Discovery {
		r, ok := d.(Resolver)
		if !ok {
			continue
		}
		found, rerr := r.Resolve(ctx, n.ID)
		if rerr == nil && found != nil && found.ID != n.ID {
			rerr = errOtherNode
		}
		if rerr == nil && found != nil && len(found.Hosts) > 0 {
			return found, nil
		}
		if rerr != nil {
			err = rerr
		}
	}
	return nil, err
}
