package port

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"kith/node"
	"kith/p2p"
)

// A pair is two Muxes over a memory session without a Server: near calls far.
type pair struct {
	near, far  *Mux
	a, b       *link
	wireA      *wire // near's end
	wireB      *wire
	session    *fakeSession
	ends       sync.WaitGroup
	errA, errB error // of serve, once ends is done
	memA, memB *memory
	carriers   sync.WaitGroup
}

// A fakeSession ends when it is told to.
type fakeSession struct {
	done chan struct{}
	once sync.Once
	err  error
}

func (s *fakeSession) Done() <-chan struct{} { return s.done }
func (s *fakeSession) Err() error            { return s.err }
func (s *fakeSession) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
}

// A wire is an end of the session. If it has a temper it refuses at random, as a
// session does when it is full.
type wire struct {
	*memory
	mu     sync.Mutex
	temper *rand.Rand
	share  float64
}

func (w *wire) no() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.temper != nil && w.temper.Float64() < w.share
}

func (w *wire) TryPost(code uint64, head, body []byte) bool {
	return !w.no() && w.memory.TryPost(code, head, body)
}

func (w *wire) Attach(deliver func([]p2p.Msg), fill func(func(uint64, []byte, []byte) bool)) {
	w.memory.Attach(deliver, func(put func(uint64, []byte, []byte) bool) {
		fill(func(code uint64, head, body []byte) bool {
			if w.no() {
				w.memory.Wake()
				return false
			}
			return put(code, head, body)
		})
	})
}

func (w *wire) ReadMsg() (p2p.Msg, error) { panic("a direct channel is read") }
func (w *wire) WriteMsg(p2p.Msg) error    { panic("a direct channel is written") }

var refA, refB = node.Ref{ID: node.ID{0xa}, Generation: 1}, node.Ref{ID: node.ID{0xb}, Generation: 2}

// newPair connects two Muxes. share of what they post is refused at first.
func newPair(t testing.TB, near, far *Mux, seed uint64, share float64) *pair {
	p := &pair{near: near, far: far, session: &fakeSession{done: make(chan struct{})}}
	p.memA, p.memB = newMemory()
	p.wireA, p.wireB = &wire{memory: p.memA}, &wire{memory: p.memB}
	if share > 0 {
		for i, w := range []*wire{p.wireA, p.wireB} {
			w.temper, w.share = rand.New(rand.NewPCG(seed, uint64(i))), share
		}
	}
	near.setUp()
	far.setUp()
	p.carriers.Go(p.memA.run)
	p.carriers.Go(p.memB.run)
	p.ends.Go(func() {
		p.errA = near.serve(nil, refB, p.session, p.wireA)
		p.session.end(p.errA)
	})
	p.ends.Go(func() {
		p.errB = far.serve(nil, refA, p.session, p.wireB)
		p.session.end(p.errB)
	})
	p.a, p.b = onlyLink(near), onlyLink(far)
	t.Cleanup(func() { p.close(t) })
	return p
}

func onlyLink(m *Mux) *link {
	for {
		m.mu.Lock()
		linked := m.linked
		for l := range m.all {
			m.mu.Unlock()
			return l
		}
		m.mu.Unlock()
		<-linked
	}
}

func (p *pair) close(t testing.TB) {
	p.session.end(errors.New("the test is over"))
	p.ends.Wait()
	p.memA.close()
	p.memB.close()
	p.carriers.Wait()
	for _, m := range []*Mux{p.near, p.far} {
		if err := m.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if held := p.far.Stats().Held + p.near.Stats().Held; held != 0 {
		t.Errorf("%d bytes of the budget were not given back", held)
	}
}

// connect gives a Client that cannot redial.
func (p *pair) connect(t testing.TB, number uint16) *Client {
	t.Helper()
	s, err := p.a.open(t.Context(), number, 0)
	if err != nil {
		t.Fatalf("open(%d) = %v", number, err)
	}
	c := &Client{mux: p.near, node: &node.Node{ID: refB.ID}, number: number, known: attached{stream: s}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.current.Store(&attached{s, func() {}})
	t.Cleanup(func() { c.Close() })
	return c
}

// raw sends frames to far as no honest link would.
func (p *pair) raw(t testing.TB, frames ...frame) {
	t.Helper()
	for _, f := range frames {
		if !p.memA.TryPost(uint64(f.kind), f.appendHead(nil), f.body) {
			t.Fatalf("frame %+v was not taken", f)
		}
	}
}

// settle returns when far has read what was posted before.
func (p *pair) settle(t testing.TB) {
	t.Helper()
	if _, err := p.a.open(within(t), 1<<16-1, 0); !errors.Is(err, ErrNoPort) {
		t.Fatalf("open of no port = %v", err)
	}
}

// until waits for what becomes true as far reads on.
func (p *pair) until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for ctx := within(t); !is(); {
		if ctx.Err() != nil {
			t.Fatalf("not so after a long time: %s", what)
		}
		p.settle(t)
	}
}
