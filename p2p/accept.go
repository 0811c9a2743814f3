package p2p

import (
	"context"
	"net/netip"
	"time"
)

// acceptLoop takes connections until the listener is closed.
func (c *core) acceptLoop() {
	for {
		p, err := c.ln.Accept()
		if err != nil {
			return
		}
		if err := c.reserve(p.RemoteAddr().Addr()); err != nil {
			c.cfg.log.Debug("connection dropped", "addr", p.RemoteAddr(), "err", err)
			p.Close()
			continue
		}
		c.loops.Go(func() { c.accept(p) })
	}
}

// reserve takes a place among the pending handshakes, unless there is none or
// the address is throttled.
func (c *core) reserve(from netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.accepted++
	switch {
	case c.quitting:
		return DiscQuitting
	case c.pending >= c.cfg.MaxPendingPeers:
		c.count.pendingFull++
		return ErrPendingLimit
	case c.throttle.blocked(from, time.Now()):
		c.count.throttled++
		return ErrThrottled
	}
	if c.cfg.Policy == Fill {
		c.throttle.block(from, time.Now(), inboundEvery)
	}
	c.pending++
	return nil
}

// accept makes an accepted connection a peer, or ends it.
func (c *core) accept(p Pending) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.HandshakeTimeout)
	defer cancel()
	session, err := p.Handshake(ctx)
	if err == nil {
		n := &conn{session: session, inbound: true}
		_, err = c.greet(ctx, n)
	}
	c.mu.Lock()
	c.pending--
	if err != nil {
		c.count.refused++
		if c.cfg.Policy == OnDemand {
			c.throttle.failed(p.RemoteAddr().Addr(), time.Now())
		}
	}
	say := err != nil && c.cfg.Policy == OnDemand && c.throttle.mayLog(time.Now())
	c.mu.Unlock()
	switch {
	case say: // an operator must see a member with the wrong certificate; at most one line a second
		c.cfg.log.Warn("refused", "addr", p.RemoteAddr(), "err", err)
	case err != nil:
		c.cfg.log.Debug("refused", "addr", p.RemoteAddr(), "err", err)
	}
}

// greet exchanges hellos on a new session and makes it a peer.
func (c *core) greet(ctx context.Context, n *conn) (*Peer, error) {
	var mine []Protocol
	theirs, err := n.session.Hello(ctx, c.hello(n), func(theirs Hello) error {
		c.mu.Lock()
		old, err := c.admit(n, theirs)
		newer := old != nil && old.stage != greeting && theirs.Epoch > old.epoch
		if err == nil {
			n.epoch, n.stage = theirs.Epoch, opening
			c.conns[n.session.Remote()] = n
			mine = shared(c.cfg.Protocols, theirs.Caps)
			c.notify()
		}
		c.mu.Unlock()
		if err == nil && old != nil && old != n {
			c.replaced(old, newer)
		}
		return err
	})
	if err != nil {
		c.forget(n)
		return nil, err
	}
	return c.open(n, theirs, mine)
}

// replaced ends a connection whose place another has taken. It does not wait.
func (c *core) replaced(old *conn, newer bool) {
	reason := DiscAlreadyConnected
	if newer {
		reason = DiscSuperseded
	}
	c.loops.Go(func() {
		if old.peer != nil {
			c.drop(old.peer, reason)
		} else {
			old.session.Close(reason)
		}
	})
}

func (c *core) hello(n *conn) Hello {
	h := Hello{Name: c.cfg.Name, Version: c.cfg.Version, Caps: caps(c.cfg.Protocols), Epoch: c.cfg.Epoch, You: n.session.RemoteAddr()}
	if c.ln != nil {
		if ap, err := netip.ParseAddrPort(c.ln.Addr().String()); err == nil {
			h.ListenPort = ap.Port()
		}
	}
	return h
}

// forget gives back the place of a connection that did not become a peer.
func (c *core) forget(n *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[n.session.Remote()] == n {
		delete(c.conns, n.session.Remote())
		c.notify()
	}
}
