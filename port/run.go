package port

import (
	"context"
	"fmt"

	"kith/node"
	"kith/p2p"
)

// protocolVersion counts changes that skipping unknown fields cannot cover.
const protocolVersion = 1

// maxFrame is how long a frame may be that we take. Ours have maxFragment bytes at
// most; those of a later version may have more.
const maxFrame = 4 * maxFragment

// Protocol is what a p2p.Server needs to run the ports. A Mux is for one Server.
func (m *Mux) Protocol() p2p.Protocol {
	m.setUp()
	return p2p.Protocol{
		Name: "port", Version: protocolVersion, Length: codes, MaxMessage: maxFrame, Run: m.run,
		NodeInfo: func() any { return m.Ports() },
	}
}

// A session is what a link wants of a p2p.Session.
type session interface {
	Done() <-chan struct{}
	Err() error
}

func (m *Mux) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	return m.serve(peer, peer.Ref(), peer.Session(), rw)
}

// serve is a link's life, until its session ends, or the Mux does.
func (m *Mux) serve(peer *p2p.Peer, ref node.Ref, s session, rw p2p.MsgReadWriter) error {
	d, ok := rw.(p2p.Direct)
	var plain *pump
	if !ok {
		plain = newPump(rw)
		defer plain.stop()
		d = plain
	}
	g, _ := rw.(p2p.Datagrams)
	l := newLink(m, ref, d, g)
	if peer != nil {
		l.lend, l.who = peer.Lease, peer.Node().Short()
	}
	if !m.add(peer, l) {
		return p2p.DiscQuitting
	}
	defer m.remove(peer, l)
	l.start()
	if plain != nil { // its goroutines end with the session, which the server ends when we return
		m.spawn(plain.write)
		m.spawn(func() { plain.read(l) })
	}
	var cause error
	select {
	case <-s.Done():
		l.fail(closedError(s.Err()))
	case cause = <-l.broken:
		l.fail(closedError(cause))
	case <-m.done:
		l.fail(ErrClosed)
		cause = p2p.DiscQuitting
	}
	l.cleanUp()
	return cause
}

// cleanUp lets go of what was arriving. The reader comes no more.
func (l *link) cleanUp() {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.over = true
	if l.watch != nil {
		l.watch.Stop()
	}
	for _, in := range l.inbounds {
		l.dropPart(in)
	}
	for place, a := range l.parts {
		if a.call != nil {
			a.call.release()
		}
		delete(l.parts, place)
	}
}

// spawn starts a goroutine that Close waits for.
func (m *Mux) spawn(loop func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.loops.Go(loop)
	}
	return !m.closed
}

func (m *Mux) add(peer *p2p.Peer, l *link) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.all[l] = struct{}{}
	if peer != nil {
		m.links[peer] = l
	}
	close(m.linked)
	m.linked = make(chan struct{})
	m.pool.use(1)
	return true
}

func (m *Mux) remove(peer *p2p.Peer, l *link) {
	m.mu.Lock()
	delete(m.all, l)
	if m.links[peer] == l {
		delete(m.links, peer)
	}
	m.mu.Unlock()
	m.pool.use(-1)
}

// link waits for the link with a peer: its Run may not have been called yet.
func (m *Mux) link(ctx context.Context, peer *p2p.Peer) (*link, error) {
	if !peer.Runs("port") {
		return nil, fmt.Errorf("the peer offers no ports: %w", ErrNoPort)
	}
	for {
		m.mu.Lock()
		l, linked := m.links[peer], m.linked
		m.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-linked:
		case <-peer.Session().Done():
			return nil, closedError(peer.Session().Err())
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.done:
			return nil, ErrClosed
		}
	}
}
