package port

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

// What no honest peer sends ends the session with words, and costs nothing else.
func TestBreachesEndTheSession(t *testing.T) {
	large := make([]byte, 10_000)
	for name, test := range map[string]struct {
		frames func(requests, sends uint32) []frame
		want   string
	}{
		"a short head": {func(r, s uint32) []frame { return []frame{{kind: 200, body: []byte("x")}} }, ""},
		"a stream twice": {func(r, s uint32) []frame {
			return []frame{{kind: kindOpen, id: r, port: 1}}
		}, "opened twice"},
		"a request twice": {func(r, s uint32) []frame {
			return []frame{{kind: kindRequest, id: 7, stream: r}, {kind: kindRequest, id: 7, stream: r}}
		}, "in the place of another"},
		"a request in a place too far": {func(r, s uint32) []frame {
			return []frame{{kind: kindRequest, id: maxCalls, stream: r}}
		}, "too many requests"},
		"messages without credit": {func(r, s uint32) []frame {
			return many(27, func(int) frame { return frame{kind: kindSend, id: s, body: large} })
		}, "credit"},
		"small messages without credit": {func(r, s uint32) []frame {
			return many(5000, func(int) frame { return frame{kind: kindSend, id: s} })
		}, "credit"},
		"a large request that is small": {func(r, s uint32) []frame {
			return []frame{{kind: kindRequestFirst, id: 7, stream: r, total: 2, body: []byte("xyz")}}
		}, "that is not"},
		"more of a request than claimed": {func(r, s uint32) []frame {
			return []frame{{kind: kindRequestFirst, id: 7, stream: r, total: 4, body: []byte("xyz")}, {kind: kindRequestMore, id: 7, stream: r, body: []byte("xyz")}}
		}, "than it claimed"},
		"more of a refused request than claimed": {func(r, s uint32) []frame {
			return []frame{{kind: kindRequestFirst, id: 7, stream: 99, total: 4, body: []byte("xyz")}, {kind: kindRequestMore, id: 7, stream: 99, body: []byte("xyz")}}
		}, "than it claimed"},
		"more of a message than claimed": {func(r, s uint32) []frame {
			return []frame{{kind: kindSendFirst, id: s, total: 4, body: []byte("xyz")}, {kind: kindSendMore, id: s, body: []byte("xyz")}}
		}, "than it claimed"},
		"a message within another": {func(r, s uint32) []frame {
			return []frame{{kind: kindSendFirst, id: s, total: 4, body: []byte("xyz")}, {kind: kindSend, id: s}}
		}, "within another"},
		"a large message within another": {func(r, s uint32) []frame {
			return []frame{{kind: kindSendFirst, id: s, total: 4, body: []byte("xyz")}, {kind: kindSendFirst, id: s, total: 4}}
		}, "within another"},
		"more of no message": {func(r, s uint32) []frame {
			return []frame{{kind: kindSendMore, id: s, body: []byte("xyz")}}
		}, "not begun"},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(Mux)
			release := make(chan struct{})
			handle(t, m, 1, Request, stuck(release))
			handle(t, m, 2, Send, stuck(release))
			p := newPair(t, new(Mux), m, 0, 0)
			requests := p.connect(t, 1).current.Load().id
			sends := p.connect(t, 2).current.Load().id
			frames := test.frames(requests, sends)
			if test.want == "" { // of a kind that is not known, then a head that is not whole
				p.memA.TryPost(uint64(kinds), nil, []byte("a later version"))
				p.memA.TryPost(uint64(kindCredit), nil, []byte("xyz"))
				test.want = "want 8"
			} else {
				p.raw(t, frames...)
			}
			select {
			case <-p.b.dead:
			case <-time.After(30 * time.Second):
				t.Fatal("the session goes on")
			}
			close(release)
			p.session.end(nil)
			p.ends.Wait()
			if p.errB == nil || !strings.Contains(p.errB.Error(), test.want) || !strings.HasPrefix(p.errB.Error(), "port: ") {
				t.Errorf("the session ended with %v, want %q", p.errB, test.want)
			}
		})
	}
}

func many(n int, one func(i int) frame) (frames []frame) {
	for i := range n {
		frames = append(frames, one(i))
	}
	return frames
}

// Answers that nobody waits for are dropped.
func TestStrayAnswersAreDropped(t *testing.T) {
	m := new(Mux)
	handle(t, m, 1, Request, echo)
	p := newPair(t, new(Mux), m, 0, 0)
	c := p.connect(t, 1)
	if _, err := c.Request(within(t), nil); err != nil {
		t.Fatal(err)
	}
	id := c.current.Load().id
	for _, f := range []frame{
		{kind: kindReply, id: 1 << slotBits, stream: id, body: []byte("late")},
		{kind: kindReply, id: 1<<32 - 1, stream: 77},
		{kind: kindReplyFirst, id: 1 << slotBits, stream: id, total: 100, body: []byte("x")},
		{kind: kindReplyMore, id: 1 << slotBits, stream: id, body: []byte("x")},
		{kind: kindError, id: 1 << slotBits, code: codeBusy},
		{kind: kindError, id: 77, code: 200},
		{kind: kindOpened, id: 77, mode: Send},
		{kind: kindOpened, id: id, mode: Send},
		{kind: kindClose, id: 77, code: codeBusy},
		{kind: kindCredit, id: 77, window: 1<<32 - 1},
		{kind: kindPong, id: 12345},
	} {
		if !p.memB.TryPost(uint64(f.kind), f.appendHead(nil), f.body) {
			t.Fatal("not taken")
		}
	}
	p.raw(t, frame{kind: kindCancel, id: 77}, frame{kind: kindCancel, id: 1<<32 - 1}, frame{kind: kindAbort, id: id},
		frame{kind: kindLeave, id: 77}, frame{kind: kindReplyCredit, id: 77}, frame{kind: kindRequestMore, id: 3, stream: id})
	if reply, err := c.Request(within(t), []byte("hi")); err != nil || string(reply) != "hi" {
		t.Errorf("Request = %q, %v", reply, err)
	}
}

// A peer that asks and asks but never reads is cut off, with little held for it.
func TestAPeerThatNeverReads(t *testing.T) {
	m := &Mux{Queue: 1}
	release := make(chan struct{})
	handle(t, m, 1, Request, stuck(release))
	defer close(release)
	s := &fakeSession{done: make(chan struct{})}
	ended := make(chan error, 1)
	m.setUp()
	go func() { ended <- m.serve(nil, refA, s, fullDirect{}) }()
	l := onlyLink(m)
	send := func(f frame) {
		l.deliver([]p2p.Msg{{Code: uint64(f.kind), Payload: append(f.appendHead(nil), f.body...)}})
	}
	send(frame{kind: kindOpen, id: 1, port: 1, window: 1 << 20, max: 1 << 20})
	for i := range uint32(1 << 20) {
		send(frame{kind: kindOpen, id: 2 + i, port: 9})
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "does not read") {
				t.Errorf("serve = %v", err)
			}
			m.pool.close()
			if i < 10_000 {
				t.Errorf("cut off after %d frames", i)
			}
			return
		default:
		}
	}
	t.Error("a million questions, and the session goes on")
	s.end(nil)
}

// A fullDirect has room for nothing.
type fullDirect struct{ p2p.MsgReadWriter }

func (fullDirect) Attach(func([]p2p.Msg), func(func(uint64, []byte, []byte) bool)) {}
func (fullDirect) Post(uint64, []byte, []byte) error                               { return ErrBusy }
func (fullDirect) TryPost(uint64, []byte, []byte) bool                             { return false }
func (fullDirect) Wake()                                                           {}
func (fullDirect) MaxPost() int                                                    { return maxFragment }

// The budget makes large requests busy and large messages wait.
func TestTheBudget(t *testing.T) {
	m := &Mux{MaxMessage: 1 << 20, Budget: 2 << 20}
	release, began := make(chan struct{}), make(chan struct{}, 10)
	hold := func(context.Context, *Message) ([]byte, error) {
		began <- struct{}{}
		<-release
		return nil, nil
	}
	handle(t, m, 1, Request, hold)
	handle(t, m, 2, Send, hold)
	p := newPair(t, new(Mux), m, 0, 0)
	requests, sends := p.connect(t, 1), p.connect(t, 2)
	first := make(chan error, 1)
	go func() {
		_, err := requests.Request(within(t), make([]byte, 1<<20))
		first <- err
	}()
	<-began
	// One link may have half: a second large request is refused, a small one not.
	if _, err := requests.Request(within(t), make([]byte, 1<<20)); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("a second large request = %v, want ErrBusy", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- sends.Send(within(t), make([]byte, 1<<20)) }()
	for range 200 { // time enough for all its fragments
		p.settle(t)
	}
	select {
	case err := <-sent:
		t.Errorf("a large message did not wait: %v", err)
	default:
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := requests.Request(ctx, []byte("small")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a small request = %v, want DeadlineExceeded", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the first request = %v", err)
	}
	if err := <-sent; err != nil {
		t.Errorf("the large message = %v", err)
	}
	p.settle(t)
	if err := m.Drain(within(t)); err != nil {
		t.Error(err)
	}
}

// What a link holds is given back when its session ends in the middle.
func TestNothingIsHeldAfterTheSession(t *testing.T) {
	m := new(Mux)
	handle(t, m, 1, Request, echo)
	handle(t, m, 2, Send, echo)
	p := newPair(t, new(Mux), m, 0, 0)
	requests, sends := p.connect(t, 1), p.connect(t, 2)
	p.raw(t, frame{kind: kindRequestFirst, id: 70, stream: requests.current.Load().id, total: 1 << 20, body: []byte("x")},
		frame{kind: kindSendFirst, id: sends.current.Load().id, total: 1 << 20, body: []byte("x")})
	p.settle(t)
	if held := m.Stats().Held; held != 2<<20 {
		t.Errorf("%d bytes held, want 2 MiB", held)
	}
	p.raw(t, frame{kind: kindCancel, id: 70})
	p.settle(t)
	if held := m.Stats().Held; held != 1<<20 {
		t.Errorf("%d bytes held after a cancel, want 1 MiB", held)
	}
	p.close(t) // looks that nothing is
}

// Frames are short: a session without fragments of its own need not hold a longer
// one.
func TestALongFrameEndsTheSession(t *testing.T) {
	net := &p2ptest.Network{NoDirect: true, NoDatagrams: true}
	r := newRig(t, net, new(Mux), new(Mux))
	ended := make(chan error, 1)
	p := r.a.Protocol()
	p.MaxMessage = 0
	p.Run = func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for _, n := range []int{maxFrame, maxFrame + 1} { // of a kind of a later version
			if err := rw.WriteMsg(p2p.Msg{Code: codes - 1, Payload: make([]byte, n)}); err != nil {
				t.Errorf("WriteMsg() of %d bytes = %v", n, err)
			}
		}
		_, err := rw.ReadMsg()
		for err == nil { // pings
			_, err = rw.ReadMsg()
		}
		ended <- err
		return err
	}
	s := net.Server("c", p)
	s.Logger = slog.New(slog.DiscardHandler)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Dial(within(t), r.nodeB); err != nil && !errors.Is(err, p2p.DiscProtocolError) { // it may have ended by then
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), "message of 65537 bytes, at most 65536") {
		t.Errorf("the session ended with %v", err)
	}
}
