package mtls

import (
	"encoding/binary"
	"runtime"
)

func (s *session) writeLoop() {
	defer s.left()
	for range s.wake {
		for more := true; more; {
			// Let others queue what they have: the first of many senders wakes us,
			// and we would write its message alone.
			runtime.Gosched()
			var err error
			if more, err = s.writeOnce(); err != nil {
				s.fail(s.broken(err))
				return
			}
			if s.finished() {
				return
			}
		}
	}
}

// finished tells whether the session has ended; if it is closing, our last words
// have been written.
func (s *session) finished() bool {
	s.mu.Lock()
	err, last, queued := s.err, s.last, len(s.buf)
	s.mu.Unlock()
	if err == nil || (last != nil && queued > 0) {
		return false
	}
	if last != nil && s.conn.together(last) == nil {
		s.conn.CloseWrite() // the reader closes the rest when the peer has
	}
	return true
}

// writeOnce writes one round; false if nothing is left and the writer may sleep.
func (s *session) writeOnce() (more bool, err error) {
	s.takeRound()
	s.copyPieces()
	s.callFills()
	b := s.round
	if len(b) > 0 {
		err = s.conn.together(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round = nil
	if s.spare == nil && cap(b) <= 2*maxQueued {
		s.spare = b[:0]
	}
	s.endPiecesLocked()
	s.endTurnsLocked()
	s.wakeWaitersLocked()
	more = len(s.buf) > 0 || len(s.ready) > 0 || s.controlDueLocked() || s.err != nil
	if !more {
		s.writing = false
	}
	return more, err
}

// takeRound takes the buffer and decides what goes with it.
func (s *session) takeRound() {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buf
	s.buf, s.spare = s.spare[:0], nil
	b = s.appendControlLocked(b)
	s.pieces, s.turns = s.pieces[:0], s.turns[:0]
	// However many small messages there are, long ones move on.
	for room := max(writeRound-len(b), maxFrame); room > 0 && len(s.ready) > 0; {
		share := max(room/len(s.ready), maxFrame)
		c := s.ready[0]
		s.ready = remove(s.ready)
		c.inReady = false
		if !c.mayGo() {
			continue
		}
		if c.filling {
			c.filling = false
			t := turn{c: c, room: share, credit: c.credit}
			c.credit -= t.credit
			s.turns = append(s.turns, t)
			room -= share
			continue
		}
		room -= s.takePieceLocked(c)
		s.readyLocked(c)
	}
	s.round = b
	s.wakeWaitersLocked()
}

// takePieceLocked takes one frame of the channel's first outgoing.
func (s *session) takePieceLocked(c *channel) int {
	o := c.queued[0]
	n := min(len(o.data)-o.sent, maxPayload)
	if len(o.data) > maxPayload && o.sent == 0 {
		n = maxPayload - 4
	}
	if o.sent == 0 {
		c.credit -= overhead
		s.msgsOut++
	}
	c.credit -= n
	s.pieces = append(s.pieces, piece{o, c.index, o.sent, o.sent + n})
	o.busy = true
	if o.sent += n; o.sent == len(o.data) {
		c.queued = remove(c.queued)
	}
	return n + headerSize
}

// copyPieces appends the pieces, and lets go of the messages that are done.
func (s *session) copyPieces() {
	for _, p := range s.pieces {
		n, total := p.to-p.from, len(p.o.data)
		switch {
		case p.from > 0:
			s.round = header{kindMore, p.channel, 0, n}.append(s.round)
		case n == total:
			s.round = header{kindMessage, p.channel, p.o.code, n}.append(s.round)
		default:
			s.round = header{kindFirst, p.channel, p.o.code, n + 4}.append(s.round)
			s.round = binary.BigEndian.AppendUint32(s.round, uint32(total))
		}
		s.round = append(s.round, p.o.data[p.from:p.to]...)
		if p.to == total {
			p.o.taken <- nil
		}
	}
}

// endPiecesLocked tells those whose message can go no further that the session
// has ended: they could not be told while their bytes were being copied.
func (s *session) endPiecesLocked() {
	for _, p := range s.pieces {
		if p.o.busy && p.o.sent < len(p.o.data) && s.err != nil {
			p.o.taken <- s.err
		}
		p.o.busy = false
	}
	clear(s.pieces)
}

// callFills lets the direct channels whose turn it is fill their share.
func (s *session) callFills() {
	for i := range s.turns {
		s.turn = &s.turns[i]
		s.turn.c.direct.Load().fill(s.put)
	}
	s.turn = nil
}

// putDirect is the put that fill is given.
func (s *session) putDirect(code uint64, head, body []byte) bool {
	t, n := s.turn, len(head)+len(body)
	if code >= t.c.length || n > t.c.MaxPost() {
		panic("mtls: put of a message that Post would refuse")
	}
	if t.again || n+headerSize > t.room || n+overhead > t.credit {
		t.again = true
		return false
	}
	t.room -= n + headerSize
	t.credit -= n + overhead
	t.msgs++
	b := header{kindMessage, t.c.index, uint16(code), n}.append(s.round)
	b = append(b, head...)
	s.round = append(b, body...)
	return true
}

func (s *session) endTurnsLocked() {
	for i := range s.turns {
		t := &s.turns[i]
		s.msgsOut += t.msgs
		t.c.credit += t.credit
		if t.again {
			t.c.filling = true
		}
		if t.c.filling && s.err == nil {
			s.readyLocked(t.c)
		}
		*t = turn{}
	}
}
