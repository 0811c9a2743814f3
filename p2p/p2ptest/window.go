package p2ptest

import (
	"sync"

	"kith/p2p"
)

// windowSize is how many bytes of one channel may be written and not yet read:
// the next writer waits. The last message may go beyond it.
const windowSize = 256 << 10

// A window is the sender's view of one channel: how much the receiver has yet
// to read.
type window struct {
	mu     sync.Mutex // guards what follows
	room   sync.Cond  // some has been read, or err is set
	used   int
	err    error // why nothing can be sent any more
	hungry bool  // somebody was refused by tryTake since
}

func newWindow() *window {
	w := new(window)
	w.room.L = &w.mu
	return w
}

// take waits until n more may be sent.
func (w *window) take(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.used >= windowSize && w.err == nil {
		w.room.Wait()
	}
	if w.err != nil {
		return w.err
	}
	w.used += n
	return nil
}

// tryTake is take that does not wait. n may be 0, to see whether there is room.
func (w *window) tryTake(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used >= windowSize {
		w.hungry = true
		return false
	}
	if w.err != nil {
		return false
	}
	w.used += n
	return true
}

// give says that n have been read; true if somebody was refused before.
func (w *window) give(n int) (wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	if w.used < windowSize {
		wanted, w.hungry = w.hungry, false
		w.room.Broadcast()
	}
	return wanted
}

func (w *window) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.room.Broadcast()
}

// An inbox is the queue of one channel at its receiver. The sender's window
// keeps it short.
type inbox struct {
	mu   sync.Mutex // guards what follows
	some sync.Cond  // a message has come, or err is set
	msgs []p2p.Msg
	err  error // why no more will come
}

func newInbox() *inbox {
	q := new(inbox)
	q.some.L = &q.mu
	return q
}

func (q *inbox) put(m p2p.Msg) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.msgs = append(q.msgs, m)
		q.some.Signal()
	}
}

// get waits for a message. What had come before the end is still given out.
func (q *inbox) get() (p2p.Msg, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.msgs) == 0 && q.err == nil {
		q.some.Wait()
	}
	if len(q.msgs) == 0 {
		return p2p.Msg{}, q.err
	}
	m := q.msgs[0]
	q.msgs[0] = p2p.Msg{}
	q.msgs = q.msgs[1:]
	return m, nil
}

// all gives what is there, without waiting.
func (q *inbox) all() []p2p.Msg {
	q.mu.Lock()
	defer q.mu.Unlock()
	msgs := q.msgs
	q.msgs = nil
	return msgs
}

// end lets no more in; with discard nothing out either.
func (q *inbox) end(err error, discard bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	if discard {
		q.msgs = nil
	}
	q.some.Broadcast()
}
