package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// acceptLoop takes connections until the listener is closed.
func (c *core) acceptLoop() {
	for {
		p, err := c.ln.Accept()
		if err != nil {
			if c.ctx.Err() == nil && !c.isQuitting() {
				c.cfg.log.Error("no connections are accepted any more", "addr", c.ln.Addr(), "err", err)
			}
			return
		}
		h, err := c.reserve(p.RemoteAddr().Addr())
		if err != nil {
			c.cfg.log.Debug("connection dropped", "addr", p.RemoteAddr(), "err", err)
			p.Close()
			continue
		}
		c.loops.Go(func() { c.accept(h, p) })
	}
}

func (c *core) isQuitting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quitting
}

// accept makes an accepted connection a peer, or ends it.
func (c *core) accept(h *handshake, p Pending) {
	defer h.stop()
	session, err := p.Handshake(h.ctx)
	known := err == nil // who it is has been proved
	if known {
		_, err = c.greet(h.ctx, &conn{session: session, inbound: true})
	}
	c.mu.Lock()
	c.handshakes--
	if err != nil && !c.pending[h] {
		err = fmt.Errorf("%w, gave way: %w", ErrPendingLimit, err)
	}
	delete(c.pending, h)
	say := err != nil && c.refusedLocked(p.RemoteAddr().Addr(), known, err)
	c.mu.Unlock()
	switch {
	case say: // an operator must see a member with the wrong certificate; at most one line a second
		c.cfg.log.Warn("refused", "addr", p.RemoteAddr(), "err", err)
	case err != nil:
		c.cfg.log.Debug("refused", "addr", p.RemoteAddr(), "err", err)
	}
}

// refusedLocked counts a connection that did not become a peer, against its
// address too unless it was a peer's ordinary bad luck, and tells whether an
// operator should hear of it. Call it with mu held.
func (c *core) refusedLocked(from netip.Addr, known bool, err error) bool {
	c.count.refused++
	if c.cfg.Policy != OnDemand || c.quitting {
		return false
	}
	luck := known && ordinary(err)
	if !luck {
		c.throttle.failed(from, time.Now())
	}
	visible := !luck || errors.Is(err, DiscTooManyPeers) || errors.Is(err, DiscSuperseded)
	return visible && c.peerLevel() > slog.LevelDebug && c.throttle.mayLog(time.Now())
}

// ordinary tells whether err is what happens between honest nodes: dials that
// cross, a run that ends or is replaced, a full house, a broken connection.
func ordinary(err error) bool {
	var code DiscReason
	if !errors.As(err, &code) {
		return true // the network's: nobody has refused anybody
	}
	return slices.Contains([]DiscReason{
		DiscRequested, DiscNetworkError, DiscTooManyPeers, DiscAlreadyConnected, DiscQuitting, DiscSelf, DiscReadTimeout, DiscIdle, DiscSuperseded,
	}, code)
}

// greet exchanges hellos on a new session and makes it a peer.
func (c *core) greet(ctx context.Context, n *conn) (*Peer, error) {
	var mine []Protocol
	theirs, err := n.session.Hello(ctx, c.hello(n), func(theirs Hello) error {
		c.mu.Lock()
		old, err := c.admit(n, theirs)
		if err != nil {
			c.mu.Unlock()
			return err
		}
		why := DiscAlreadyConnected
		if old != nil && old.stage != greeting && theirs.Epoch > old.epoch {
			why = DiscSuperseded
		}
		n.epoch, n.stage = theirs.Epoch, opening
		c.takeLocked(n, why)
		mine = shared(c.cfg.Protocols, theirs.Caps)
		c.mu.Unlock()
		if old != nil && old != n {
			c.replaced(old, why)
		}
		return nil
	})
	if err != nil {
		c.forget(n)
		return nil, err
	}
	return c.open(n, theirs, mine)
}

// replaced ends a connection whose place another has taken. It does not wait.
func (c *core) replaced(old *conn, why DiscReason) {
	c.loops.Go(func() {
		if old.peer != nil {
			c.drop(old.peer, why)
		} else {
			old.session.Close(why)
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
