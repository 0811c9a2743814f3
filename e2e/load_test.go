package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kith/port"
)

// S3: ten thousand requests in flight between two processes are all answered,
// none is run twice, and neither process is large.
func TestS3TenThousandRequests(t *testing.T) {
	const n, memory = 10_000, 300 << 20
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a := startRemote(t, nil, setting{Dir: dir, Name: "a"})
	var from answer
	var burst sync.WaitGroup
	burst.Go(func() {
		from = a.ask(question{Do: "burst", To: b.node.String(), Port: portGate, N: n, Size: 1024})
	})
	eventually(t, soon, "all are in flight", func() bool {
		s := b.ask(question{Do: "state"}).Ports[portGate]
		return s.Running+s.Waiting == n
	})
	b.ask(question{Do: "release"})
	burst.Wait()
	if from.Answered != n || len(from.Failures) > 0 {
		t.Errorf("%d answered, want %d: %v", from.Answered, n, from.Failures)
	}
	to := b.ask(question{Do: "state"})
	if to.Distinct != n || to.Twice != 0 {
		t.Errorf("%d requests were run, %d of them more than once; want %d once", to.Distinct, to.Twice, n)
	}
	for name, peak := range map[string]uint64{"caller": from.Peak, "callee": to.Peak} {
		if !raced && (peak == 0 || peak > memory) {
			t.Errorf("the %s had %d MiB in memory, want at most %d", name, peak>>20, memory>>20)
		}
	}
}

// S4: a port whose handler stands still takes a bounded number of requests; those
// beyond are told so at once, and another port answers.
func TestS4StalledPort(t *testing.T) {
	const n, bound = 17_000, 16_384 + 192 // in the queue, and at the workers of one port
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	gate, one := a.connect(t, b.node, portGate), a.connect(t, b.node, portEcho)
	var busy, answered, others atomic.Int64
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			switch _, err := gate.Request(ctx, numbered(i, 8)); {
			case errors.Is(err, port.ErrBusy):
				busy.Add(1)
			case err == nil:
				answered.Add(1)
			default:
				others.Add(1)
			}
		})
	}
	eventually(t, soon, "the excess is refused", func() bool {
		s := b.ask(question{Do: "look"}).Ports[portGate]
		return busy.Load() >= n-bound && s.Running+s.Waiting+int(busy.Load()) == n
	})
	echo(t, one, "another port")
	b.ask(question{Do: "release"})
	all.Wait()
	if others.Load() > 0 || answered.Load()+busy.Load() != n {
		t.Errorf("%d answered, %d busy, %d otherwise, want %d of the first two", answered.Load(), busy.Load(), others.Load(), n)
	}
}

// S5: a handler that panics fails its own call, in words, and no other.
func TestS5Panic(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c, one := a.connect(t, b.node, portPanic), a.connect(t, b.node, portEcho)
	for range 300 { // more than there are workers
		_, err := c.Request(t.Context(), []byte("oh no"))
		var remote *port.RemoteError
		if !errors.As(err, &remote) || remote.Message != "panic: oh no" {
			t.Fatalf("Request = %v, want the panic's words", err)
		}
	}
	echo(t, one, "still there")
}

// S10: SIGTERM lets what is in flight finish, refuses what is new and ends the
// process with 0.
func TestS10Drain(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	gate, one := a.connect(t, b.node, portGate), a.connect(t, b.node, portEcho)
	echo(t, one, "before")
	wait := inFlight(t, b, gate, 300, 2*time.Minute) // more than have a worker
	b.signal(syscall.SIGTERM)
	eventually(t, soon, "new requests are refused", func() bool {
		_, err := one.Request(t.Context(), []byte("new"))
		if err != nil && !errors.Is(err, port.ErrDraining) {
			t.Fatalf("Request = %v, want %v", err, port.ErrDraining)
		}
		return err != nil
	})
	if _, err := a.mux.Connect(t.Context(), a.srv, b.node, 0, portEcho); !errors.Is(err, port.ErrDraining) {
		t.Errorf("Connect = %v, want %v", err, port.ErrDraining)
	}
	b.tell(question{Do: "release"})
	released := time.Now()
	check(t, wait(), released, soon, nil)
	if code := b.exit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// S10: calls that do not finish hold up the end for ten seconds.
func TestS10DrainIsBounded(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portGate)
	wait := inFlight(t, b, c, 10, 2*time.Minute)
	b.signal(syscall.SIGTERM)
	asked := time.Now()
	b.exit(15 * time.Second)
	check(t, wait(), asked, 15*time.Second, port.ErrClosed)
}

// S11: connects and closes leave nothing behind, in neither process, whether they
// say who they are or not.
func TestS11Churn(t *testing.T) {
	n := 300
	if long() {
		n = 10_000
	}
	dir := authority(t, "a", "b", "keep")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a := startRemote(t, nil, setting{Dir: dir, Name: "a"})
	visits := question{Do: "churn", To: b.node.String(), Port: portEcho, N: 20}
	a.ask(visits) // what is made once has been made
	knock(t, b, 20)
	settled := func(r *remote) answer { return r.ask(question{Do: "state"}) }
	eventually(t, soon, "the first are gone", func() bool { return settled(b).Server.Peers == 0 && settled(b).Server.Pending == 0 })
	before := map[*remote]answer{a: settled(a), b: settled(b)}
	visits.N = n
	if got := a.ask(visits); got.Answered != n {
		t.Errorf("%d of %d visits worked: %v", got.Answered, n, got.Failures)
	}
	knock(t, b, n)
	for r, was := range before {
		var now answer
		back := func() bool {
			now = settled(r)
			return now.Goroutines <= was.Goroutines+2 && now.FDs <= was.FDs+2 && now.Heap < was.Heap+2<<20
		}
		deadline := time.Now().Add(soon)
		for !back() && time.Now().Before(deadline) {
			time.Sleep(100 * time.Millisecond) // the other process lets go
		}
		if !back() {
			t.Errorf("after %d visits: %d goroutines, %d descriptors, %d KiB; before: %d, %d, %d",
				n, now.Goroutines, now.FDs, now.Heap>>10, was.Goroutines, was.FDs, was.Heap>>10)
		}
	}
}

// knock connects and hangs up, from addresses that nobody else has, since an
// address from which many handshakes fail is kept out for a while.
func knock(t *testing.T, r *remote, n int) {
	t.Helper()
	for i := range n {
		d := net.Dialer{Timeout: soon, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 7, byte(i>>8), byte(i))}}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		conn, err := d.DialContext(ctx, "tcp", r.node.Hosts[0])
		cancel()
		if err != nil {
			t.Fatal(fmt.Errorf("knock %d: %w", i, err))
		}
		conn.Close()
	}
}
