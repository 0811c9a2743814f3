package port

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// stuck is a handler that heeds nothing until it is let go.
func stuck(release <-chan struct{}) func(context.Context, *Message) ([]byte, error) {
	return func(context.Context, *Message) ([]byte, error) {
		<-release
		return nil, nil
	}
}

// S1: the peer's process dies with a thousand requests in flight.
func TestS1EveryCallEndsWhenThePeerDies(t *testing.T) {
	for name, kill := range map[string]func(*p2ptest.Network){
		"killed":  func(n *p2ptest.Network) { n.Kill("b") },
		"crashed": func(n *p2ptest.Network) { n.Crash("b") },
		"cut off": func(n *p2ptest.Network) { n.Partition([]string{"a"}, []string{"b"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &p2ptest.Network{Delay: time.Millisecond}, new(Mux), new(Mux))
				release := make(chan struct{})
				handle(t, r.b, 1, Request, stuck(release))
				c := r.connect(t, 1)
				var calls sync.WaitGroup
				for i := range 1000 {
					calls.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+i%20)*time.Second)
						defer cancel()
						began := time.Now()
						limit := min(time.Duration(5+i%20)*time.Second, 10*time.Second)
						_, err := c.Request(ctx, pattern(100, i))
						if !errors.Is(err, ErrClosed) && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("Request = %v, want ErrClosed or DeadlineExceeded", err)
						}
						if took := time.Since(began); took > limit {
							t.Errorf("Request ended after %v, want at most %v", took, limit)
						}
					})
				}
				time.Sleep(time.Second)
				kill(r.net)
				calls.Wait()
				close(release)
			})
		})
	}
}

// S2: a restarted peer answers the next call; a call in flight fails at once.
func TestS2TheNextCallReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &p2ptest.Network{Delay: 10 * time.Millisecond}
		r := newRig(t, net, new(Mux), new(Mux))
		handle(t, r.b, 1, Request, echo)
		handle(t, r.b, 2, Request, func(ctx context.Context, _ *Message) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		c, slow := r.connect(t, 1), r.connect(t, 2)
		failed := make(chan error, 1)
		go func() {
			_, err := slow.Request(t.Context(), nil)
			failed <- err
		}()
		time.Sleep(time.Second)
		old := c.Peer().Generation
		net.Kill("b")
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("the call in flight = %v, want ErrClosed", err)
		}
		r.srvB.Close()
		again := new(Mux)
		handle(t, again, 1, Request, echo)
		r.b.Close()
		r.b, r.srvB = again, r.start(t, "b", again)
		began := time.Now()
		reply, err := c.Request(t.Context(), []byte("hi"))
		if err != nil || string(reply) != "hi" {
			t.Errorf("the next call = %q, %v", reply, err)
		}
		// Dial, hello and open take a round trip each, the request one more.
		if took := time.Since(began); took > 5*20*time.Millisecond {
			t.Errorf("the next call took %v", took)
		}
		if got := c.Peer().Generation; got <= old {
			t.Errorf("generation %d, want a later one than %d", got, old)
		}
	})
}

// S3: all of ten thousand concurrent requests are answered, none is run twice.
func TestS3TenThousandAtOnce(t *testing.T) {
	r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
	var ran [10_000]atomic.Int32
	handle(t, r.b, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
		ran[m.Index].Add(1)
		return m.Data, nil
	})
	c := r.connect(t, 1)
	var calls sync.WaitGroup
	begin := make(chan struct{})
	for i := range ran {
		calls.Go(func() {
			<-begin
			data := fmt.Appendf(nil, "request %d", i)
			if reply, err := c.RequestIndex(within(t), uint32(i), data); err != nil || string(reply) != string(data) {
				t.Errorf("Request(%d) = %q, %v", i, reply, err)
			}
		})
	}
	close(begin)
	calls.Wait()
	for i := range ran {
		if n := ran[i].Load(); n != 1 {
			t.Errorf("request %d ran %d times", i, n)
		}
	}
}

// S4: a slow handler costs other ports nothing, and its excess is refused within
// 100 ms.
func TestS4ASlowHandlerDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Mux{Workers: 16, Queue: 100}
		r := newRig(t, &p2ptest.Network{Delay: time.Millisecond}, new(Mux), b)
		handle(t, b, 1, Request, echo)
		handle(t, b, 2, Request, func(ctx context.Context, _ *Message) ([]byte, error) {
			time.Sleep(10 * time.Second)
			return nil, nil
		})
		c, slow := r.connect(t, 1), r.connect(t, 2)
		var busy, done atomic.Int32
		var calls sync.WaitGroup
		for range 500 {
			calls.Go(func() {
				began := time.Now()
				switch _, err := slow.Request(t.Context(), nil); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, ErrBusy):
					t.Errorf("Request = %v, want ErrBusy", err)
				case time.Since(began) > 100*time.Millisecond:
					t.Errorf("busy after %v, want at most 100ms", time.Since(began))
				default:
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		for range 100 {
			began := time.Now()
			if _, err := c.Request(t.Context(), []byte("quick")); err != nil {
				t.Errorf("the other port = %v", err)
			}
			if took := time.Since(began); took > 4*time.Millisecond { // idle: 2 ms
				t.Errorf("the other port took %v, want at most 4ms", took)
			}
		}
		calls.Wait()
		// 100 may wait, and 12 (three quarters of 16) run if they came earlier.
		if n := done.Load(); n < 100 || n > 112 || busy.Load() != 500-n {
			t.Errorf("%d busy and %d done, want 100 to 112 done", busy.Load(), n)
		}
		if got := b.Ports()[1].Stats.Busy; got != uint64(busy.Load()) {
			t.Errorf("Stats.Busy = %d, want %d", got, busy.Load())
		}
	})
}

// S5: a handler that panics, or ends its goroutine, costs its caller alone.
func TestS5AHandlerMayPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := &Mux{Workers: 2}
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			if string(m.Data) == "exit" {
				runtime.Goexit()
			}
			panic(string(m.Data))
		})
		c := connect(m, 1)
		for range 10 {
			for data, want := range map[string]string{"boom": "panic: boom", "exit": errExited.Error()} {
				_, err := c.Request(within(t), []byte(data))
				var remote *RemoteError
				if !errors.As(err, &remote) || remote.Message != want {
					t.Errorf("Request(%s) = %v, want %q", data, err, want)
				}
			}
		}
	})
}

func TestS5AOneWayHandlerMayPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := &Mux{Workers: 2}
		var came sync.WaitGroup
		came.Add(300)
		handle(t, m, 1, Send, func(_ context.Context, m *Message) ([]byte, error) {
			defer came.Done()
			switch m.Data[0] % 3 {
			case 0:
				panic("no")
			case 1:
				runtime.Goexit()
			}
			return nil, nil
		})
		c := connect(m, 1)
		for i := range 300 {
			if err := c.Send(within(t), pattern(3000, i)); err != nil {
				t.Fatal(err)
			}
		}
		came.Wait()
	})
}

// S6: what is over the limit is refused before any memory is taken for it, and
// the session goes on.
func TestS6TooLarge(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := &Mux{MaxMessage: 1 << 20}
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			return append(m.Data, m.Data...), nil
		})
		c := connect(m, 1)
		var large *TooLargeError
		_, err := c.Request(within(t), make([]byte, 1<<20+1))
		if !errors.As(err, &large) || large.Limit != 1<<20 || large.Reply || !errors.Is(err, ErrTooLarge) {
			t.Errorf("a request too large = %v", err)
		}
		_, err = c.Request(within(t), make([]byte, 1<<19+1))
		if !errors.As(err, &large) || large.Limit != 1<<20 || large.Size != 1<<20+2 || !large.Reply {
			t.Errorf("a reply too large = %v", err)
		}
		if reply, err := c.Request(within(t), make([]byte, 1<<19)); err != nil || len(reply) != 1<<20 {
			t.Errorf("the next request = %d bytes, %v", len(reply), err)
		}
	})
}

func TestS6AClaimOf4GiB(t *testing.T) {
	m := new(Mux)
	handle(t, m, 1, Request, echo)
	p := newPair(t, new(Mux), m, 0, 0)
	c := p.connect(t, 1)
	id := c.current.Load().id
	before := allocated()
	for i := range uint32(10) {
		p.raw(t, frame{kind: kindRequestFirst, id: 5000 + i, stream: id, total: 1<<32 - 1, body: make([]byte, 100)},
			frame{kind: kindRequestFirst, id: 6000 + i, stream: id, total: 16 << 20, body: make([]byte, 100)})
	}
	if reply, err := c.Request(within(t), []byte("hi")); err != nil || string(reply) != "hi" {
		t.Errorf("the next request = %q, %v", reply, err)
	}
	if grown := allocated() - before; grown > 10<<20 {
		t.Errorf("%d bytes were allocated for claims", grown)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// S7: the sender of one-way messages waits for a handler that does not keep up,
// then its deadline passes; little is held for it meanwhile.
func TestS7AStalledReceiver(t *testing.T) {
	for _, size := range []int{10, 1000, 60_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
				release := make(chan struct{})
				handle(t, r.b, 1, Send, stuck(release))
				handle(t, r.b, 2, Request, echo)
				c, other := r.connect(t, 1), r.connect(t, 2)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				taken, began := 0, time.Now()
				for {
					if err := c.Send(ctx, make([]byte, size)); err != nil {
						if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
							t.Errorf("Send = %v after %v, want DeadlineExceeded after 10s", err, time.Since(began))
						}
						break
					}
					taken++
				}
				if want := firstSendWindow / (size + overhead); taken > want+1 || size <= 1000 && taken != want {
					t.Errorf("%d messages of %d bytes were taken, want %d", taken, size, want)
				}
				if reply, err := other.Request(t.Context(), []byte("hi")); err != nil || string(reply) != "hi" {
					t.Errorf("another port = %q, %v", reply, err)
				}
				close(release)
				if err := c.Send(t.Context(), make([]byte, size)); err != nil {
					t.Errorf("Send to a handler that goes on = %v", err)
				}
			})
		})
	}
}

// S10: a node that drains finishes what it has begun and refuses the rest.
func TestS10Drain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Mux{Workers: 4}
		r := newRig(t, &p2ptest.Network{Delay: time.Millisecond}, new(Mux), b)
		handle(t, b, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			time.Sleep(time.Second)
			return m.Data, nil
		})
		var handled atomic.Int32
		handle(t, b, 2, Send, func(context.Context, *Message) ([]byte, error) {
			time.Sleep(100 * time.Millisecond)
			handled.Add(1)
			return nil, nil
		})
		c, s := r.connect(t, 1), r.connect(t, 2)
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				data := pattern(100_000, i)
				if reply, err := c.Request(t.Context(), data); err != nil || string(reply) != string(data) {
					t.Errorf("a call in flight = %v", err)
				}
			})
		}
		for range 10 {
			if err := s.Send(t.Context(), []byte("x")); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(500 * time.Millisecond)
		drained := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			drained <- b.Drain(ctx)
		}()
		time.Sleep(100 * time.Millisecond)
		if _, err := c.Request(t.Context(), nil); !errors.Is(err, ErrDraining) {
			t.Errorf("a new call = %v, want ErrDraining", err)
		}
		if err := s.Send(t.Context(), nil); !errors.Is(err, ErrDraining) {
			t.Errorf("a new message = %v, want ErrDraining", err)
		}
		if _, err := r.a.Connect(t.Context(), r.srvA, r.nodeB, 0, 1); !errors.Is(err, ErrDraining) {
			t.Errorf("a new Connect = %v, want ErrDraining", err)
		}
		if err := <-drained; err != nil {
			t.Errorf("Drain = %v", err)
		}
		if n := handled.Load(); n != 10 {
			t.Errorf("%d messages were handled, want 10", n)
		}
		calls.Wait()
	})
}

func TestDrainGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
		release := make(chan struct{})
		handle(t, r.b, 1, Request, stuck(release))
		c := r.connect(t, 1)
		go c.Request(t.Context(), nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 running") {
			t.Errorf("Drain = %v, want DeadlineExceeded and 1 running", err)
		}
		close(release)
	})
}

// S11: connecting and closing leaves nothing behind.
func TestS11ConnectAndClose(t *testing.T) {
	r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
	handle(t, r.b, 1, Request, echo)
	keep := r.connect(t, 1)
	goroutines := 0
	for i := range 2000 {
		c, err := r.a.Connect(within(t), r.srvA, r.nodeB, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Request(within(t), nil); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if i == 100 {
			goroutines = runtime.NumGoroutine()
		}
	}
	if now := runtime.NumGoroutine(); now > goroutines+10 {
		t.Errorf("%d goroutines, after the first hundred there were %d", now, goroutines)
	}
	if _, err := keep.Request(within(t), nil); err != nil {
		t.Error(err)
	}
	near, far := onlyLink(r.a), onlyLink(r.b)
	near.mu.Lock()
	far.mu.Lock()
	if len(near.streams) != 1 || len(far.inbounds) != 1 {
		t.Errorf("%d streams and %d inbounds, want 1 each", len(near.streams), len(far.inbounds))
	}
	far.mu.Unlock()
	near.mu.Unlock()
}

// S9: a thousand callers to a peer that is gone share one dial, and all fail
// when it does.
func TestS9ManyCallersToADeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
		handle(t, r.b, 1, Request, echo)
		dials := &countingDialer{Dialer: r.srvA}
		c, err := r.a.Connect(t.Context(), dials, r.nodeB, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r.net.Crash("b")
		time.Sleep(10 * time.Second) // the session is dead by now
		before := dials.n.Load()
		var calls sync.WaitGroup
		began := time.Now()
		for range 1000 {
			calls.Go(func() {
				if _, err := c.Request(t.Context(), nil); err == nil {
					t.Error("a dead peer has answered")
				}
			})
		}
		calls.Wait()
		if took := time.Since(began); took > connectWait {
			t.Errorf("the callers waited %v, want at most %v", took, connectWait)
		}
		if n := dials.n.Load() - before; n != 1 {
			t.Errorf("%d dials, want 1", n)
		}
	})
}

type countingDialer struct {
	p2p.Dialer
	n atomic.Int32
}

func (d *countingDialer) Dial(ctx context.Context, n *node.Node) (*p2p.Lease, error) {
	d.n.Add(1)
	return d.Dialer.Dial(ctx, n)
}
