package p2ptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

// A call order is words; each is called in turn and must give what stands after
// its "=": ok, an error, or with closed an error after the end.
func TestCallOrdersOfASession(t *testing.T) {
	for _, order := range []string{
		"hello=ok open=ok close=ok close=ok",
		"open=error hello=ok open=ok open=error",
		"hello=ok hello=error open=ok",
		"close=ok hello=closed open=closed",
		"hello=ok close=ok open=closed hello=closed",
		"hello=ok open=ok hello=error close=ok open=closed",
		"gone=ok hello=closed close=ok",
		"hello=ok gone=ok open=ok wait=ok close=ok open=closed",
		"hello=ok open=ok gone=ok wait=ok close=ok",
	} {
		t.Run(order, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := new(Network)
				defer net.Close()
				a, b := accept(t, net.Transport("a"), net.Transport("b"))
				go b.Hello(context.Background(), hello("b"), agree)
				call := map[string]func() error{
					"hello": func() error { _, err := a.Hello(t.Context(), hello("a"), agree); return err },
					"open":  func() error { _, err := a.Open(channels(1)); return err },
					"close": func() error { return a.Close(nil) },
					"gone":  func() error { net.Kill("b"); return nil },
					"wait":  func() error { <-a.Done(); return nil },
				}
				for step := range strings.FieldsSeq(order) {
					what, want, _ := strings.Cut(step, "=")
					synctest.Wait()
					err := call[what]()
					ended := a.Err() != nil
					switch {
					case want == "ok" && err != nil,
						want == "error" && (err == nil || ended),
						want == "closed" && (err == nil || !ended):
						t.Errorf("%s = %v (ended: %v), want %s", what, err, a.Err(), want)
					}
				}
			})
		})
	}
}

func TestCallOrdersOfAListener(t *testing.T) {
	for _, order := range []string{
		"accept=ok handshake=ok handshake=error drop=ok alive=ok close=ok close=ok alive=ok accept=error",
		"close=ok accept=error listen=ok close=ok",
		"listen=error close=ok listen=ok",
		"accept=ok drop=ok drop=ok handshake=error dead=ok",
		"accept=ok close=ok handshake=error dead=ok",
		"close=ok dead=ok",
		"kill=ok accept=error close=ok listen=error",
		"crash=ok close=ok accept=error listen=error",
		"finish=ok accept=error close=ok listen=error",
	} {
		t.Run(order, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := new(Network)
				defer net.Close()
				b := net.Transport("b")
				l, err := b.Listen(t.Context(), "b:1")
				if err != nil {
					t.Fatal(err)
				}
				var p p2p.Pending
				dialled := make(chan error, 1)
				var s p2p.Session
				go func() {
					var err error
					s, err = net.Transport("a").Dial(context.Background(), b.Node(1))
					dialled <- err
				}()
				synctest.Wait()
				call := map[string]func() error{
					"listen":    func() (err error) { l2, err := b.Listen(t.Context(), "b:1"); keep(&l, l2, err); return err },
					"accept":    func() (err error) { p, err = l.Accept(); return err },
					"handshake": func() error { _, err := p.Handshake(t.Context()); return err },
					"drop":      func() error { return p.Close() },
					"close":     func() error { return l.Close() },
					"kill":      func() error { net.Kill("b"); return nil },
					"crash":     func() error { net.Crash("b"); return nil },
					"finish":    func() error { return net.Close() },
					"alive":     func() error { synctest.Wait(); return s.Err() },
					"dead": func() error {
						if err := <-dialled; err == nil {
							return errors.New("the dialler has a session")
						}
						return nil
					},
				}
				for step := range strings.FieldsSeq(order) {
					what, want, _ := strings.Cut(step, "=")
					if err := call[what](); (err == nil) != (want == "ok") {
						t.Errorf("%s = %v, want %s", what, err, want)
					}
					synctest.Wait()
				}
			})
		})
	}
}

func keep(l *p2p.Listener, l2 p2p.Listener, err error) {
	if err == nil {
		*l = l2
	}
}

func TestListenAddresses(t *testing.T) {
	net := new(Network)
	defer net.Close()
	a := net.Transport("a")
	for _, tt := range []struct {
		addr string
		ok   bool
	}{
		{"a:1", true},
		{":2", true},
		{"0.0.0.0:3", true},
		{"[::]:4", true},
		{"127.0.0.1:0", true},
		{"localhost:0", true},
		{net.Addr("a").String() + ":5", true},
		{"a:1", false},
		{"b:1", false},
		{"10.255.0.1:1", false},
		{"a", false},
		{"a:x", false},
		{"a:65536", false},
		{"a:-1", false},
	} {
		l, err := a.Listen(t.Context(), tt.addr)
		if (err == nil) != tt.ok {
			t.Errorf("Listen(%q) = %v, want success %t", tt.addr, err, tt.ok)
		}
		if err == nil && !strings.HasPrefix(l.Addr().String(), net.Addr("a").String()+":") {
			t.Errorf("Listen(%q) listens on %v", tt.addr, l.Addr())
		}
	}
	for _, name := range []string{"", "a:1", "a b", "a/b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Transport(%q) did not panic", name)
				}
			}()
			net.Transport(name)
		}()
	}
}

func TestASilentStrangerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := accept(t, net.Transport("a"), net.Transport("b"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := b.Hello(ctx, hello("b"), agree); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Hello = %v, want DeadlineExceeded", err)
		}
		took(t, began, time.Second)
		_, err := a.Hello(t.Context(), hello("a"), agree)
		if !errors.Is(err, p2p.DiscReadTimeout) {
			t.Errorf("the stranger's Hello = %v, want DiscReadTimeout", err)
		}
	})
}

func TestCloseWaitsForTheReader(t *testing.T) {
	for name, closes := range map[string]func(*Network, p2p.Session){
		"session": func(_ *Network, s p2p.Session) { s.Close(nil) },
		"network": func(n *Network, _ p2p.Session) { n.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			net := new(Network)
			defer net.Close()
			a, b := connect(t, net, "a", "b", 1)
			b.rw[0].(p2p.Direct).Attach(func([]p2p.Msg) { time.Sleep(time.Second) }, nil)
			write(t, a.rw[0], 0, "x")
			synctest.Wait()
			began := time.Now()
			closes(net, b)
			if d := time.Since(began); d != time.Second {
				t.Errorf("Close of the %s came back after %v, want 1s", name, d)
			}
		})
	}
}

func TestCloseDropsWhatWasNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		write(t, a.rw[0], 0, "x")
		synctest.Wait()
		b.Close(p2p.DiscQuitting)
		if m, err := b.rw[0].ReadMsg(); err != b.Err() {
			t.Errorf("ReadMsg after our own Close = %q, %v", m.Payload, err)
		}
	})
}

func TestLastWordsAreReadAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		write(t, a.rw[0], 0, "x")
		a.Close(p2p.DiscQuitting)
		<-b.Done()
		b.Close(nil) // as a server does when another protocol has seen the end
		if m, err := b.rw[0].ReadMsg(); err != nil || string(m.Payload) != "x" {
			t.Errorf("ReadMsg = %q, %v; want what the peer said before it closed", m.Payload, err)
		}
	})
}

func TestSessionsLeaveNothing(t *testing.T) {
	net := new(Network)
	defer net.Close()
	for i := range 20 {
		a, b := connect(t, net, "a", fmt.Sprint("b", i), 1)
		a.rw[0].(p2p.Direct).Attach(func([]p2p.Msg) {}, func(func(uint64, []byte, []byte) bool) {})
		a.Close(nil)
		<-b.Done()
	}
	net.mu.Lock()
	defer net.mu.Unlock()
	if n := len(net.conns); n > 1 { // the last one is just ending
		t.Errorf("the network remembers %d of 20 sessions that have ended", n)
	}
}
