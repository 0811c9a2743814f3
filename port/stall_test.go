package port

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A peer that goes silent in the middle of large messages gives back what they
// hold, though the session lives.
func TestAMessageThatStopsArriving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Mux{MaxMessage: 1 << 20, Budget: 2 << 20} // one link may have half
		handle(t, m, 1, Request, echo)
		handle(t, m, 2, Send, func(context.Context, *Message) ([]byte, error) {
			t.Error("a part of a message is handled")
			return nil, nil
		})
		p := newPair(t, new(Mux), m, 0, 0)
		requests, sends := p.connect(t, 1), p.connect(t, 2)
		stream, sendStream := requests.current.Load().id, sends.current.Load()
		some, half := make([]byte, 10_000), 1<<19
		p.raw(t, frame{kind: kindRequestFirst, id: 5000, stream: stream, total: uint32(half), body: some},
			frame{kind: kindSendFirst, id: sendStream.id, total: uint32(half), body: some})
		p.settle(t)
		if _, err := requests.Request(t.Context(), make([]byte, 1<<20)); !errors.Is(err, ErrBusy) {
			t.Errorf("a request while there is no memory for it = %v, want ErrBusy", err)
		}
		time.Sleep(partIdle - time.Second)
		if held := m.Stats().Held; held != int64(2*half) {
			t.Errorf("%d bytes are held, want %d", held, 2*half)
		}
		time.Sleep(partIdle + 2*time.Second)
		synctest.Wait()
		if held := m.Stats().Held; held != 0 || len(p.b.parts) != 0 || !m.budget.idle() {
			t.Errorf("%d bytes and %d parts are held after %v", held, len(p.b.parts), 2*partIdle)
		}
		if err := sendStream.err; !sendStream.ended() || !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), stalledText) {
			t.Errorf("the stream of the message = %v, want ErrBusy with %q", err, stalledText)
		}
		if got, err := requests.Request(t.Context(), make([]byte, 1<<20)); err != nil || len(got) != 1<<20 {
			t.Errorf("a request when there is memory again: %d bytes, %v", len(got), err)
		}
		// What comes late is forgotten, and costs no credit.
		p.raw(t, frame{kind: kindRequestMore, id: 5000, stream: stream, body: some},
			frame{kind: kindSendMore, id: sendStream.id, body: make([]byte, 10_000)},
			frame{kind: kindAbort, id: sendStream.id},
			frame{kind: kindRequest, id: 5000, stream: stream}) // its place is free
		p.settle(t)
		if err := p.b.ended(); err != nil {
			t.Errorf("the session has ended: %v", err)
		}
		synctest.Wait()
		p.b.mu.Lock()
		for id, in := range p.b.inbounds {
			if back := int(in.window.left.Load()) + in.window.owed; back != in.window.size || in.part != nil {
				t.Errorf("stream %d: %d of %d bytes of credit are left, part %v", id, back, in.window.size, in.part)
			}
		}
		p.b.mu.Unlock()
		if s := m.Ports(); s[0].Stats.Errors != 1 || s[1].Stats.Dropped != 1 {
			t.Errorf("stats %+v and %+v, want one error and one drop", s[0].Stats, s[1].Stats)
		}
	})
}

// Who is slow, or waits for us, is not silent.
func TestAMessageThatArrivesSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Mux{MaxMessage: 1 << 20, Budget: 1 << 20}
		release := make(chan struct{})
		handled := 0
		handle(t, m, 1, Request, echo)
		handle(t, m, 2, Send, func(context.Context, *Message) ([]byte, error) {
			<-release
			handled++
			return nil, nil
		})
		p := newPair(t, new(Mux), m, 0, 0)
		stream := p.connect(t, 1).current.Load().id
		p.raw(t, frame{kind: kindRequestFirst, id: 5000, stream: stream, total: 100_000, body: make([]byte, 10_000)})
		for range 8 {
			time.Sleep(partIdle - time.Second)
			p.raw(t, frame{kind: kindRequestMore, id: 5000, stream: stream, body: make([]byte, 10_000)})
			p.settle(t)
		}
		if held := m.Stats().Held; held != 100_000 {
			t.Errorf("%d bytes are held of a slow request, want 100000", held)
		}
		p.raw(t, frame{kind: kindCancel, id: 5000, stream: stream})
		sends := p.connect(t, 2)
		sent := make(chan error, 1)
		go func() { // the handler is stuck with the first, which has all of the budget
			var err error
			for range 3 {
				err = errors.Join(err, sends.Send(t.Context(), make([]byte, 1<<20)))
			}
			sent <- err
		}()
		time.Sleep(10 * partIdle)
		synctest.Wait()
		if in := p.b.inbounds[sends.current.Load().id]; in.part == nil {
			t.Error("no message is arriving")
		}
		close(release)
		synctest.Wait()
		if err := <-sent; err != nil || handled != 3 {
			t.Errorf("Send = %v, %d of 3 handled by a handler that takes its time", err, handled)
		}
	})
}

// A message that waits for the budget is given up too if its peer has credit for
// more of it, but never while the peer waits for us.
func TestAMessageThatWaitsForTheBudget(t *testing.T) {
	m := &Mux{MaxMessage: 1 << 20, Budget: 1 << 20}
	release := make(chan struct{})
	handle(t, m, 1, Request, stuck(release))
	handle(t, m, 2, Send, stuck(release))
	p := newPair(t, new(Mux), m, 0, 0)
	s, requests := p.connect(t, 2).current.Load(), p.connect(t, 1)
	go requests.Request(t.Context(), make([]byte, 1<<20))
	p.until(t, "a request has all of the budget", func() bool { return m.Stats().Held == 1<<20 && m.Stats().Workers == 1 })
	p.raw(t, frame{kind: kindSendFirst, id: s.id, total: 1 << 19, body: make([]byte, 1<<14)})
	p.settle(t)
	p.b.reading.Lock()
	in := p.b.inbounds[s.id]
	p.b.reading.Unlock()
	left := in.window.left.Swap(maxFragment - 1)
	for range 3 {
		p.b.dropStalled()
	}
	in.window.left.Store(left)
	if p.b.dropStalled(); in.part.drop || in.withheld == 0 || len(m.budget.waiting) != 1 {
		t.Errorf("a message that has waited for us is given up: %+v, %d withheld, %d wait", in.part, in.withheld, len(m.budget.waiting))
	}
	if p.b.dropStalled(); !in.part.drop || in.withheld != 0 || len(m.budget.waiting) != 0 || m.Stats().Held != 1<<20 {
		t.Errorf("a message that does not come: %+v, %d withheld, %d wait, %d held", in.part, in.withheld, len(m.budget.waiting), m.Stats().Held)
	}
	p.b.mu.Lock()
	if back := int(in.window.left.Load()) + in.window.owed; back != in.window.size-overhead {
		t.Errorf("%d of %d bytes of credit are left, want all but %d", back, in.window.size, overhead)
	}
	p.b.mu.Unlock()
	close(release)
}
