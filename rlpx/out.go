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
	// burstGap is how soon after a write the next message comes in a burst. It is
	// less than an answer takes to come.
	burstGap = 5 * time.Microsecond
	// writeTime is how long the peer may take to make room for a round of what is
	// written.
	writeTime = 20 * time.Second
)

// out is what waits to be written. One at a time takes all of buf, encrypts it and
// writes it, while others fill the other buffer: the first who has something to say,
// once, or in a burst a goroutine.
type out struct {
	mu       sync.Mutex // guards what follows; never held while waiting
	room     sync.Cond  // for senders: buf was taken, or it is over
	quiet    sync.Cond  // nobody writes any more
	waiters  int        // for room
	buf      []byte     // frames of appendMessage
	spare    []byte     // the other buffer, while it is not being written
	writing  bool
	pongs    int // to send
	ping     bool
	wrote    time.Duration // when something was last written, since the session began
	deadline time.Duration // when the deadline for writing was set
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

// post queues a message. If nobody writes it is written at once, unless something
// was just written: then a burst is under way, and is better written in large pieces
// while its sender goes on.
func (s *Session) post(code uint64, data []byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.overLocked() == nil && len(s.buf) >= maxQueued {
		s.waiters++
		s.room.Wait()
		s.waiters--
	}
	if err := s.overLocked(); err != nil {
		return err
	}
	s.buf, err = appendMessage(s.buf, code, data, s.compress)
	if err == nil && code >= firstCode {
		s.msgsOut++
	}
	switch {
	case s.writing:
		return err
	case s.wrote > 0 && time.Since(s.began)-s.wrote < burstGap:
		s.kickLocked()
		return err
	}
	s.writing = true
	s.writeLocked()
	s.writing = false
	s.kickLocked() // for what others have queued meanwhile
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

// kickLocked has what is queued written by a goroutine, of which there is one at a
// time. The reader and timers must not write: the peer may be slow to read.
func (s *Session) kickLocked() {
	switch {
	case s.writing:
	case s.dueLocked():
		s.writing = true
		s.loops.Go(s.flush)
	default:
		s.restLocked()
	}
}

func (s *Session) dueLocked() bool {
	return s.lost == nil && (len(s.buf) > 0 || s.pongs > 0 || s.ping)
}

// flush writes until nothing is queued.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.dueLocked() {
		s.mu.Unlock()
		// Let others queue what they have: one system call then serves all.
		runtime.Gosched()
		s.mu.Lock()
		s.writeLocked()
	}
	s.writing = false
	s.restLocked()
}

// restLocked is called when nobody writes any more.
func (s *Session) restLocked() {
	if s.closing && s.lost == nil {
		s.hangUp()
	}
	s.quiet.Broadcast()
}

// writeLocked writes what is queued now, in rounds: each may take its time, since
// many messages may be queued for a peer that reads slowly. It lets go of mu while
// it writes.
func (s *Session) writeLocked() {
	b := s.takeLocked()
	var err error
	for rest := b; len(rest) > 0 && err == nil; {
		s.allowLocked()
		s.mu.Unlock()
		var n int
		n, err = s.conn.writeSome(rest)
		rest = rest[n:]
		s.mu.Lock()
	}
	if s.spare == nil && cap(b) <= maxKept {
		s.spare = b[:0]
	}
	if err != nil {
		s.loseLocked(err)
	}
	s.wrote = time.Since(s.began)
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
	b := s.buf
	s.buf, s.spare = s.spare, nil
	if s.waiters > 0 {
		s.room.Broadcast()
	}
	return b
}

// allowLocked gives the next round its time. A deadline up to a second old saves
// setting it for every write.
func (s *Session) allowLocked() {
	if now := time.Since(s.began); s.opened && !s.closing && (s.deadline == 0 || now-s.deadline > time.Second) {
		s.deadline = now
		s.conn.conn.SetWriteDeadline(time.Now().Add(writeTime))
	}
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

// trimLocked lets go of what a burst has made large, when nothing has passed for a
// while.
func (s *Session) trimLocked() {
	if !s.writing && len(s.buf) == 0 {
		s.buf, s.spare = nil, nil
	}
	for _, c := range s.channels {
		c.trim()
	}
}
