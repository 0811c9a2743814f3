package p2ptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"kith/p2p"
)

// backlog is how many connections wait for Accept. Who comes then is not
// answered, as a full listener does not answer.
const backlog = 128

var (
	errFull      = errors.New("the listener's backlog is full")
	errAskedHand = errors.New("p2ptest: Handshake was called before")
)

type listener struct {
	t     *Transport
	addr  netip.AddrPort
	queue chan *pending
	done  chan struct{}

	mu      sync.Mutex // guards what follows
	closed  bool
	pending map[*pending]struct{} // not sessions yet
}

func newListener(t *Transport, addr netip.AddrPort) *listener {
	return &listener{
		t: t, addr: addr, queue: make(chan *pending, backlog),
		done: make(chan struct{}), pending: make(map[*pending]struct{}),
	}
}

// open makes a connection where the dial w has arrived.
func (n *Network) open(w *way) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.t.over.Err() != nil {
		return nil, context.Cause(w.t.over)
	}
	l := w.to.ports[w.addr.Port()]
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	c := n.connectLocked(w, l)
	if err := l.add(&pending{l: l, s: c.ends[1], since: time.Now()}); err != nil {
		delete(n.conns, c)
		return nil, err
	}
	return c, nil
}

func (l *listener) add(p *pending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return syscall.ECONNREFUSED
	}
	select {
	case l.queue <- p:
		l.pending[p] = struct{}{}
		return nil
	default:
		return errFull
	}
}

// Accept waits for a connection.
func (l *listener) Accept() (p2p.Pending, error) {
	select {
	case <-l.done:
	case <-l.t.over.Done():
	default:
		select {
		case p := <-l.queue:
			return p, nil
		case <-l.done:
		case <-l.t.over.Done():
		}
	}
	return nil, fmt.Errorf("p2ptest: accept on %s: %w", l.addr, net.ErrClosed)
}

// Addr is where it listens: the host's address and the port.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// Close ends Accept and what is still pending.
func (l *listener) Close() error {
	n := l.t.net
	n.mu.Lock()
	if l.t.host.ports[l.addr.Port()] == l {
		delete(l.t.host.ports, l.addr.Port())
	}
	n.mu.Unlock()
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	waiting := l.pending
	l.pending = nil
	l.mu.Unlock()
	for p := range waiting {
		p.Close()
	}
	return nil
}

// leave takes p off the list; false if the listener was closed, and p with it.
func (l *listener) leave(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, p)
	return !l.closed
}

type pending struct {
	l     *listener
	s     *session
	since time.Time

	mu    sync.Mutex // guards what follows
	asked bool
}

func (p *pending) RemoteAddr() netip.AddrPort { return p.s.remote }

// Handshake makes it a session, or closes it and says why.
func (p *pending) Handshake(ctx context.Context) (p2p.Session, error) {
	p.mu.Lock()
	asked := p.asked
	p.asked = true
	p.mu.Unlock()
	if asked {
		return nil, errAskedHand
	}
	err := p.s.proveAcceptor(ctx, p.since)
	if !p.l.leave(p) && err == nil {
		err = net.ErrClosed
	}
	if err != nil {
		p.s.end(err, frame{kind: kindReset}.bytes(), true)
		return nil, fmt.Errorf("p2ptest: handshake with %s: %w", p.s.remote, err)
	}
	return p.s, nil
}

// Close drops it without a word. A session that came of it goes on.
func (p *pending) Close() error {
	p.l.leave(p)
	p.s.mu.Lock()
	proved := p.s.stage > stageNew
	p.s.mu.Unlock()
	if !proved {
		p.s.end(net.ErrClosed, frame{kind: kindReset}.bytes(), true)
	}
	return nil
}
