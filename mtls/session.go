package mtls

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// A session is one authenticated connection. Its life:
//
//	new ──Hello──> greeted ──Open──> running ──Close──> closing ──> ended
//	                                    └──────failure─────────────> ended
//
// While running it has two goroutines. The reader takes frames and hands them
// on; it never writes and never waits for anybody. The writer sends what others
// have queued. A timer looks after pings. Closing takes until the peer has
// closed too, but at most farewellTime.
type session struct {
	t       *Transport
	cfg     *config
	log     *slog.Logger
	conn    carrier
	dialled bool
	remote  node.ID
	chain   []*x509.Certificate // what the peer showed
	local   netip.AddrPort
	peer    netip.AddrPort
	began   time.Time
	judged  *cert.Snapshot     // the credentials that the peer was last judged by; the timer's
	expires time.Time          // when it is to be judged again
	secret  [attachSecret]byte // known to both ends of a TCP carrier alone

	theirMax int // longest message that the peer takes; set by Hello
	channels []*channel
	in       buffer // the reader's, and Hello's before
	rate     pulse
	loops    sync.WaitGroup
	live     atomic.Int32 // loops that have not ended
	done     chan struct{}
	grams    datagrams

	out     // what waits to be written, and mu
	reading // what the reader alone touches
	msgsIn  atomic.Uint64
}

// farewellTime is how long a peer has to take our last words.
const farewellTime = time.Second

func newSession(t *Transport, cfg *config, conn carrier, dialled bool, chain []*x509.Certificate, remote node.ID, local, peer netip.AddrPort) *session {
	s := &session{
		t: t, cfg: cfg, conn: conn, dialled: dialled, chain: chain, remote: remote, local: local, peer: peer,
		began: time.Now(), done: make(chan struct{}),
		log: cfg.log.With("peer", remote.Short(), "addr", peer.String()),
	}
	s.in.buf = make([]byte, headerSize+maxControl)
	s.out.init()
	s.put = s.putDirect
	s.grams.init(s)
	return s
}

func (s *session) Remote() node.ID            { return s.remote }
func (s *session) LocalAddr() netip.AddrPort  { return s.local }
func (s *session) RemoteAddr() netip.AddrPort { return s.peer }
func (s *session) Done() <-chan struct{}      { return s.done }

func (s *session) Err() error {
	select {
	case <-s.done:
		return s.cause()
	default:
		return nil
	}
}

// cause is why the session has ended, or is about to.
func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Hello exchanges hellos. The side that was dialled judges first.
func (s *session) Hello(ctx context.Context, ours p2p.Hello, decide func(theirs p2p.Hello) error) (p2p.Hello, error) {
	var refusal error
	theirs, err := s.greet(ctx, ours, func(h p2p.Hello) error {
		refusal = decide(h)
		return refusal
	})
	if refusal != nil {
		s.Close(refusal)
		return p2p.Hello{}, refusal
	}
	if err == nil {
		return theirs, nil
	}
	err = explain(err)
	if d, ok := errors.AsType[*p2p.DisconnectError](err); ok && !d.Remote {
		s.Close(d) // what they said makes no sense to us
	} else {
		s.fail(err)
	}
	<-s.done
	return p2p.Hello{}, fmt.Errorf("mtls: hello with %v: %w", s.peer, err)
}

func (s *session) greet(ctx context.Context, ours p2p.Hello, decide func(theirs p2p.Hello) error) (theirs p2p.Hello, err error) {
	mine := &hello{Hello: ours, low: lowVersion, high: highVersion, maxMessage: uint32(s.cfg.maxMessage)}
	mine.You = s.peer
	payload := mine.append(nil)
	if len(payload) > maxControl {
		return theirs, fmt.Errorf("ours has %d bytes, at most %d can be sent: %w", len(payload), maxControl, p2p.ErrTooLarge)
	}
	say := func() error {
		_, err := s.conn.Write(appendFrame(nil, kindHello, payload))
		return err
	}
	err = within(ctx, s.cfg.handshake, s.conn, func() error {
		var sayErr error
		if s.dialled {
			sayErr = say()
		}
		h, err := s.hear() // if they have hung up already, what they said is still to be read
		switch {
		case sayErr != nil && !wasTold(err):
			return sayErr
		case err != nil:
			return err
		}
		if err := compatible(mine, h); err != nil {
			return err
		}
		s.theirMax = cmp.Or(int(h.maxMessage), defaultMaxMessage)
		theirs = h.Hello
		if err := decide(theirs); err != nil || s.dialled {
			return err
		}
		s.t.expect(s)
		return say()
	})
	return theirs, err
}

// wasTold tells whether an error is what the peer said.
func wasTold(err error) bool {
	err = explain(err)
	d, ok := errors.AsType[*p2p.DisconnectError](err)
	_, isAlert := errors.AsType[*alert](err)
	return isAlert || (ok && d.Remote)
}

// hear reads one frame, which must be a hello or say why there is none.
func (s *session) hear() (*hello, error) {
	h, payload, err := s.in.frame(s.conn)
	if err != nil {
		return nil, err
	}
	switch h.kind {
	case kindHello:
		return parseHello(payload)
	case kindDisconnect:
		return nil, parseFarewell(payload)
	case kindRefused:
		return nil, &p2p.DisconnectError{Reason: p2p.DiscRefused, Text: clean(payload), Remote: true}
	}
	return nil, breach("frame of kind %d before hello", h.kind)
}

// Open starts reading and writing.
func (s *session) Open(channels []p2p.Channel) ([]p2p.MsgReadWriter, error) {
	if len(channels) > maxChannels {
		return nil, fmt.Errorf("mtls: open %d protocols on one session: at most %d", len(channels), maxChannels)
	}
	rws := make([]p2p.MsgReadWriter, len(channels))
	list := make([]*channel, len(channels))
	for i, c := range channels {
		list[i] = newChannel(s, uint8(i), c)
		rws[i] = list[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.opened {
		return nil, errors.New("mtls: session already open")
	}
	s.in.grow()
	s.opened, s.channels = true, list
	s.grams.channels.Store(&list)
	s.live.Store(2)
	s.loops.Go(s.readLoop)
	s.loops.Go(s.writeLoop)
	s.startPulseLocked()
	if q, ok := s.conn.(*quicCarrier); ok {
		s.grams.begin(q.conn, nil)
	}
	return rws, nil
}

// maxChannels is how many protocols fit in a header.
const maxChannels = 256

// Close says goodbye and waits until both goroutines have ended.
func (s *session) Close(reason error) error {
	s.shut(reason)
	s.loops.Wait()
	<-s.done
	return nil
}

// shut begins to close the session; it does not wait for a running one.
func (s *session) shut(reason error) {
	code, text := p2p.Disconnection(reason)
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = &p2p.DisconnectError{Reason: code, Text: text}
	last := appendFrame(nil, kindDisconnect, farewell(code, text))
	s.last = last
	opened := s.opened
	s.stopLocked()
	s.mu.Unlock()
	s.conn.SetDeadline(time.Now().Add(farewellTime))
	if !opened {
		s.conn.Write(last)
		s.conn.CloseWrite()
		drain(s.conn)
		s.end()
	}
}

// fail ends the session at once, without a word to the peer.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.err != nil && s.last == nil {
		s.mu.Unlock()
		return
	}
	if s.err == nil {
		s.err = err
	}
	s.last = nil
	opened := s.opened
	s.stopLocked()
	s.mu.Unlock()
	s.conn.Close()
	if !opened {
		s.end()
	}
}

// stopLocked wakes all who wait for the session, now that err is set. Call it
// with mu held.
func (s *session) stopLocked() {
	s.rate.stop()
	s.deaf.Store(true)
	s.dropQueuedLocked()
	s.kickLocked()
	s.room.Broadcast()
}

// left is called by each loop as it ends; the last one ends the session.
func (s *session) left() {
	if s.live.Add(-1) == 0 {
		s.end()
	}
}

// end is called once nobody uses the connection any more.
func (s *session) end() {
	s.conn.Close()
	s.t.forget(s)
	s.grams.stop()
	err := s.cause()
	for _, c := range s.channels {
		c.end(err)
	}
	s.closeDone.Do(func() { close(s.done) })
}

// broken says in the session's words what failed on the connection.
func (s *session) broken(err error) error {
	code := p2p.DiscNetworkError
	closed, ok := errors.AsType[*quic.ApplicationError](err)
	switch _, idle := errors.AsType[*quic.IdleTimeoutError](err); {
	case errors.Is(err, io.EOF), ok && closed.Remote:
		err = errors.New("connection closed by the peer")
	case idle:
		code = p2p.DiscReadTimeout
	}
	return fmt.Errorf("mtls: session with %s at %v: %w: %w", s.remote.Short(), s.peer, code, err)
}

// drain reads what the peer still sends, to no use, so that our last words are
// not lost to a reset. It ends at the deadline of conn.
func drain(conn io.Reader) {
	io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
}

// within calls f with the deadline of ctx, but at most limit, on conn.
func within(ctx context.Context, limit time.Duration, conn deadliner, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(stopped)
	})
	err := f()
	if stop() {
		return err
	}
	<-stopped
	if err == nil {
		conn.SetDeadline(time.Time{})
		return nil
	}
	return fmt.Errorf("%w (%v)", ctx.Err(), err)
}

type deadliner interface{ SetDeadline(time.Time) error }
