package mtls

import (
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
	chain   []*x509.Certificate // what the peer has shown; see show; the timer's once the session is open
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
	renewal  renewal
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
	s.renewal.shown = cfg.credentials.Current()
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
