package port

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the session refuses at first, and whatever callers give up, each
// answer is to its own request, no request runs twice, messages come in order
// and without a gap, and nothing is held in the end.
func TestAnswersBelongToTheirRequests(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := world{
			callers: rapid.IntRange(1, 8).Draw(rt, "callers"),
			calls:   rapid.IntRange(1, 12).Draw(rt, "calls"),
			seed:    rapid.Uint64().Draw(rt, "seed"),
			refused: rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9}).Draw(rt, "refused"),
			given:   rapid.SampledFrom([]float64{0, 0.3}).Draw(rt, "given up"),
			queue:   rapid.SampledFrom([]int{0, 1}).Draw(rt, "queue"),
			budget:  rapid.SampledFrom([]int64{0, 2 << 20}).Draw(rt, "budget"),
		}
		w.run(t, rt)
	})
}

type world struct {
	callers, calls int
	seed           uint64
	refused, given float64
	queue          int
	budget         int64
	ran            sync.Map // caller<<32 | call to times
	twice          atomic.Int32
}

func (w *world) run(t *testing.T, rt *rapid.T) {
	far := &Mux{Queue: w.queue, Budget: w.budget, MaxMessage: 1 << 20}
	var mu sync.Mutex
	var toCome sync.WaitGroup
	toCome.Add(w.callers * w.calls)
	next := make(map[uint32]uint32) // by sender: the message to come
	err := far.Handle(1, "", Request, HandlerFunc(func(ctx context.Context, m *Message) ([]byte, error) {
		if _, again := w.ran.LoadOrStore(m.Index, true); again {
			w.twice.Add(1)
		}
		if len(m.Data)%7 == 3 {
			return nil, errors.New("seven")
		}
		for range len(m.Data) % 5 {
			runtime.Gosched()
		}
		return m.Data, nil
	}))
	if err != nil {
		rt.Fatal(err)
	}
	for sender := range w.callers {
		far.Handle(uint16(10+sender), "", Send, HandlerFunc(func(_ context.Context, m *Message) ([]byte, error) {
			from, at := binary.BigEndian.Uint32(m.Data), binary.BigEndian.Uint32(m.Data[4:])
			mu.Lock()
			defer mu.Unlock()
			if next[from] != at {
				rt.Errorf("sender %d: message %d came, want %d", from, at, next[from])
			}
			next[from] = at + 1
			toCome.Done()
			return nil, nil
		}))
	}
	p := newPair(t, new(Mux), far, w.seed, w.refused)
	c := p.connect(t, 1)
	var callers sync.WaitGroup
	for i := range w.callers {
		callers.Go(func() { w.call(rt, c, i) })
		s := p.connect(t, uint16(10+i))
		callers.Go(func() { w.send(rt, s, i) })
	}
	callers.Wait()
	toCome.Wait()
	if err := far.Drain(context.Background()); err != nil {
		rt.Errorf("Drain = %v", err)
	}
	if n := w.twice.Load(); n > 0 {
		rt.Errorf("%d requests ran twice", n)
	}
	p.close(t)
}

func (w *world) size(r *rand.Rand) int {
	return r.IntN([]int{100, small * 2, maxFragment * 3, 300 << 10}[r.IntN(4)])
}

func (w *world) call(rt *rapid.T, c *Client, caller int) {
	r := rand.New(rand.NewPCG(w.seed, uint64(caller)))
	for i := range w.calls {
		data := pattern(w.size(r), caller*100+i)
		ctx, cancel := context.WithCancel(context.Background())
		if r.Float64() < w.given {
			go func(spins int) {
				for range spins {
					runtime.Gosched()
				}
				cancel()
			}(r.IntN(50))
		}
		reply, err := c.RequestIndex(ctx, uint32(caller<<16|i), data)
		var remote *RemoteError
		switch {
		case err == nil && string(reply) != string(data):
			rt.Errorf("caller %d, request %d of %d bytes: another answer of %d bytes", caller, i, len(data), len(reply))
		case errors.As(err, &remote) && len(data)%7 == 3, errors.Is(err, ErrBusy) && (w.queue > 0 || w.budget > 0):
		case err != nil && ctx.Err() == nil:
			rt.Errorf("caller %d, request %d of %d bytes: %v", caller, i, len(data), err)
		}
		cancel()
	}
}

func (w *world) send(rt *rapid.T, c *Client, sender int) {
	r := rand.New(rand.NewPCG(w.seed, uint64(1000+sender)))
	for i := uint32(0); i < uint32(w.calls); {
		data := make([]byte, 8+w.size(r))
		binary.BigEndian.PutUint32(data, uint32(sender))
		binary.BigEndian.PutUint32(data[4:], i)
		ctx, cancel := context.WithCancel(context.Background())
		if r.Float64() < w.given {
			go func(spins int) {
				for range spins {
					runtime.Gosched()
				}
				cancel()
			}(r.IntN(50))
		}
		err := c.Send(ctx, data)
		if err == nil {
			i++
		} else if ctx.Err() == nil {
			rt.Errorf("sender %d, message %d of %d bytes: %v", sender, i, len(data), err)
			i = uint32(w.calls)
		}
		cancel()
	}
}
