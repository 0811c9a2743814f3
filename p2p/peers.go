package p2p

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"kith/node"
)

// open starts the protocols of an admitted connection.
func (c *core) open(n *conn, theirs Hello, protos []Protocol) (*Peer, error) {
	channels := make([]Channel, len(protos))
	for i, p := range protos {
		channels[i] = Channel{p.Cap(), p.Length, p.MaxMessage}
	}
	rws, err := n.session.Open(channels)
	if err != nil {
		c.forget(n)
		n.session.Close(err)
		return nil, err
	}
	p := &Peer{core: c, session: n.session, hello: theirs, inbound: n.inbound, dialled: n.node, protos: protos, since: time.Now(), done: make(chan struct{})}
	if err := c.enter(n, p); err != nil {
		n.session.Close(err)
		return nil, err
	}
	c.cfg.log.Log(context.Background(), c.peerLevel(), "peer connected", "peer", c.short(p.ID()), "addr", p.RemoteAddr(), "name", nameText(p.Name()), "inbound", p.inbound)
	for i, proto := range protos {
		rw := rws[i]
		if c.cfg.EnableMsgEvents {
			rw = c.watch(p, proto.Cap(), rw)
		}
		c.loops.Go(func() { c.runProtocol(proto, p, rw) })
	}
	if len(protos) == 0 {
		c.loops.Go(func() { <-p.session.Done(); c.drop(p, nil) })
	}
	return p, nil
}

func (c *core) runProtocol(proto Protocol, p *Peer, rw MsgReadWriter) {
	c.countRun(proto.Name, 1)
	err := proto.Run(p, rw)
	c.countRun(proto.Name, -1)
	c.drop(p, runError(err))
}

func (c *core) countRun(name string, change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[name] += change
}

// sayStuck names the protocols that hold up Close.
func (c *core) sayStuck() {
	c.mu.Lock()
	runs := maps.Clone(c.runs)
	c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		if n := runs[name]; n > 0 {
			c.cfg.log.Warn("closing waits for Runs that do not return", "proto", name, "peers", n)
		}
	}
}

// enter makes p the peer of n's place, unless another has taken that place.
func (c *core) enter(n *conn, p *Peer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[p.ID()] != n {
		return DiscAlreadyConnected
	}
	if c.quitting {
		delete(c.conns, p.ID())
		c.notify()
		return DiscQuitting
	}
	n.peer, n.stage = p, open
	if c.knownLocked(p.ID()) {
		c.befriendLocked(p.RemoteAddr().String())
	}
	c.count.connected++
	c.backOff.forget(target{id: p.ID()})
	if d := c.dials[target{id: p.ID()}]; d != nil { // it may be ours, or they have come to us
		c.finishLocked(d, p, true, nil)
	}
	c.feed.send(Event{Kind: PeerUp, Peer: p})
	c.notify()
	return nil
}

// drop ends a peer, the first time it is called for it, and waits for that.
func (c *core) drop(p *Peer, reason error) {
	c.mu.Lock()
	first := p.going == nil
	if first {
		p.going = ending(reason)
	}
	c.mu.Unlock()
	if !first {
		<-p.done
		return
	}
	c.end(p, reason)
}

// end ends a peer that is going.
func (c *core) end(p *Peer, reason error) {
	p.session.Close(reason)
	c.mu.Lock()
	p.err = p.session.Err()
	if n := c.conns[p.ID()]; n != nil && n.peer == p { // else it was told when another took the place
		delete(c.conns, p.ID())
		c.feed.send(Event{Kind: PeerDown, Peer: p, Err: p.err})
		c.notify()
	}
	c.keepAgainLocked(p)
	c.mu.Unlock()
	close(p.done)
	c.cfg.log.Log(context.Background(), c.peerLevel(), "peer gone", "peer", c.short(p.ID()), "addr", p.RemoteAddr(), "err", p.err)
}

// peerLevel is how loud we are about one peer: in a cluster it is a member, in an
// open network any stranger.
func (c *core) peerLevel() slog.Level {
	if c.cfg.Policy == OnDemand && c.scheme == node.Cert {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func ending(reason error) *DisconnectError {
	code, text := Disconnection(reason)
	return &DisconnectError{Reason: code, Text: text}
}

// runError is what to tell a peer when a Run has returned err.
func runError(err error) error {
	var code DiscReason
	switch {
	case err == nil:
		return DiscQuitting
	case errors.As(err, &code):
		return err
	}
	return &DisconnectError{Reason: DiscSubprotocolError, Text: err.Error()}
}

// Disconnect ends the peer and tells it why: see Session.Close. It waits for
// the session to end, but not for the Runs. Err has the reason afterwards.
func (p *Peer) Disconnect(reason error) { p.core.drop(p, reason) }

func (c *core) peers() []*Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Peer
	for _, n := range c.conns {
		if n.peer != nil {
			out = append(out, n.peer)
		}
	}
	return out
}

// Peers are the connected nodes, in no order. The slice is the caller's.
func (s *Server) Peers() []*Peer {
	c, err := s.running()
	if err != nil {
		return nil
	}
	return c.peers()
}

// Peer is the peer with this id, nil if it is not connected.
func (s *Server) Peer(id node.ID) *Peer {
	c, err := s.running()
	if err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.conns[id]; n != nil {
		return n.peer
	}
	return nil
}
