package rlpx

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// farewellTime is how long a peer has to take our last words, or we to read its.
const farewellTime = time.Second

// A Session is the base protocol on a connection. Hello is called once, then Open
// once; Close, Done, Err and Stats may be called at any time by any goroutine.
// Make one with NewSession. Its life:
//
//	new ──Hello──> greeted ──Open──> running ──Close──> closing ──> ended
//	                                    └──────failure─────────────> ended
//
// While running it has one goroutine, the reader, which never writes and waits for
// nobody but those who should read from a channel. Writing is done by whoever has
// something to say; in a burst, for pings and pongs, and for the last words, a
// goroutine does it that ends when nothing is left, one at a time. Closing takes
// until the peer has closed too, but at most a second.
type Session struct {
	conn  *Conn
	began time.Time
	done  chan struct{}
	once  sync.Once // closes done
	loops sync.WaitGroup

	out // what waits to be written, and mu
	pulse

	err      error // why it has ended, or is closing; guarded by mu, like what follows
	opened   bool
	channels []*Channel // not changed after Open

	deaf    atomic.Bool // closing: what comes is thrown away
	touched []*Channel  // the reader's: those with a batch
	pending int         // the reader's: bytes in batches
	msgsIn  atomic.Uint64
}

// NewSession makes a session of a connection, which belongs to it from now on.
func NewSession(c *Conn) *Session {
	s := &Session{conn: c, began: time.Now(), done: make(chan struct{})}
	s.out.room.L, s.out.quiet.L = &s.mu, &s.mu
	return s
}

// Conn is the connection below, for who is at its other end.
func (s *Session) Conn() *Conn { return s.conn }

// Done is closed when the session has ended, however it did.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why it has ended, nil before.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.cause()
	default:
		return nil
	}
}

// cause is why the session has ended, or is about to.
func (s *Session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// A Protocol is what a session knows of one.
type Protocol struct {
	// Length is the number of its messages: their codes run from 0 to Length - 1.
	Length uint64
	// MaxMessage is how many bytes one may have, ours too. A peer that sends more
	// breaks the protocol. Zero: as many as fit in a frame, 16777215.
	MaxMessage int
}

// Open starts reading and gives a channel for each of the protocols that both
// sides share, sorted by name: so both sides give their messages the same numbers
// on the wire.
func (s *Session) Open(protocols []Protocol) ([]*Channel, error) {
	list := make([]*Channel, len(protocols))
	first, frame := uint64(firstCode), maxHello
	for i, p := range protocols {
		list[i] = newChannel(s, first, p)
		first += p.Length
		frame = max(frame, list[i].frame())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.opened {
		return nil, errors.New("rlpx: session already open")
	}
	s.opened, s.channels = true, list
	s.conn.in.limit = frame
	s.startPulseLocked()
	s.loops.Go(s.readLoop)
	return append([]*Channel(nil), list...), nil
}

// Close ends the session and tells the peer why: the Reason that reason wraps,
// Requested if it is nil, else SubprotocolError. It waits for the goroutines of the session.
func (s *Session) Close(reason error) error {
	s.shut(disconnection(reason))
	s.loops.Wait()
	<-s.done
	return nil
}

// shut begins to close the session. It does not wait.
func (s *Session) shut(why *DisconnectError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = why
	s.closing = true
	s.conn.conn.SetDeadline(time.Now().Add(farewellTime))
	s.sayLocked(codeDisconnect, appendReason(nil, why.Reason))
	s.stopLocked()
	if !s.opened {
		s.loops.Go(s.finish)
	}
}

// fail ends the session at once, without a word to the peer.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
		s.stopLocked()
	}
	opened := s.opened
	s.mu.Unlock()
	s.conn.Close()
	if !opened {
		s.end()
	}
}

// stopLocked wakes all who wait for the session, now that err is set.
func (s *Session) stopLocked() {
	s.pulse.stop()
	s.deaf.Store(true)
	s.room.Broadcast()
	for _, c := range s.channels {
		c.halt()
	}
}

// finish is what is left to do when our last words are on their way: what the
// peer still sends is thrown away, so that they are not lost to a reset.
func (s *Session) finish() {
	io.Copy(io.Discard, s.conn.conn)
	s.mu.Lock()
	for s.writing {
		s.quiet.Wait()
	}
	s.mu.Unlock()
	s.end()
}

// end is called once nobody uses the connection any more.
func (s *Session) end() {
	s.conn.Close()
	err := s.cause()
	for _, c := range s.channels {
		c.end(err)
	}
	s.once.Do(func() { close(s.done) })
}

// broken says in the session's words what failed on the connection.
func (s *Session) broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("connection closed by the peer")
	}
	return fmt.Errorf("rlpx: session with %v: %w: %w", s.conn.conn.RemoteAddr(), NetworkError, err)
}

// Stats count what went through a session.
type Stats struct {
	BytesIn, BytesOut uint64        // on the wire
	MsgsIn, MsgsOut   uint64        // of channels
	RTT               time.Duration // of the last ping; 0 before the first
}

// Stats counts what went through the session.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		BytesIn: s.conn.bytesIn.Load(), BytesOut: s.conn.bytesOut.Load(),
		MsgsIn: s.msgsIn.Load(), MsgsOut: s.msgsOut, RTT: s.rtt,
	}
}
