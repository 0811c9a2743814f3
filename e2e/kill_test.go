package e2e

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/p2p"
	"kith/port"
)

// An ending is how one call ended and when.
type ending struct {
	err error
	at  time.Time
}

// inFlight sends n requests to the gate, which answers none, and returns when
// the other side has all of them. wait gives their endings.
func inFlight(t *testing.T, r *remote, c *port.Client, n int, timeout time.Duration) (wait func() []ending) {
	t.Helper()
	endings := make([]ending, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			_, err := c.Request(ctx, numbered(i, 100))
			endings[i] = ending{err, time.Now()}
		})
	}
	eventually(t, soon, "all requests arrive", func() bool {
		s := r.ask(question{Do: "look"}).Ports[portGate]
		return s.Running+s.Waiting == n
	})
	return func() []ending {
		all.Wait()
		return endings
	}
}

// check wants each of the endings to be of one kind and not too late.
func check(t *testing.T, endings []ending, since time.Time, limit time.Duration, want error) {
	t.Helper()
	for i, e := range endings {
		if !errors.Is(e.err, want) {
			t.Errorf("request %d: %v, want %v", i, e.err, want)
		}
		if took := e.at.Sub(since); took > limit {
			t.Errorf("request %d took %v, want at most %v", i, took, limit)
		}
		if t.Failed() {
			return
		}
	}
}

// S1 on TCP: the system closes the connection of a killed process.
func TestS1KilledPeer(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portGate)
	wait := inFlight(t, b, c, 1000, 2*time.Minute)
	killed := time.Now()
	b.kill()
	check(t, wait(), killed, 10*time.Second, port.ErrClosed)
}

// S1 on QUIC: nobody says that the process is gone.
func TestS1KilledPeerOnQUIC(t *testing.T) {
	t.Parallel()
	h := newLab(t).host()
	dir := authority(t, "a", "b")
	b := startRemote(t, h, setting{Dir: dir, Name: "b"})
	h.shutTCP()
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portGate)
	if got := a.carrier(b.node.ID); got != "quic" {
		t.Fatalf("carrier %q, want quic", got)
	}
	wait := inFlight(t, b, c, 1000, 2*time.Minute)
	killed := time.Now()
	b.kill()
	check(t, wait(), killed, 10*time.Second, port.ErrClosed)
}

// A request's own timeout comes first, whatever the peer does.
func TestS1TimeoutIsTheRequestsOwn(t *testing.T) {
	t.Parallel()
	h := newLab(t).host()
	dir := authority(t, "a", "b")
	b := startRemote(t, h, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portGate)
	h.cut()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.Request(ctx, numbered(1, 8))
	check(t, []ending{{err, time.Now()}}, began, 4*time.Second, context.DeadlineExceeded)
}

// S2: what was in flight fails when the process is gone, and the next call finds
// its successor.
func TestS2Restart(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	gate, one := a.connect(t, b.node, portGate), a.connect(t, b.node, portEcho)
	echo(t, one, "before")
	before := one.Peer().Generation
	wait := inFlight(t, b, gate, 100, 2*time.Minute)
	killed := time.Now()
	b.kill()
	check(t, wait(), killed, 6*time.Second, port.ErrClosed) // not by silence: that takes 7 s
	startRemote(t, nil, setting{Dir: dir, Name: "b", Listen: b.node.Hosts[0]})
	echo(t, one, "after")
	if after := one.Peer().Generation; after <= before {
		t.Errorf("generation %d after %d", after, before)
	}
}

// S2 on QUIC: the new process tells, by a stateless reset, that it knows nothing
// of the session.
func TestS2RestartOnQUIC(t *testing.T) {
	t.Parallel()
	h := newLab(t).host()
	dir := authority(t, "a", "b")
	b := startRemote(t, h, setting{Dir: dir, Name: "b"})
	h.shutTCP()
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	gate, one := a.connect(t, b.node, portGate), a.connect(t, b.node, portEcho)
	session := a.srv.Peer(b.node.ID).Session()
	wait := inFlight(t, b, gate, 100, 2*time.Minute)
	b.kill()
	startRemote(t, h, setting{Dir: dir, Name: "b", Listen: b.node.Hosts[0]})
	for i, e := range wait() {
		if !errors.Is(e.err, port.ErrClosed) {
			t.Fatalf("request %d: %v, want %v", i, e.err, port.ErrClosed)
		}
	}
	if err := session.Err(); err == nil || !strings.Contains(err.Error(), "stateless reset") {
		t.Errorf("session ended with %v, want a stateless reset", err)
	}
	echo(t, one, "after")
}

// S2: a pulled cable is noticed by our own ping, on either carrier and on both
// sides, and the next call after it is back reconnects.
func TestS2PulledCable(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{"tcp", "quic"} {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			h := newLab(t).host()
			dir := authority(t, "a", "b")
			b := startRemote(t, h, setting{Dir: dir, Name: "b"})
			if carrier == "quic" {
				h.shutTCP()
			}
			a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
			gate, one := a.connect(t, b.node, portGate), a.connect(t, b.node, portEcho)
			if got := a.carrier(b.node.ID); got != carrier {
				t.Fatalf("carrier %q, want %s", got, carrier)
			}
			session := a.srv.Peer(b.node.ID).Session()
			wait := inFlight(t, b, gate, 10, 2*time.Minute)
			h.cut()
			cut := time.Now()
			endings := wait()
			check(t, endings, cut, 9*time.Second, port.ErrClosed)
			// The last sign of life may be as old as a ping is rare.
			if took := endings[0].at.Sub(cut); took < 4900*time.Millisecond {
				t.Errorf("dead after %v, want 7s of silence", took)
			}
			if err := session.Err(); !errors.Is(err, p2p.DiscReadTimeout) {
				t.Errorf("session ended with %v, want %v", err, p2p.DiscReadTimeout)
			}
			eventually(t, 10*time.Second, "the other side notices too", func() bool {
				return len(b.ask(question{Do: "state"}).Sessions) == 0
			})
			h.heal()
			echo(t, one, "after")
		})
	}
}

// S9: many callers of one dead peer cost one dial and are told in time.
func TestS9DeadPeer(t *testing.T) {
	t.Parallel()
	h := newLab(t).host()
	dir := authority(t, "a", "b")
	b := startRemote(t, h, setting{Dir: dir, Name: "b"})
	h.cut()
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	began := time.Now()
	endings := make([]ending, 1000)
	var all sync.WaitGroup
	for i := range endings {
		all.Go(func() {
			_, err := a.mux.Connect(context.Background(), a.srv, b.node, 0, portEcho)
			endings[i] = ending{err, time.Now()}
		})
	}
	all.Wait()
	for i, e := range endings {
		if e.err == nil || e.at.Sub(began) > p2p.DefaultDialTimeout {
			t.Fatalf("caller %d: %v after %v", i, e.err, e.at.Sub(began))
		}
	}
	if n := a.srv.Stats().Dials; n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
}
