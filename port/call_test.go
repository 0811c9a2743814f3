package port

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p/p2ptest"
)

// Two callers may use one index at a time: it is theirs, not ours.
func TestTheIndexIsTheCallers(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		var both sync.WaitGroup
		both.Add(2)
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			both.Done()
			both.Wait()
			return fmt.Appendf(nil, "%s %d", m.Data, m.Index), nil
		})
		c := connect(m, 1)
		var calls sync.WaitGroup
		for _, who := range []string{"first", "second"} {
			calls.Go(func() {
				if reply, err := c.RequestIndex(within(t), 0xfedcba98, []byte(who)); err != nil || string(reply) != who+" 4275878552" {
					t.Errorf("RequestIndex of %s = %q, %v", who, reply, err)
				}
			})
		}
		calls.Wait()
	})
}

func TestAMessageSaysWhereItIsFrom(t *testing.T) {
	r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
	want := Message{From: node.Ref{ID: p2ptest.ID("a"), Generation: r.srvA.Epoch}}
	for i, mode := range []Mode{Send, Request, Unreliable} {
		got := make(chan Message, 1)
		handle(t, r.b, uint16(i+1), mode, func(_ context.Context, m *Message) ([]byte, error) {
			got <- *m
			return nil, nil
		})
		c := r.connect(t, uint16(i+1))
		if c.Mode() != mode || c.Name() != fmt.Sprint("port ", i+1) || c.Peer().ID != p2ptest.ID("b") || c.Port() != uint16(i+1) {
			t.Errorf("the client says %v, %q, %v, %d", c.Mode(), c.Name(), c.Peer(), c.Port())
		}
		want.Port, want.Mode = uint16(i+1), mode
		if mode == Request {
			c.Request(within(t), nil)
		} else {
			c.Send(within(t), nil)
		}
		m := <-got
		if m.From != want.From || m.Port != want.Port || m.Mode != want.Mode || len(m.Data) != 0 {
			t.Errorf("mode %v: the handler saw %+v, want %+v", mode, m, want)
		}
	}
}

func TestTheModeIsEnforced(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		for _, mode := range []Mode{Send, Request, Unreliable} {
			m := new(Mux)
			handle(t, m, 1, mode, echo)
			c := connect(m, 1)
			var err error
			if mode == Request {
				err = c.Send(within(t), nil)
			} else {
				_, err = c.Request(within(t), nil)
			}
			var wrong *ModeError
			if !errors.Is(err, ErrWrongMode) || !errors.As(err, &wrong) || wrong.Mode != mode || !strings.Contains(err.Error(), mode.String()) {
				t.Errorf("a port of mode %v: %v, want ErrWrongMode", mode, err)
			}
		}
	})
}

// The other side enforces it too, against a peer that does not.
func TestTheModeIsEnforcedAgainstThePeer(t *testing.T) {
	m := new(Mux)
	for i, mode := range []Mode{Send, Request, Unreliable} {
		handle(t, m, uint16(i+1), mode, func(context.Context, *Message) ([]byte, error) {
			t.Errorf("the handler of mode %v was called", mode)
			return nil, nil
		})
	}
	p := newPair(t, new(Mux), m, 0, 0)
	var ids [4]uint32
	for n := uint16(1); n <= 3; n++ {
		ids[n] = p.connect(t, n).current.Load().id
	}
	answers := make(chan error, 3)
	for _, stream := range []uint32{ids[1], ids[3], 77} {
		sl, err := p.a.slots.take()
		if err != nil {
			t.Fatal(err)
		}
		p.raw(t, frame{kind: kindRequest, id: sl.id.Load(), stream: stream, body: []byte("x")})
		<-sl.answered
		answers <- sl.err
	}
	for _, want := range []error{ErrWrongMode, ErrWrongMode, ErrNoPort} {
		if err := <-answers; !errors.Is(err, want) {
			t.Errorf("a request where it does not belong = %v, want %v", err, want)
		}
	}
	p.raw(t, frame{kind: kindSend, id: ids[2], body: []byte("x")}, frame{kind: kindSend, id: ids[3], body: []byte("x")},
		frame{kind: kindSend, id: 77, body: []byte("x")}, frame{kind: kindDatagram, id: ids[1], body: []byte("x")},
		frame{kind: kindDatagram, id: 77, body: []byte("x")})
	p.settle(t)
	for i, want := range []uint64{1, 1, 1} {
		if got := m.Ports()[i].Stats.Dropped; got != want {
			t.Errorf("port %d dropped %d, want %d", i+1, got, want)
		}
	}
	if got := m.Stats().Strays; got != 1 {
		t.Errorf("%d strays, want 1", got)
	}
}

func TestCancellationReachesTheHandler(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		began, ended := make(chan bool), make(chan error, 1)
		handle(t, m, 1, Request, func(ctx context.Context, _ *Message) ([]byte, error) {
			_, has := ctx.Deadline()
			began <- has
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
		c := connect(m, 1)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := c.Request(ctx, nil)
			failed <- err
		}()
		if <-began {
			t.Error("the handler has a deadline, the caller has none")
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's ctx ended with %v", err)
		}
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("Request = %v, want Canceled", err)
		}
		go func() {
			_, err := c.Request(within(t), nil)
			failed <- err
		}()
		if !<-began {
			t.Error("the handler has no deadline, the caller has")
		}
		c.Close()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("Request of a closed Client = %v, want ErrClosed", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's ctx ended with %v", err)
		}
		if _, err := c.Request(t.Context(), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Request after Close = %v, want ErrClosed", err)
		}
	})
}

func TestTheDeadlineTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &p2ptest.Network{Delay: time.Millisecond}, new(Mux), &Mux{Workers: 1})
		ended := make(chan time.Duration, 1)
		began := time.Now()
		handle(t, r.b, 1, Request, func(ctx context.Context, _ *Message) ([]byte, error) {
			if ctx.Err() != nil || ctx.Value("x") != nil {
				t.Errorf("at first: Err = %v, Value = %v", ctx.Err(), ctx.Value("x"))
			}
			<-ctx.Done()
			if ctx.Err() == nil {
				t.Error("Done is closed, but Err is nil")
			}
			ended <- time.Since(began)
			time.Sleep(time.Minute)
			return nil, errors.New("too late")
		})
		c := r.connect(t, 1)
		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		failed := make(chan error, 1)
		go func() { // waits for the worker until it has no time left
			_, err := c.Request(ctx, nil)
			failed <- err
		}()
		if _, err := c.Request(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("Request = %v after %v, want DeadlineExceeded after 3s", err, time.Since(began))
		}
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second Request = %v, want DeadlineExceeded", err)
		}
		if took := <-ended; took < 3*time.Second || took > 3*time.Second+3*time.Millisecond {
			t.Errorf("the handler's ctx ended after %v, want 3s", took)
		}
		time.Sleep(2 * time.Minute)
		if got := r.b.Ports()[0].Stats.Calls; got != 1 {
			t.Errorf("%d calls of the handler, want 1: the second was too late", got)
		}
		if got := r.a.Stats().InFlight; got != 0 {
			t.Errorf("%d in flight, want 0: all were answered in the end", got)
		}
	})
}

func TestTheContextEndsWithTheHandler(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		kept := make(chan context.Context, 1)
		handle(t, m, 1, Request, func(ctx context.Context, m *Message) ([]byte, error) {
			if ctx.Done(); len(m.Data) > 0 {
				kept <- ctx
			} else {
				kept <- context.WithoutCancel(ctx)
			}
			return nil, nil
		})
		c := connect(m, 1)
		for _, data := range []string{"keep", ""} {
			if _, err := c.Request(within(t), []byte(data)); err != nil {
				t.Fatal(err)
			}
			ctx := <-kept
			if data == "" {
				continue
			}
			<-ctx.Done()
			if err := ctx.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("Err() after the handler = %v, want Canceled", err)
			}
		}
	})
}

// A caller that takes nothing of a large reply stops nobody else: what one
// connection has to itself is a window.
func TestAStalledCallStopsNobody(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			return make([]byte, 8<<20), nil
		})
		handle(t, m, 2, Request, echo)
		bulk := connect(m, 1)
		l := bulk.current.Load()
		l.link.mu.Lock()
		l.window.size, l.window.most = 1<<30, 1<<30 // gives nothing back until it has read 512 MiB
		l.link.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := bulk.Request(ctx, nil)
			failed <- err
		}()
		s, err := l.link.open(within(t), 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.leave()
		for _, n := range []int{10, 1 << 20} {
			if reply, _, err := s.request(within(t), 0, make([]byte, n)); err != nil || len(reply) != n {
				t.Errorf("another stream: %d bytes, %v", len(reply), err)
			}
		}
		select {
		case err := <-failed:
			t.Errorf("the stalled call ended: %v", err)
		default:
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the stalled call = %v, want Canceled", err)
		}
	})
}

func TestUnhandleTellsTheCallers(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := &Mux{Workers: 1}
		release, began := make(chan struct{}), make(chan struct{}, 1)
		handle(t, m, 1, Request, func(context.Context, *Message) ([]byte, error) {
			began <- struct{}{}
			<-release
			return []byte("done"), nil
		})
		c := connect(m, 1)
		answers := make(chan string, 2)
		call := func() {
			reply, err := c.Request(within(t), nil)
			answers <- fmt.Sprint(string(reply), errors.Is(err, ErrNoPort))
		}
		go call()
		<-began
		m.Unhandle(1)
		if _, err := c.Request(within(t), nil); !errors.Is(err, ErrNoPort) {
			t.Errorf("Request after Unhandle = %v, want ErrNoPort", err)
		}
		handle(t, m, 1, Send, echo)
		if err := c.Send(within(t), nil); err != nil || c.Mode() != Send {
			t.Errorf("Send to the new port = %v, mode %v", err, c.Mode())
		}
		close(release)
		if got := <-answers; got != "donefalse" {
			t.Errorf("the call in flight = %s, want done", got)
		}
	})
}

// Callers leave by their ctx while the Client is closed and answers come: nobody
// hangs, and no slot is lost or left with what belongs to another.
func TestCloseCancelAndAnswerAtOnce(t *testing.T) {
	m := new(Mux)
	handle(t, m, 1, Request, echo)
	p := newPair(t, new(Mux), m, 1, 0.1)
	for round := range 200 {
		c := p.connect(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for i := range 16 {
			calls.Go(func() {
				for n := range 4 {
					data := fmt.Appendf(make([]byte, (i%4)*3000), "%d %d %d", round, i, n)
					reply, err := c.Request(ctx, data)
					if err == nil {
						equal(t, "reply", reply, data)
					} else if !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
						t.Errorf("Request = %v", err)
					}
				}
			})
		}
		calls.Go(func() { c.Close() })
		calls.Go(cancel)
		calls.Wait()
	}
	p.until(t, "nothing is in flight", func() bool { return p.near.Stats().InFlight == 0 })
}
