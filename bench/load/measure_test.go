package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pocket is a System within one goroutine: what it sends it has received.
type pocket struct {
	spoil bool // replies are another request's
	drop  int  // every so many messages, one gets lost
}

type pocketServer struct {
	Tally
	pocket
	calls int64
}

var last *pocketServer // Dial has only the address

func (p pocket) Name() string                    { return "pocket" }
func (p pocket) Serve(*Identity) (Server, error) { last = &pocketServer{pocket: p}; return last, nil }
func (s *pocketServer) Addr() string             { return "here" }
func (s *pocketServer) Close() error             { return nil }
func (s *pocketServer) Flush() error             { return nil }
func (s *pocketServer) Datagram(b []byte) error  { return s.OneWay(context.Background(), b) }
func (s *pocketServer) Pull(context.Context, int) ([]byte, error) {
	return make([]byte, BulkSize), nil
}

func (p pocket) Dial(context.Context, *Identity, string) (Client, error) { return last, nil }

func (s *pocketServer) Request(_ context.Context, b []byte) ([]byte, error) {
	b = bytes.Clone(b)
	if s.spoil {
		b[len(b)-1]++
	}
	return b, nil
}

func (s *pocketServer) OneWay(_ context.Context, b []byte) error {
	if s.calls++; s.drop == 0 || s.calls%int64(s.drop) != 0 {
		s.Got(len(b))
	}
	return nil
}

var short = Span{Warm: 2 * time.Millisecond, Time: 50 * time.Millisecond}

func TestMeasureEveryKind(t *testing.T) {
	want := map[Kind][]Metric{
		Echo:     {Rate, CPU, Allocs, P50, P99, Cores},
		Mixed:    {Rate, CPU, P50, P99, IdleP50, IdleP99, Bulk},
		OneWay:   {Rate, CPU, Allocs},
		Datagram: {Rate, CPU, Loss},
	}
	for kind, metrics := range want {
		v, err := Measure(t.Context(), pocket{}, nil, Case{Kind: kind, Size: 64, Callers: 2}, short)
		if err != nil {
			t.Errorf("Measure(%s) = %v", kind, err)
		}
		for _, m := range metrics {
			if _, ok := v[m]; !ok {
				t.Errorf("Measure(%s) has no %s: %v", kind, m, v)
			}
		}
	}
}

// choosy does not do one way.
type choosy struct{ pocket }

func (choosy) Does(c Case) bool { return c.Kind != OneWay }

func TestHereAsksWhatASystemDoes(t *testing.T) {
	here := Here{System: choosy{}}
	if _, err := here.Measure(t.Context(), Case{Kind: Echo, Size: 64}, short); err != nil {
		t.Errorf("Measure of what it does = %v", err)
	}
	if _, err := here.Measure(t.Context(), Case{Kind: OneWay, Size: 64}, short); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Measure of what it does not = %v, want ErrUnsupported", err)
	}
}

func TestMeasureRefusesWrongReplies(t *testing.T) {
	_, err := Measure(t.Context(), pocket{spoil: true}, nil, Case{Kind: Echo, Size: 64}, short)
	if err == nil || !strings.Contains(err.Error(), "not its echo") {
		t.Errorf("Measure = %v, want a complaint about the echo", err)
	}
}

func TestDatagramLoss(t *testing.T) {
	for _, flight := range []int{0, 8} {
		v, err := Measure(t.Context(), pocket{drop: 4}, nil, Case{Kind: Datagram, Size: 64, InFlight: flight}, short)
		if err != nil {
			t.Errorf("in flight %d: Measure = %v", flight, err)
			continue
		}
		if loss := v[Loss]; loss < 0.1 || loss > 0.26 {
			t.Errorf("in flight %d: loss = %v, want a quarter", flight, loss)
		}
	}
}

func TestCaseNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		if seen[c.Name()] {
			t.Errorf("two cases are called %s", c.Name())
		}
		seen[c.Name()] = true
	}
	for _, name := range []string{"echo/64B/1", "2p/echo/1KiB/64", "echo/1MiB/64", "mixed/64B", "oneway/64KiB", "datagram/64B/blast", "datagram/1KiB/flight64"} {
		if !seen[name] {
			t.Errorf("no case is called %s", name)
		}
	}
}

// TestMain lets the test binary be the other process.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("LOAD_TEST_ROLE") {
	case "server":
		err = ServeHere(pocket{}, nil, os.Stdin, os.Stdout)
	case "child":
		err = Answer(pocket{}, nil, os.Stdin, os.Stdout)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		os.Exit(1)
	}
}

func role(t *testing.T, name string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "LOAD_TEST_ROLE="+name)
	return cmd
}

func TestElsewhereTellsItsUsage(t *testing.T) {
	srv, err := Elsewhere{pocket{}, func() *exec.Cmd { return role(t, "server") }}.Serve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if srv.Addr() != "here" {
		t.Errorf("Addr() = %q, want here", srv.Addr())
	}
	if used, err := srv.Usage(); err != nil || used.CPU == 0 || used.Allocs == 0 {
		t.Errorf("Usage() = %v, %v, want what the process has spent", used, err)
	}
	for range 2 {
		if err := srv.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if _, err := srv.Usage(); err == nil {
		t.Error("Usage() after Close succeeded")
	}
}

func TestChildMeasures(t *testing.T) {
	child, err := StartChild("pocket", role(t, "child"))
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	v, err := child.Measure(t.Context(), Case{Kind: Echo, Size: 64}, short)
	if err != nil || v[Rate] == 0 {
		t.Errorf("Measure = %v, %v, want a rate", v, err)
	}
	if _, err := child.Measure(t.Context(), Case{Kind: Echo, Size: 64, TwoProcesses: true}, short); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Measure in two processes = %v, want ErrUnsupported", err)
	}
	if _, err := child.Measure(t.Context(), Case{Kind: "odd"}, short); err == nil || !strings.Contains(err.Error(), "odd") {
		t.Errorf("Measure of an odd kind = %v, want the child's words", err)
	}
}

func TestIdentityIsMutual(t *testing.T) {
	id, err := NewIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := id.TLS("server", "x")
	if err != nil {
		t.Fatal(err)
	}
	client, err := id.TLS("client", "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(server, client); err != nil {
		t.Errorf("handshake with a certificate = %v", err)
	}
	client.Certificates = nil
	if err := handshake(server, client); err == nil {
		t.Error("handshake without a certificate succeeded")
	}
}

// handshake returns the server's verdict.
func handshake(server, client *tls.Config) error {
	a, b := net.Pipe()
	go func() {
		defer b.Close()
		conn := tls.Client(b, client)
		if conn.Handshake() == nil {
			conn.Read(make([]byte, 1)) // what the server thinks comes after its handshake
		}
	}()
	defer a.Close()
	return tls.Server(a, server).Handshake()
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		until := func(n int64, want time.Duration) {
			begin := time.Now()
			tally.Until(n, time.Minute)
			if took := time.Since(begin); took != want {
				t.Errorf("Until(%d) took %v, want %v", n, took, want)
			}
		}
		until(1, time.Minute)
		go func() {
			for range 3 {
				time.Sleep(time.Second)
				tally.Got(64)
			}
		}()
		until(2, 2*time.Second)
		until(2, 0)
		until(3, time.Second)
	})
}

func TestFlightCountsLateArrivals(t *testing.T) {
	srv := new(pocketServer)
	arrive := func(n int) {
		for range n {
			srv.Got(64)
		}
	}
	f := flight{limit: 4, srv: srv, lost: 3}
	arrive(10)
	for n, want := range map[int64]int64{13: 0, 16: 3, 17: 4} {
		if got := f.under(n); got != want {
			t.Errorf("under(%d) = %d with 10 delivered and 3 lost, want %d", n, got, want)
		}
	}
	arrive(2) // two of the lost
	if got := f.under(13); got != 0 || f.lost != 1 {
		t.Errorf("under(13) = %d, lost = %d after two came late, want 0 and 1", got, f.lost)
	}
	if got := f.under(17); got != 4 {
		t.Errorf("under(17) = %d after late arrivals, want 4", got)
	}
}

// What is lost holds the sender up for its patience, and only once.
func TestFlightGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flight{limit: 4, srv: new(pocketServer)}
		begin := time.Now()
		f.wait(3)
		if took := time.Since(begin); took != 0 {
			t.Errorf("wait with room took %v", took)
		}
		f.wait(4)
		if took := time.Since(begin); took != patience || f.under(4) != 0 {
			t.Errorf("wait took %v with %d under way after, want %v and none", took, f.under(4), patience)
		}
	})
}
