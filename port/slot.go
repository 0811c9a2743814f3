package port

import (
	"iter"
	"sync"
	"sync/atomic"
)

const (
	slotBits = 20
	slotMask = 1<<slotBits - 1
	genMask  = 1<<11 - 1

	// maxCalls is how many requests one session has in flight in one direction.
	// Beyond it a caller is told ErrBusy; a peer that goes beyond it is cut off.
	maxCalls = 1 << 16

	segmentBits = 7 // slots and calls are kept in segments of so many
	segmentSize = 1 << segmentBits
	segments    = maxCalls / segmentSize
)

// The states of a slot:
//
//	free ──take──▶ waiting ──answer──▶ done ──put──▶ free
//	                  ├──caller leaves──▶ left ──answer──▶ free
//	                  └──stream left──▶ shut ──caller leaves──▶ left
//	                                     └──answer──▶ over ──put──▶ free
const (
	slotFree = iota
	slotWaiting
	slotDone
	slotLeft
	slotShut
	slotOver
)

// A slot is a request that we made and that is not answered yet. Its id is
// generation << 20 | place: an answer to an earlier use of the place is known by
// its generation and dropped.
type slot struct {
	place  uint32
	gen    uint32
	id     atomic.Uint32
	state  atomic.Int32
	stream atomic.Uint32 // id + 1 of the stream; 0: none

	answered chan struct{} // holds one
	reply    []byte        // written before answered
	err      error

	part *assembly // the reply so far; belongs to the reader
	out  out       // the request, while it waits
	head [maxHead]byte
}

// slots are those of one session.
type slots struct {
	mu     sync.Mutex // guards what follows, but for reading segs
	free   []*slot    // last used first
	count  int
	closed error
	segs   [segments]atomic.Pointer[[segmentSize]slot]
}

// take gives a slot that waits for an answer.
func (t *slots) take() (*slot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return nil, t.closed
	}
	if len(t.free) == 0 && !t.growLocked() {
		return nil, refusal(codeBusy, 0, "65536 requests in flight")
	}
	s := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	s.gen = (s.gen + 1) & genMask
	s.id.Store(s.gen<<slotBits | s.place)
	s.reply, s.err = nil, nil
	s.state.Store(slotWaiting)
	return s, nil
}

func (t *slots) growLocked() bool {
	if t.count == maxCalls {
		return false
	}
	seg := new([segmentSize]slot)
	for i := segmentSize - 1; i >= 0; i-- {
		s := &seg[i]
		s.place = uint32(t.count + i)
		s.answered = make(chan struct{}, 1)
		t.free = append(t.free, s)
	}
	t.segs[t.count>>segmentBits].Store(seg)
	t.count += segmentSize
	return true
}

// put takes a slot back.
func (t *slots) put(s *slot) {
	s.state.Store(slotFree)
	s.stream.Store(0)
	t.mu.Lock()
	t.free = append(t.free, s)
	t.mu.Unlock()
}

// find gives the slot that waits for the answer to id, or nil. Only the reader
// calls it.
func (t *slots) find(id uint32) *slot {
	place := id & slotMask
	if place >= maxCalls {
		return nil
	}
	seg := t.segs[place>>segmentBits].Load()
	if seg == nil {
		return nil
	}
	s := &seg[place&(segmentSize-1)]
	switch st := s.state.Load(); {
	case s.id.Load() != id:
		return nil
	case st == slotWaiting || st == slotLeft || st == slotShut:
		return s
	}
	return nil
}

// answer gives the caller its answer, or the slot back if the caller has left.
func (t *slots) answer(s *slot, reply []byte, err error) {
	if s.state.CompareAndSwap(slotWaiting, slotDone) {
		s.reply, s.err = reply, err
		s.answered <- struct{}{}
		return
	}
	if s.state.CompareAndSwap(slotShut, slotOver) {
		return // the caller has been woken
	}
	if s.state.CompareAndSwap(slotLeft, slotFree) {
		t.put(s)
	}
}

// shut wakes the callers that wait for answers on a stream which we have left.
func (t *slots) shut(stream uint32) {
	for s := range t.all() {
		if s.stream.Load() == stream+1 && s.state.CompareAndSwap(slotWaiting, slotShut) {
			s.answered <- struct{}{}
		}
	}
}

// all gives every slot there is.
func (t *slots) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		t.mu.Lock()
		count := t.count
		t.mu.Unlock()
		for i := range count >> segmentBits {
			seg := t.segs[i].Load()
			for j := range seg {
				if !yield(&seg[j]) {
					return
				}
			}
		}
	}
}

// serves tells whether a request of a stream waits for its answer.
func (t *slots) serves(stream uint32) bool {
	for s := range t.all() {
		if s.stream.Load() == stream+1 {
			return true
		}
	}
	return false
}

// leave tells whether the caller may go without its answer; if not, the answer
// is there. The caller has not been woken before.
func (t *slots) leave(s *slot) bool {
	if s.state.CompareAndSwap(slotWaiting, slotLeft) {
		return true
	}
	left := s.state.CompareAndSwap(slotShut, slotLeft)
	<-s.answered // there, or about to be
	return left
}

// close answers every slot, and every take from now on, with err.
func (t *slots) close(err error) {
	t.mu.Lock()
	t.closed = err
	t.mu.Unlock()
	for s := range t.all() {
		if s.state.Load() == slotWaiting {
			t.answer(s, nil, err)
		}
	}
}
