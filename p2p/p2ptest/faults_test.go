package p2ptest

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

const ms = time.Millisecond

// ended waits for the end of s and says when and why it came.
func ended(t *testing.T, s p2p.Session, began time.Time, after time.Duration, reason error) {
	t.Helper()
	<-s.Done()
	took(t, began, after)
	if !errors.Is(s.Err(), reason) {
		t.Errorf("Err() = %v, want %v", s.Err(), reason)
	}
}

func TestAPartitionEndsSessionsAfterTheKeepalive(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  func(*Network)
	}{
		{"groups", func(n *Network) { n.Partition([]string{"a", "x"}, []string{"b"}) }},
		{"one group", func(n *Network) { n.Partition([]string{"b"}) }},
		{"cut", func(n *Network) { n.Cut("b", "a") }},
		{"crash of one", func(n *Network) { n.Crash("b") }},
		{"crash of the other", func(n *Network) { n.Crash("a") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := &Network{Delay: 10 * ms}
				defer net.Close()
				a, b := connect(t, net, "a", "b", 1)
				began := time.Now()
				tt.cut(net)
				write(t, a.rw[0], 1, "lost")
				go ended(t, b, began, keepalive, p2p.DiscReadTimeout)
				ended(t, a, began, keepalive, p2p.DiscReadTimeout)
				if _, err := b.rw[0].ReadMsg(); !errors.Is(err, p2p.DiscReadTimeout) {
					t.Errorf("ReadMsg in a partition = %v, want DiscReadTimeout", err)
				}
				began = time.Now()
				_, err := net.Transport("a").Dial(t.Context(), net.Transport("b").Node(1))
				if err == nil {
					t.Error("Dial through a partition succeeded")
				}
				if tt.name != "crash of one" && tt.name != "crash of the other" { // Transport has brought those back
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("Dial through a partition = %v, want a timeout", err)
					}
					took(t, began, keepalive)
				}
			})
		})
	}
}

func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		began := time.Now()
		net.Block("a", "b")
		write(t, b.rw[0], 1, "this way is open")
		ExpectMsg(t, a.rw[0], 1, []byte("this way is open"))
		took(t, began, 10*ms)
		ended(t, b, began, keepalive, p2p.DiscReadTimeout)
		ended(t, a, began, keepalive+10*ms, p2p.DiscReadTimeout)
		if d, ok := a.Err().(*p2p.DisconnectError); !ok || !d.Remote {
			t.Errorf("a was not told by b, but by %v", a.Err())
		}
	})
}

func TestHealInTime(t *testing.T) {
	for _, tt := range []struct{ heal, arrives time.Duration }{
		{50 * ms, 210 * ms}, // when it is sent again
		{500 * ms, 610 * ms},
		{6100 * ms, 6210 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			net := &Network{Delay: 10 * ms}
			defer net.Close()
			a, b := connect(t, net, "a", "b", 1)
			net.Partition([]string{"a"}, []string{"b"})
			began := time.Now()
			write(t, a.rw[0], 1, "one")
			write(t, a.rw[0], 2, "two")
			time.Sleep(tt.heal)
			net.Heal()
			write(t, a.rw[0], 3, "three")
			ExpectMsg(t, b.rw[0], 1, []byte("one"))
			took(t, began, tt.arrives)
			ExpectMsg(t, b.rw[0], 2, []byte("two"))
			ExpectMsg(t, b.rw[0], 3, []byte("three"))
			time.Sleep(2 * keepalive)
			if a.Err() != nil || b.Err() != nil {
				t.Errorf("after Heal the sessions ended: %v, %v", a.Err(), b.Err())
			}
		})
	}
}

func TestADialIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		began := time.Now()
		time.AfterFunc(5*ms, func() { net.Block("a", "b") }) // it is on its way
		time.AfterFunc(205*ms, net.Heal)
		accept(t, net.Transport("a"), net.Transport("b"))
		took(t, began, 640*ms)
	})
}

func TestThoseOfAGroupGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		c, d := connect(t, net, "c", "d", 1)
		net.Partition([]string{"a", "b"})
		time.Sleep(2 * keepalive)
		write(t, a.rw[0], 1, "ab")
		ExpectMsg(t, b.rw[0], 1, []byte("ab"))
		write(t, c.rw[0], 1, "cd")
		ExpectMsg(t, d.rw[0], 1, []byte("cd"))
	})
}

func TestLossIsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Seed: 3, Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		net.SetLoss(0.3)
		slow := 0
		for i := range 100 {
			began := time.Now()
			write(t, a.rw[0], 1, "x")
			if !ExpectMsg(t, b.rw[0], 1, []byte("x")) {
				t.Fatalf("after %d messages", i)
			}
			switch d := time.Since(began); d {
			case 10 * ms:
			case 210 * ms, 610 * ms, 1410 * ms, 3010 * ms, 6210 * ms:
				slow++
			default:
				t.Errorf("message %d took %v", i, d)
			}
		}
		if slow < 15 || slow > 45 {
			t.Errorf("%d of 100 messages were lost at first, want about 30", slow)
		}
		net.SetLoss(1, "b")
		began := time.Now()
		write(t, a.rw[0], 1, "x")
		ended(t, b, began, keepalive, p2p.DiscNetworkError)
		ended(t, a, began, keepalive, p2p.DiscNetworkError)
	})
}

func TestKillIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		old := net.Transport("b")
		l, err := old.Listen(t.Context(), "b:1")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan error)
		go func() { _, err := l.Accept(); accepted <- err }()
		began := time.Now()
		net.Kill("b")
		ended(t, b, began, 0, p2p.DiscNetworkError)
		if err := <-accepted; err == nil {
			t.Error("Accept of a killed process succeeded")
		}
		ended(t, a, began, 10*ms, p2p.DiscNetworkError)
		began = time.Now()
		if _, err := net.Transport("a").Dial(t.Context(), old.Node(1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial of a killed process = %v, want refused", err)
		}
		took(t, began, 20*ms)
		if _, err := old.Dial(t.Context(), net.Transport("a").Node(1)); err == nil {
			t.Error("a killed process dialled")
		}
		if _, err := old.Listen(t.Context(), "b:2"); err == nil {
			t.Error("a killed process listens")
		}
		next := net.Transport("b")
		if next == old || next.ID() != old.ID() {
			t.Errorf("after Kill the host is the same process %t, with id %v, was %v", next == old, next.ID(), old.ID())
		}
		if _, err := next.Listen(t.Context(), "b:1"); err != nil {
			t.Errorf("the next process cannot listen: %v", err)
		}
	})
}

func TestACrashIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		began := time.Now()
		net.Crash("b")
		if _, err := net.Transport("a").Dial(t.Context(), b.Session.(*session).t.Node(1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Dial of a crashed host = %v, want a timeout", err)
		}
		ended(t, a, began, keepalive, p2p.DiscReadTimeout)
		net.Heal()
		net.Transport("b")
		b.Close(nil)
		connect(t, net, "a", "b", 1)
	})
}

func TestNetworkCloseEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		a, b := connect(t, net, "a", "b", 1)
		l, err := net.Transport("a").Listen(t.Context(), ":1")
		if err != nil {
			t.Fatal(err)
		}
		net.Cut("a", "c")
		net.Transport("c")
		results := make(chan error, 3)
		go func() { _, err := l.Accept(); results <- err }()
		go func() { _, err := a.rw[0].ReadMsg(); results <- err }()
		go func() {
			_, err := net.Transport("a").Dial(t.Context(), net.Transport("c").Node(1))
			results <- err
		}()
		synctest.Wait()
		began := time.Now()
		net.Close()
		net.Close()
		for range 3 {
			if err := <-results; err == nil {
				t.Error("a call came back with success from Close")
			}
		}
		took(t, began, 0)
		ended(t, b, began, 0, errNetworkClosed)
		if _, err := net.Transport("d").Listen(t.Context(), ":1"); err == nil {
			t.Error("Listen after Close succeeded")
		}
		if _, err := net.Transport("d").Dial(t.Context(), net.Transport("a").Node(1)); !errors.Is(err, errNetworkClosed) {
			t.Errorf("Dial after Close = %v", err)
		}
	})
}

func TestANameInTheDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		net.Alias("seed.example", "b", "c")
		l, err := net.Transport("c").Listen(t.Context(), "c:1")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if p, err := l.Accept(); err == nil {
				p.Handshake(t.Context())
			}
		}()
		net.Transport("b") // is there, but refuses
		nd := net.Transport("c").Node(1)
		nd.Hosts = []string{"seed.example:1"}
		s, err := net.Transport("a").Dial(t.Context(), nd)
		if err != nil || s.Remote() != ID("c") {
			t.Errorf("Dial(%v) = %v", nd, err)
		}
	})
}
