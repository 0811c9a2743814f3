package port

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// The states of a call:
//
//	arriving ─whole─▶ queued ─worker─▶ running ─reply─▶ replying ─sent─▶ answered
//	    └───── cancel ────┴────────────────────────────── cancel ──────────┘
const (
	callQueued = iota
	callArriving
	callRunning
	callReplying
	callAnswered
)

// A call is a request that the peer made and that is not answered yet. It is
// also the context of its handler.
type call struct {
	msg   Message
	link  *link
	in    *inbound
	entry *atomic.Pointer[call] // where the link keeps it
	id    uint32
	state atomic.Int32
	held  atomic.Int64 // of the budget
	out   *out         // the reply, while it waits; set before state says so
	buf   *buffer      // of a large request

	deadline time.Time // zero: none
	mu       sync.Mutex
	done     chan struct{} // made when somebody asks
	err      error         // why done is closed, or would be
	timer    *time.Timer
}

// Deadline is the caller's.
func (c *call) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Value is always nil.
func (c *call) Value(any) any { return nil }

// Done is closed when the caller gives up, or its deadline passes, or the
// session ends, or the handler returns.
func (c *call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		switch {
		case c.err != nil:
			close(c.done)
		case !c.deadline.IsZero():
			c.timer = time.AfterFunc(time.Until(c.deadline), c.expire)
		}
	}
	return c.done
}

// Err says why Done is closed.
func (c *call) Err() error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err == nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		c.expire()
		return c.Err()
	}
	return err
}

func (c *call) expire() { c.end(context.DeadlineExceeded) }

// end ends the context. The first reason stays.
func (c *call) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.done != nil {
		close(c.done)
	}
}

// forget lets the peer use the call's place again.
func (c *call) forget() { c.entry.CompareAndSwap(c, nil) }

// release gives back what the call holds of the budget.
func (c *call) release() {
	if held := c.held.Swap(0); held != 0 {
		c.link.mux.budget.release(c.link, held)
	}
}

// recycle lets others use the memory of the request. It is called when the
// handler has returned and the reply, which may be the request, is sent.
func (c *call) recycle() {
	c.buf.recycle()
	c.buf, c.msg.Data = nil, nil
}

// run calls the handler and answers. A call that was answered while it waited is
// skipped.
func (c *call) run(s *service) {
	if !c.state.CompareAndSwap(callQueued, callRunning) {
		return
	}
	switch {
	case s.gone.Load():
		c.fail(codeNoPort, 0, "")
	case c.link.replying.Load() > c.link.mux.limits().linkBudget:
		s.busy.Add(1)
		c.fail(codeBusy, 0, "too many replies not yet taken")
	case c.Err() != nil:
		c.fail(codeOf(c.Err()), 0, "")
	default:
		s.bytesIn.Add(uint64(len(c.msg.Data)))
		reply, err := s.call(c, &c.msg, timed(s.calls.Add(1)-1))
		why := c.stopped()
		if why == nil || err == nil {
			c.answer(s, reply, err)
		} else {
			c.fail(codeOf(why), 0, "")
		}
	}
	c.release()
}

// stopped ends the context because the handler has returned. It says why it had
// ended before.
func (c *call) stopped() error {
	c.mu.Lock()
	why := c.err
	c.mu.Unlock()
	c.end(context.Canceled)
	return why
}

func codeOf(why error) code {
	if errors.Is(why, context.DeadlineExceeded) {
		return codeDeadline
	}
	return codeCanceled
}

// saying is how a handler's error travels. Wrapped, ErrBusy is that of a call
// which the handler made itself: it says nothing about this one.
func saying(err error) (k code, text string) {
	switch err {
	case ErrBusy:
		return codeBusy, ""
	case ErrDraining:
		return codeDraining, ""
	}
	return codeHandler, err.Error()
}

// maxErrorText is how much of a handler's error travels.
const maxErrorText = 1 << 10

func (c *call) answer(s *service, reply []byte, err error) {
	limits := c.link.mux.limits()
	switch {
	case err != nil:
		s.errors.Add(1)
		k, text := saying(err)
		c.fail(k, 0, text[:min(len(text), maxErrorText)])
	case len(reply) > limits.maxMessage || len(reply) > c.in.most:
		s.errors.Add(1)
		most := min(limits.maxMessage, c.in.most)
		c.fail(codeReplySize, uint64(len(reply))<<32|uint64(most), "")
	default:
		s.bytesOut.Add(uint64(len(reply)))
		c.post(reply)
	}
}

// post sends the reply, or lets it wait.
func (c *call) post(reply []byte) {
	l, n := c.link, len(reply)
	if n <= small || n <= l.fragment && l.spend(&c.in.flow, n) {
		c.forget()
		ok := l.tryPost(&frame{kind: kindReply, id: c.id, stream: c.in.id}, reply)
		if n > small {
			l.posted(&c.in.flow, n, ok)
		}
		if ok {
			c.state.Store(callAnswered)
			c.recycle()
			return
		}
		c.entry.Store(c)
	}
	c.out = &out{
		kind: kindReply, first: kindReplyFirst, more: kindReplyMore,
		id: c.id, stream: c.in.id, data: reply, call: c,
	}
	l.enqueue(&c.in.flow, c.out)
}

// fail answers with an error. It may wait as replies do.
func (c *call) fail(k code, detail uint64, text string) {
	l := c.link
	f := frame{kind: kindError, id: c.id, code: k, detail: detail}
	c.forget()
	if l.tryPost(&f, []byte(text)) {
		c.state.Store(callAnswered)
		c.recycle()
		return
	}
	c.entry.Store(c)
	c.out = &out{kind: kindError, code: k, detail: detail, id: c.id, data: []byte(text), call: c}
	l.enqueue(&c.in.flow, c.out)
}
