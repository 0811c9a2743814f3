package mtls

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"kith/node"
	"kith/p2p"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var someNode = &node.Node{Hosts: []string{"127.0.0.1:1"}}

func bigInt(n int64) *big.Int { return big.NewInt(n) }

// Whatever the order of calls, nothing hangs or panics and Close has the last
// word.
func TestSessionCallOrders(t *testing.T) {
	hello := func(s *session) { s.Hello(context.Background(), p2p.Hello{}, accept) }
	open := func(s *session) { s.Open(twoChannels) }
	closing := func(s *session) { s.Close(nil) }
	fail := func(s *session) { s.fail(errors.New("cut")) }
	for name, calls := range map[string][]func(*session){
		"close":                    {closing},
		"close twice":              {closing, closing},
		"open, close":              {open, closing},
		"close, open":              {closing, open, closing},
		"close, hello":             {closing, hello},
		"hello, close":             {hello, closing},
		"hello, open, close":       {hello, open, closing},
		"open twice":               {hello, open, open, closing, open},
		"fail, close":              {fail, closing},
		"open, fail, close":        {hello, open, fail, closing},
		"fail, hello, open, close": {fail, hello, open, closing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := pipe(t, w.transport("a"), w.transport("b"))
				go func() {
					hello(b)
					b.Open(twoChannels)
				}()
				for _, call := range calls {
					call(a)
				}
				select {
				case <-a.Done():
				default:
					t.Error("Done() is open after Close")
				}
				if a.Err() == nil {
					t.Error("Err() = nil after Close")
				}
				if rws, err := a.Open(twoChannels); err == nil {
					t.Errorf("Open() after Close = %v", rws)
				}
				a.Stats()
				b.Close(nil)
			})
		})
	}
}

// What a channel does before the session is closed, and after.
func TestChannelAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		as, _ := openBoth(t, a, b, twoChannels)
		closeBoth(a, b)
		c := as[0].(*channel)
		if err := c.WriteMsg(p2p.Msg{Payload: make([]byte, 100_000)}); err == nil {
			t.Error("WriteMsg() = nil")
		}
		if _, err := c.ReadMsg(); err == nil {
			t.Error("ReadMsg() = nil")
		}
		c.Attach(func([]p2p.Msg) { t.Error("delivered") }, func(func(uint64, []byte, []byte) bool) { t.Error("filled") })
		if err := c.Post(0, nil, nil); err == nil {
			t.Error("Post() = nil")
		}
		if c.TryPost(0, nil, nil) {
			t.Error("TryPost() = true")
		}
		c.Wake()
		if err := c.OpenDatagrams(t.Context()); err == nil {
			t.Error("OpenDatagrams() = nil")
		}
		if c.HaveDatagrams() || c.SendDatagram(nil, nil) {
			t.Error("there are datagrams")
		}
		c.OnDatagram(func([]byte) {})
		synctest.Wait()
	})
}

func TestListenerCallOrders(t *testing.T) {
	w := newWorld(t)
	ln, err := w.transport("a").Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error)
	go func() {
		_, err := ln.Accept()
		accepted <- err
	}()
	for range 3 {
		if err := ln.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept() = %v, want %v", err, net.ErrClosed)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept() after Close = %v, want %v", err, net.ErrClosed)
	}
	if ln.Addr().String() == "" {
		t.Error("Addr() is empty after Close")
	}
}

// Listen takes both ports or none.
func TestListenIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	var udp net.PacketConn
	for udp == nil { // not from the range that the system gives to whoever dials just now
		udp, _ = net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(12000)))
	}
	defer udp.Close()
	tr := w.transport("a")
	if ln, err := tr.Listen(t.Context(), udp.LocalAddr().String()); err == nil {
		ln.Close()
		t.Fatal("Listen() = nil although somebody has the UDP port")
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Fatalf("the TCP port is still taken: %v", err)
	}
	tcp.Close()
	tr.NoQUIC = true
	ln, err := tr.Listen(t.Context(), udp.LocalAddr().String())
	if err != nil {
		t.Fatalf("Listen() without QUIC = %v", err)
	}
	ln.Close()
}

// An idle session has two goroutines, whatever it has done before.
func TestIdleSessionHasTwoGoroutines(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	a.NoQUIC, b.NoQUIC = true, true
	n, sessions := listen(t, b)
	before := runtime.NumGoroutine()
	dialled := dialTo(t, a, n)
	accepted := nextSession(t, sessions)
	as, bs := openBoth(t, dialled, accepted, twoChannels)
	testTraffic(t, as, bs)
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before+4 })
	closeBoth(dialled, accepted)
}

// S11, for sessions: descriptors and goroutines are back where they were.
func TestNothingIsLeft(t *testing.T) {
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("SKIP descriptors: no /proc/self/fd")
		}
		return len(entries)
	}
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	n, sessions := listen(t, b)
	connect := func(datagrams bool) {
		dialled := dialTo(t, a, n)
		accepted := nextSession(t, sessions)
		as, _ := openBoth(t, dialled, accepted, twoChannels)
		if datagrams {
			if err := as[0].(p2p.Datagrams).OpenDatagrams(t.Context()); err != nil {
				t.Errorf("OpenDatagrams() = %v", err)
			}
		}
		closeBoth(dialled, accepted)
	}
	connect(true)
	descriptors, goroutines := files(), runtime.NumGoroutine()
	for i := range 50 {
		connect(i%5 == 0)
	}
	waitFor(t, func() bool { return files() <= descriptors && runtime.NumGoroutine() <= goroutines+2 })
	if len(a.sockets) != 0 || len(b.sockets) != 1 || len(b.sessions) != 0 {
		t.Errorf("%d sockets, %d sockets and %d sessions are left, want 0, 1 and 0", len(a.sockets), len(b.sockets), len(b.sessions))
	}
}

// A message of a Direct user costs no allocation of ours, on either side.
func TestDirectDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	_, _, as, bs := both(t, w.transport("a"), w.transport("b"))
	const batch = 1000
	got, done := 0, make(chan bool)
	bs[0].(p2p.Direct).Attach(func(msgs []p2p.Msg) {
		if got += len(msgs); got >= batch {
			got -= batch
			done <- true
		}
	}, func(func(uint64, []byte, []byte) bool) {})
	d := as[0].(p2p.Direct)
	head, body := make([]byte, 8), make([]byte, 56)
	allocs := testing.AllocsPerRun(50, func() {
		for range batch {
			if err := d.Post(1, head, body); err != nil {
				t.Fatal(err)
			}
		}
		<-done
	})
	if allocs > batch/20 {
		t.Errorf("%v allocations for %d messages", allocs, batch)
	}
}
