package port

import (
	"runtime"
	"sync"

	"kith/p2p"
)

// A memory is one end of a session within the process: the calls of a node to
// itself go through two of them, with the frames, copies and limits of any
// other session.
type memory struct {
	peer     *memory
	attached chan struct{} // closed by Attach; what follows is set before
	deliver  func(batch []p2p.Msg)
	fill     func(put func(code uint64, head, body []byte) bool)

	mu    sync.Mutex // guards what follows
	buf   []byte     // of what we sent; at most memoryQueue and a message
	msgs  []p2p.Msg  // slices of buf, by their lengths until they are taken
	full  bool       // fill has more
	awake bool
	ended bool
	wake  chan struct{}
	done  chan struct{} // closed by close

	// run's own
	spare      []byte
	spareMsgs  []p2p.Msg
	sizes      []int
	spareSizes []int
}

const (
	memoryQueue = 256 << 10
	memoryPost  = 16 << 10
)

func newMemory() (a, b *memory) {
	a = &memory{wake: make(chan struct{}, 1), attached: make(chan struct{}), done: make(chan struct{})}
	b = &memory{wake: make(chan struct{}, 1), attached: make(chan struct{}), done: make(chan struct{}), peer: a}
	a.peer = b
	return a, b
}

// Attach sets who gets what the other end sends.
func (e *memory) Attach(deliver func([]p2p.Msg), fill func(func(uint64, []byte, []byte) bool)) {
	e.deliver, e.fill = deliver, fill
	close(e.attached)
}

// MaxPost is what one message may have.
func (e *memory) MaxPost() int { return memoryPost }

// TryPost queues a message unless the queue is full.
func (e *memory) TryPost(code uint64, head, body []byte) bool {
	e.mu.Lock()
	ok := !e.ended && len(e.buf) <= memoryQueue
	if ok {
		e.appendLocked(code, head, body)
		e.wakeLocked()
	}
	e.mu.Unlock()
	return ok
}

// Post is not used by links.
func (e *memory) Post(code uint64, head, body []byte) error {
	if !e.TryPost(code, head, body) {
		return ErrBusy
	}
	return nil
}

func (e *memory) appendLocked(code uint64, head, body []byte) {
	e.buf = append(append(e.buf, head...), body...)
	e.msgs = append(e.msgs, p2p.Msg{Code: code})
	e.sizes = append(e.sizes, len(head)+len(body))
}

// Wake makes run call fill.
func (e *memory) Wake() {
	e.mu.Lock()
	e.full = true
	e.wakeLocked()
	e.mu.Unlock()
}

func (e *memory) wakeLocked() {
	if !e.awake {
		e.awake = true
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// close ends run.
func (e *memory) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.ended = true
		close(e.done)
	}
}

// run carries what this end sends to the other, until close.
func (e *memory) run() {
	for _, end := range []*memory{e, e.peer} {
		select {
		case <-end.attached:
		case <-e.done:
			return
		}
	}
	for {
		select {
		case <-e.wake:
			for e.carry() {
			}
		case <-e.done:
			return
		}
	}
}

// carry delivers what has gathered; false if there is nothing.
func (e *memory) carry() bool {
	runtime.Gosched() // let others add to the batch
	fill, more := e.take()
	if fill {
		e.fill(e.put)
	}
	if msgs := e.cut(); more && len(msgs) > 0 {
		e.peer.deliver(msgs)
	}
	return more
}

// take swaps the buffers; more is false if there is nothing to do.
func (e *memory) take() (fill, more bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended || len(e.msgs) == 0 && !e.full {
		e.awake = false
		return false, false
	}
	e.buf, e.spare = e.spare[:0], e.buf
	e.msgs, e.spareMsgs = e.spareMsgs[:0], e.msgs
	e.sizes, e.spareSizes = e.spareSizes[:0], e.sizes
	fill, e.full = e.full, false
	return fill, true
}

// put is given to fill. It takes 64 KiB at a time.
func (e *memory) put(code uint64, head, body []byte) bool {
	if len(e.spare)+len(head)+len(body) > 64<<10 && len(e.spareMsgs) > 0 {
		e.mu.Lock()
		e.full = true
		e.mu.Unlock()
		return false
	}
	e.spare = append(append(e.spare, head...), body...)
	e.spareMsgs = append(e.spareMsgs, p2p.Msg{Code: code})
	e.spareSizes = append(e.spareSizes, len(head)+len(body))
	return true
}

// cut makes messages of the bytes taken.
func (e *memory) cut() []p2p.Msg {
	b := e.spare
	for i, n := range e.spareSizes {
		e.spareMsgs[i].Payload = b[:n:n]
		b = b[n:]
	}
	return e.spareMsgs
}
