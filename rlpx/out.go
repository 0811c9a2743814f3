package rlpx

import (
	"cmp"
	"runtime"
	"sync"
	"time"
)

const (
	// maxQueued is how many bytes may wait to be written; when there are as many,
	// senders wait. One message more may be there, however long, and as much again
	// is being written.
	maxQueued = 256 << 10
	// maxKept is the longest buffer that is kept to be used again.
	maxKept = 4 << 20
	// maxPongs is how many pings may be unanswered. Who sends more before it reads
	// gets no more pongs than that.
	maxPongs = 16
	// writeTime is how long the peer may take to make room for what is written.
	writeTime = 20 * time.Second
)

// out is what waits to be written. Whoever finds nobody writing takes all of buf
// and encrypts and writes it, while others fill the other buffer, until it is empty
// or somebody who waits for room can take over.
type out struct {
	mu       sync.Mutex // guards what follows; never held while waiting
	room     sync.Cond  // for senders: buf was taken, or the writer stops, or it is over
	quiet    sync.Cond  // nobody writes any more
	waiters  int        // for room
	buf      []byte     // frames of appendMessage
	spare    []byte     // the other buffer, while it is not being written
	writing  bool
	pongs    int // to send
	ping     bool
	deadline time.Duration // when the deadline for writing was set, since the session began
	msgsOut  uint64

	compress bool  // not changed after Hello
	closing  bool  // the last words are in buf, or were
	lost     error // writing has failed
}

// agree is called when the hello of the other side has come: messages from now on
// are compressed if both sides can.
func (s *Session) agree(theirs Hello) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compress = theirs.Version >= snappyVersion
}

// post queues a message and writes it, if nobody else does.
func (s *Session) post(code uint64, data []byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.overLocked() == nil && len(s.buf) >= maxQueued {
		if s.writing {
			s.waiters++
			s.room.Wait()
			s.waiters--
		} else {
			s.flushLocked()
		}
	}
	if err := s.overLocked(); err != nil {
		return err
	}
	s.buf, err = appendMessage(s.buf, code, data, s.compress)
	if err == nil && code >= firstCode {
		s.msgsOut++
	}
	if !s.writing { // after an error too: it may be our turn to write for others
		s.flushLocked()
	}
	return cmp.Or(err, s.lost)
}

// overLocked says why nothing more can be written.
func (s *Session) overLocked() error {
	if s.err != nil {
		return s.err
	}
	return s.lost
}

// sayLocked queues a message that must not wait, and has it written.
func (s *Session) sayLocked(code uint64, data []byte) {
	if s.lost == nil {
		s.buf, _ = appendMessage(s.buf, code, data, s.compress) // it is short
	}
	s.kickLocked()
}

// kickLocked has somebody write. The reader and timers must not: the peer may be
// slow to read.
func (s *Session) kickLocked() {
	if s.writing {
		return
	}
	s.writing = true
	s.loops.Go(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flushLocked()
	})
}

// flushLocked writes what is queued. It lets go of mu while it writes.
func (s *Session) flushLocked() {
	s.writing = true
	for s.lost == nil && (len(s.buf) > 0 || s.pongs > 0 || s.ping) {
		s.mu.Unlock()
		// Let others queue what they have: one system call then serves all.
		runtime.Gosched()
		s.mu.Lock()
		b := s.takeLocked()
		s.mu.Unlock()
		err := s.conn.write(b)
		s.mu.Lock()
		if s.spare == nil && cap(b) <= maxKept {
			s.spare = b[:0]
		}
		if err != nil {
			s.loseLocked(err)
		}
		if s.waiters > 0 && s.err == nil && s.lost == nil {
			s.writing = false
			s.room.Signal() // one of those who wait takes over
			return
		}
	}
	if s.closing && s.lost == nil {
		s.hangUp()
	}
	s.writing = false
	s.quiet.Broadcast()
}

// takeLocked returns what is to be written now.
func (s *Session) takeLocked() []byte {
	for ; s.pongs > 0; s.pongs-- {
		s.buf, _ = appendMessage(s.buf, codePong, emptyList, s.compress)
	}
	if s.ping {
		s.buf, _ = appendMessage(s.buf, codePing, emptyList, s.compress)
		s.ping = false
		s.asked(time.Since(s.began))
	}
	// A deadline up to a second old saves setting it for every write.
	if now := time.Since(s.began); s.opened && !s.closing && (s.deadline == 0 || now-s.deadline > time.Second) {
		s.deadline = now
		s.conn.conn.SetWriteDeadline(time.Now().Add(writeTime))
	}
	b := s.buf
	s.buf, s.spare = s.spare, nil
	if s.waiters > 0 {
		s.room.Broadcast()
	}
	return b
}

// emptyList is what pings and pongs hold.
var emptyList = []byte{0xc0}

// loseLocked notes that nothing can be written any more. The peer may have said
// why before it hung up, so the reader gets a moment to find out; it must not wait
// for a channel to be read then.
func (s *Session) loseLocked(err error) {
	s.lost = s.broken(err)
	s.buf, s.spare, s.pongs, s.ping = nil, nil, 0, false
	if !s.closing { // else there is a deadline already
		s.conn.conn.SetReadDeadline(time.Now().Add(farewellTime))
	}
	s.room.Broadcast()
	for _, c := range s.channels {
		c.halt()
	}
}

// hangUp ends our half of the connection, so that the peer reads all that was
// written; where there are no halves, all of it.
func (s *Session) hangUp() {
	if half, ok := s.conn.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	} else {
		s.conn.Close()
	}
}

// pong answers a ping soon.
func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overLocked() == nil {
		s.pongs = min(s.pongs+1, maxPongs)
		s.kickLocked()
	}
}

// trimLocked lets go of buffers that a burst has made large.
func (s *Session) trimLocked() {
	if !s.writing && len(s.buf) == 0 {
		s.buf, s.spare = nil, nil
	}
}
