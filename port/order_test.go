package port

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

// rounds is a session whose writer is led by the test: it takes what was posted,
// then calls fill, which adds to the same round.
type rounds struct {
	p2p.MsgReadWriter
	link   *link
	posted []kind // for the next round
	round  []kind
	sent   []kind
	first  []byte      // the body of what was put first
	full   bool        // TryPost says no
	some   atomic.Bool // has been posted
	post   func()      // called once, in TryPost
}

func (r *rounds) Attach(func([]p2p.Msg), func(func(uint64, []byte, []byte) bool)) {}
func (r *rounds) Post(uint64, []byte, []byte) error                               { return ErrBusy }
func (r *rounds) Wake()                                                           {}
func (r *rounds) MaxPost() int                                                    { return maxFragment }

func (r *rounds) TryPost(code uint64, _, _ []byte) bool {
	if post := r.post; post != nil {
		r.post = nil
		post()
	}
	if !r.full {
		r.posted = append(r.posted, kind(code))
		r.some.Store(true)
	}
	return !r.full
}

func (r *rounds) take() { r.round, r.posted = r.posted, nil }

func (r *rounds) write() {
	r.link.fill(func(code uint64, _, body []byte) bool {
		if r.first == nil {
			r.first = slices.Clone(body)
		}
		r.round = append(r.round, kind(code))
		return true
	})
	r.sent = append(r.sent, r.round...)
	r.round = nil
}

func newRounds() (*rounds, *stream) {
	r := new(rounds)
	m := new(Mux)
	m.setUp()
	r.link = newLink(m, refB, r, nil)
	s := &stream{link: r.link, mode: Send, most: 1 << 20, gone: make(chan struct{}), left: make(chan struct{})}
	s.flow = flow{ordered: true, credit: 1 << 20}
	return r, s
}

// sendLarge sends a message of two fragments and returns when it waits.
func (r *rounds) sendLarge(t *testing.T, s *stream) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.send(context.Background(), make([]byte, maxFragment+100))
		done <- err
	}()
	for waits := false; !waits; runtime.Gosched() {
		r.link.mu.Lock()
		waits = s.flow.first != nil
		r.link.mu.Unlock()
	}
	return done
}

var smallThenLarge = []kind{kindSend, kindSendFirst, kindSendMore}

// The writer has begun its round when a small message is posted: what is sent
// after it must not be in that round.
func TestFillDoesNotOvertakeWhatIsPosted(t *testing.T) {
	r, s := newRounds()
	r.take()
	if _, err := s.send(t.Context(), []byte("small")); err != nil {
		t.Fatal(err)
	}
	done := r.sendLarge(t, s)
	r.write()
	for range 2 {
		r.take()
		r.write()
	}
	if err := <-done; err != nil || !slices.Equal(r.sent, smallThenLarge) {
		t.Errorf("sent %v, %v; want %v", r.sent, err, smallThenLarge)
	}
}

// A small message is about to be posted when a large one comes to wait.
func TestFillDoesNotOvertakeWhatIsAboutToBePosted(t *testing.T) {
	r, s := newRounds()
	var done <-chan error
	r.post = func() {
		done = r.sendLarge(t, s)
		for range 3 {
			r.take()
			r.write()
		}
	}
	if _, err := s.send(t.Context(), []byte("small")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.take()
		r.write()
	}
	if err := <-done; err != nil || !slices.Equal(r.sent, smallThenLarge) {
		t.Errorf("sent %v, %v; want %v", r.sent, err, smallThenLarge)
	}
}

// What a peer gets to hear that does not heed what it was told.
func TestAPeerThatDoesNotHeed(t *testing.T) {
	m := &Mux{MaxMessage: 1 << 20}
	handle(t, m, 1, Request, echo)
	p := newPair(t, new(Mux), m, 0, 0)
	c := p.connect(t, 1)
	answer := func(f frame) error {
		sl, err := p.a.slots.take()
		if err != nil {
			t.Fatal(err)
		}
		f.id, f.stream = sl.id.Load(), c.current.Load().id
		p.raw(t, f)
		<-sl.answered
		defer p.a.slots.put(sl)
		return sl.err
	}
	var large *TooLargeError
	if err := answer(frame{kind: kindRequestFirst, total: 1<<20 + 1}); !errors.As(err, &large) || large.Limit != 1<<20 {
		t.Errorf("a request too large = %v, want a TooLargeError", err)
	}
	if err := m.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := answer(frame{kind: kindRequest}); !errors.Is(err, ErrDraining) {
		t.Errorf("a request to who drains = %v, want ErrDraining", err)
	}
	if _, err := p.a.open(within(t), 1, 0); !errors.Is(err, ErrDraining) {
		t.Errorf("open at who drains = %v, want ErrDraining", err)
	}
	if _, err := p.a.open(within(t), 1, 77); fmt.Sprint(err) != ErrDraining.Error() {
		t.Errorf("open of another generation, where none is known = %v", err)
	}
}

// The session ends under calls that were certainly not sent: they go to the next
// session. One that may have been sent does not.
func TestWhatWasNeverSentIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		mode Mode
		sent bool
	}{
		"request":            {Request, false},
		"message":            {Send, false},
		"request, once sent": {Request, true},
	} {
		net := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
		handle(t, net.b, 1, test.mode, echo)
		c := net.connect(t, 1)
		r, s := newRounds()
		r.full, s.mode, s.flow.ordered = !test.sent, test.mode, test.mode == Send
		old := c.current.Swap(&attached{s, func() {}})
		defer c.let(old)
		done := make(chan error, 1)
		go func() {
			if test.mode == Send {
				done <- c.Send(within(t), []byte("hi"))
				return
			}
			_, err := c.Request(within(t), []byte("hi"))
			done <- err
		}()
		for waits := false; !waits; runtime.Gosched() {
			r.link.mu.Lock()
			waits = r.link.quick.first != nil || s.flow.first != nil || r.some.Load()
			r.link.mu.Unlock()
		}
		end := closedError(errors.New("reset"))
		r.link.mu.Lock()
		r.link.streams[s.id] = s
		r.link.mu.Unlock()
		r.link.fail(end)
		if err := <-done; test.sent != errors.Is(err, ErrClosed) || !test.sent && err != nil {
			t.Errorf("%s: the call ended with %v", name, err)
		}
	}
}
