package port

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p/p2ptest"
)

// inUse is the memory that lives, goroutines included.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// S7: what a handler that has stopped costs when one peer goes on sending: no
// more than 2 MiB, in every mode without an answer.
func TestS7AStalledHandlerHoldsLittle(t *testing.T) {
	const most = 2 << 20
	for _, test := range []struct {
		mode    Mode
		size    int
		carried bool
	}{
		{Unreliable, MaxUnreliable, true},
		{Unreliable, MaxUnreliable, false},
		{Unreliable, 64, false},
		{Send, MaxUnreliable, false},
		{Send, 64, false},
		{Send, 10_000, false},
	} {
		t.Run(fmt.Sprintf("%v of %d bytes, datagrams %v", test.mode, test.size, test.carried), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &p2ptest.Network{NoDatagrams: !test.carried, Delay: time.Millisecond}, new(Mux), new(Mux))
				release := make(chan struct{})
				var stalled atomic.Bool
				handle(t, r.b, 1, test.mode, func(context.Context, *Message) ([]byte, error) {
					if stalled.Load() {
						<-release
					}
					return nil, nil
				})
				c := r.connect(t, 1)
				data := make([]byte, test.size)
				send := func(during time.Duration) {
					ctx, cancel := context.WithTimeout(t.Context(), during)
					defer cancel()
					for n := 0; ctx.Err() == nil; n++ {
						if n%20 == 0 && test.mode == Unreliable {
							time.Sleep(time.Millisecond)
						}
						if err := c.Send(ctx, data); err != nil && ctx.Err() == nil {
							t.Fatal(err)
						}
					}
				}
				send(50 * time.Millisecond) // windows grow, and all trust the handler
				time.Sleep(time.Second)
				before := inUse()
				stalled.Store(true)
				send(300 * time.Millisecond) // a worker more gets stuck with each tick
				time.Sleep(time.Second)      // nothing is on its way any more
				if held := inUse() - before; held > most {
					t.Errorf("%d bytes are held for a stalled handler, want at most %d", held, most)
				}
				close(release)
			})
		})
	}
}

// A message that takes its time holds up none of those that a worker has taken
// together with it.
func TestASlowMessageHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &p2ptest.Network{NoDatagrams: true}, new(Mux), &Mux{Workers: 4})
		var handled atomic.Int32
		release := make(chan struct{})
		handle(t, r.b, 1, Unreliable, func(_ context.Context, m *Message) ([]byte, error) {
			if m.Data[0] == 0 {
				<-release
			}
			handled.Add(1)
			return nil, nil
		})
		c := r.connect(t, 1)
		for range 2 { // with the second, two of the port's three workers are stuck
			before := handled.Load()
			for i := range 2 * perTurn {
				if err := c.Send(t.Context(), []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(4 * tick)
			if n := handled.Load() - before; n != 2*perTurn-1 {
				t.Errorf("%d were handled beside a slow one, want %d", n, 2*perTurn-1)
			}
		}
		running, waiting := r.b.pool.load()
		if s := r.b.service(1); running != 2 || waiting != 0 || s.out != 2 || len(r.b.pool.turns) != 0 {
			t.Errorf("%d running, %d waiting, %d out, %d turns; want 2, 0, 2, 0", running, waiting, s.out, len(r.b.pool.turns))
		}
		close(release)
		synctest.Wait()
		if n := handled.Load(); n != 4*perTurn {
			t.Errorf("%d were handled in the end, want %d", n, 4*perTurn)
		}
	})
}

// What is taken back is older than what waits, and goes first if there is no
// room for all.
func TestTurnsTakenBack(t *testing.T) {
	m := new(Mux)
	handle(t, m, 1, Unreliable, echo)
	p, s := &m.pool, m.service(1)
	p.most, p.each = 0, 1 // no worker but the test
	push := func(from, to int) {
		for i := from; i < to; i++ {
			p.pushGram(s, gram{data: []byte{byte(i), byte(i >> 8)}})
		}
	}
	push(0, 10)
	w := job{turn: new(turn)}
	p.mu.Lock()
	p.takeLocked(&w)
	p.mu.Unlock()
	if g, ok := w.turn.claim(); !ok || g.data[0] != 0 {
		t.Errorf("claim = %v, %v", g, ok)
	}
	push(10, 10+gramQueue-5)
	p.mu.Lock()
	p.reclaimLocked()
	if n := s.out; n != 10 {
		t.Errorf("%d are out before a tick has passed, want 10", n)
	}
	if turns := p.reclaimLocked(); turns != 1 || s.out != 1 || s.grams.len() != gramQueue || p.queued != gramQueue {
		t.Errorf("%d turns taken back, %d out, %d of %d queued; want 1, 1, %d", turns, s.out, s.grams.len(), p.queued, gramQueue)
	}
	if p.reclaimLocked() != 0 {
		t.Error("a turn is taken back twice")
	}
	p.mu.Unlock()
	if _, ok := w.turn.claim(); ok {
		t.Error("the worker claims what was taken back")
	}
	if n := s.drops.Load(); n != 4 { // of nine there was room for five
		t.Errorf("%d dropped, want 4", n)
	}
	p.mu.Lock()
	p.doneLocked(&w)
	for want := 5; s.grams.len() > 0; want++ {
		if g := s.popGram(); int(g.data[0])|int(g.data[1])<<8 != want {
			t.Fatalf("message %v waits where %d should", g.data, want)
		}
	}
	if s.out != 0 || s.gramBytes != 0 {
		t.Errorf("%d are out and %d bytes wait when the worker is done", s.out, s.gramBytes)
	}
	p.queued = 0
	p.mu.Unlock()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
