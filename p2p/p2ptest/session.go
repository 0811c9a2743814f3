package p2ptest

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"kith/node"
	"kith/p2p"
)

// A conn is a connection: two sessions and a line each way.
type conn struct {
	from, to *Transport
	number   int         // of this dial, from 0
	ends     [2]*session // the dialler's, the acceptor's
	live     int         // how many have not ended; guarded by Network.mu
}

// connectLocked makes the connection of a dial that has reached l.
func (n *Network) connectLocked(w *way, l *listener) *conn {
	c := &conn{from: w.t, to: l.t, number: w.number, live: 2}
	near := netip.AddrPortFrom(w.t.host.addr, w.t.host.portLocked())
	a := &session{conn: c, t: w.t, local: near, remote: w.addr, dialled: true}
	b := &session{conn: c, t: l.t, local: w.addr, remote: near}
	c.ends = [2]*session{a, b}
	a.peer, b.peer = b, a
	for _, s := range c.ends {
		s.fills, s.done = make(chan struct{}, 1), make(chan struct{})
		s.in = newLine(n.betweenLocked(s.peer.t, s.t), n.blockedLocked(s.peer.t, s.t))
		s.odds = s.chance("session")
		s.carrier.answered = make(chan struct{})
	}
	a.out, b.out = b.in, a.in
	for _, s := range c.ends {
		s.listen()
	}
	n.conns[c] = struct{}{}
	return c
}

// How far a session has come.
type stage int

const (
	stageNew    stage = iota // connected, nothing proved
	stageProved              // Hello is next
	stageHello               // Hello has been called
	stageReady               // Open is next
	stageOpen
)

// A session is one end of a connection.
//
//	new -> proved -> hello -> ready -> open
//
// From each of them it may end, once. One goroutine reads the line from open on;
// before, who proves and greets reads. A second calls fill, if anybody attaches.
type session struct {
	conn          *conn
	t             *Transport
	peer          *session // the other end: for room in its windows alone
	in, out       *line
	local, remote netip.AddrPort
	dialled       bool
	odds          chance // of what belongs to no channel; guarded by out.mu
	carrier       carrier
	count         counters
	rtt           atomic.Int64
	fills         chan struct{} // tells the writer to look; holds one
	done          chan struct{}
	loops         sync.WaitGroup

	mu       sync.Mutex // guards what follows
	id       node.ID    // the peer's
	stage    stage
	channels []*channel
	filling  bool        // the writer runs
	silence  *time.Timer // runs while the line from the peer is down
	cuts     int         // how often it was started
	err      error
}

type counters struct {
	bytesIn, bytesOut, msgsIn, msgsOut          atomic.Uint64
	datagramsIn, datagramsOut, datagramsDropped atomic.Uint64
}

var _ p2p.Session = (*session)(nil)

func (s *session) chance(what ...any) chance {
	return newChance(s.t.net.Seed, append([]any{s.conn.from.host.name, s.conn.to.host.name, s.conn.number, s.dialled}, what...)...)
}

// Remote is who the other side has proved to be.
func (s *session) Remote() node.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// LocalAddr is our end of the connection.
func (s *session) LocalAddr() netip.AddrPort { return s.local }

// RemoteAddr is the peer's.
func (s *session) RemoteAddr() netip.AddrPort { return s.remote }

// Done is closed when the session has ended.
func (s *session) Done() <-chan struct{} { return s.done }

// Err says why it has ended.
func (s *session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stats counts what went through.
func (s *session) Stats() p2p.SessionStats {
	name, lost := s.carrier.state()
	return p2p.SessionStats{
		BytesIn:          s.count.bytesIn.Load(),
		BytesOut:         s.count.bytesOut.Load(),
		MsgsIn:           s.count.msgsIn.Load(),
		MsgsOut:          s.count.msgsOut.Load(),
		DatagramsIn:      s.count.datagramsIn.Load(),
		DatagramsOut:     s.count.datagramsOut.Load(),
		DatagramsDropped: s.count.datagramsDropped.Load(),
		RTT:              time.Duration(s.rtt.Load()),
		Carrier:          "memory",
		DatagramCarrier:  name, DatagramCarrierLost: lost,
	}
}

// Close tells the peer why and waits for the goroutines of the session.
func (s *session) Close(reason error) error {
	code, text := p2p.Disconnection(reason)
	s.end(&p2p.DisconnectError{Reason: code, Text: text}, closing(code, text), true)
	s.loops.Wait()
	return nil
}

// end ends the session, if that has not been done: err says why, word is what
// the peer is sent, if it is sent anything. With discard what has arrived and
// was not read is lost: not so if the session has ended before, for one protocol
// that sees the end first must not take from another its peer's last words.
func (s *session) end(err error, word []byte, discard bool) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	if s.silence != nil {
		s.silence.Stop()
	}
	channels := s.channels
	close(s.done)
	s.mu.Unlock()
	if word != nil {
		s.send(word)
	}
	s.in.close()
	for _, c := range channels {
		c.end(err, discard)
	}
	s.t.net.forget(s.conn)
}

// send puts a frame that belongs to no channel on the line.
func (s *session) send(b []byte) {
	s.count.bytesOut.Add(uint64(len(b)))
	s.out.send(b, s.odds)
}

// listen starts the clock of the silence, or stops it, as the line is.
func (s *session) listen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	down := s.in.isDown()
	switch {
	case s.err != nil:
	case down && s.silence == nil:
		s.cuts++
		cut := s.cuts
		s.silence = time.AfterFunc(keepalive, func() { s.silent(cut) })
	case !down && s.silence != nil:
		s.silence.Stop()
		s.silence = nil
	}
}

// silent ends the session, unless this cut has been healed just now.
func (s *session) silent(cut int) {
	s.mu.Lock()
	running := s.silence != nil && s.cuts == cut
	s.mu.Unlock()
	if running {
		err := &p2p.DisconnectError{Reason: p2p.DiscReadTimeout, Text: fmt.Sprintf("nothing heard for %v", keepalive)}
		s.end(err, closing(err.Reason, err.Text), false)
	}
}

// breach ends the session because the peer's bytes make no sense.
func (s *session) breach(err error) error {
	s.end(&p2p.DisconnectError{Reason: p2p.DiscProtocolError, Text: err.Error()}, closing(p2p.DiscProtocolError, err.Error()), false)
	return s.Err()
}

// broken ends the session because a frame was lost too often.
func (s *session) broken() {
	err := &p2p.DisconnectError{Reason: p2p.DiscNetworkError, Text: fmt.Sprintf("a frame was lost %d times", tries)}
	s.peer.end(err, nil, false)
	s.end(err, nil, false)
}

// over handles the frames after which nothing comes; false for others.
func (s *session) over(f frame) bool {
	switch f.kind {
	case kindClose:
		err, bad := parseClosing(f.payload)
		if bad != nil {
			s.breach(bad)
		} else {
			s.end(err, nil, false)
		}
	case kindReset:
		s.end(&p2p.DisconnectError{Reason: p2p.DiscNetworkError, Text: "connection reset by peer"}, nil, false)
	default:
		return false
	}
	return true
}

// next waits for a frame, before Open.
func (s *session) next(ctx context.Context, want kind) (frame, error) {
	for {
		select {
		case <-s.done:
			return frame{}, s.Err()
		default:
		}
		a := s.in.take(time.Now(), 1)
		if len(a.stream) > 0 {
			return s.expect(a.stream[0], want)
		}
		if a.broken {
			s.broken()
			continue
		}
		if err := s.wait(ctx, a.next); err != nil {
			return frame{}, err
		}
	}
}

func (s *session) expect(b []byte, want kind) (frame, error) {
	s.count.bytesIn.Add(uint64(len(b)))
	f, err := parseFrame(b)
	switch {
	case err != nil:
		return f, s.breach(err)
	case s.over(f):
		return f, s.Err()
	case f.kind != want:
		return f, s.breach(&frameError{0, "not the kind that comes now"})
	}
	return f, nil
}

// wait waits until something may be on the line.
func (s *session) wait(ctx context.Context, next time.Time) error {
	var tick <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-s.in.wake:
	case <-tick:
	case <-s.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
