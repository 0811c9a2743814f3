package p2p_test

import (
	"context"
	"errors"
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

func TestCallersInAHurryShareOneDial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) { s.DialTimeout = 3 * time.Second })
		b := at(nw, "b")
		nw.Crash("b")
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := a.Dial(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Dial = %v, want its deadline", err)
			}
			cancel()
		}
		if st := a.Stats(); st.Dials != 1 {
			t.Errorf("%d dials, want 1", st.Dials)
		}
		time.Sleep(1100 * time.Millisecond)
		if _, err := a.Dial(t.Context(), b); !errors.Is(err, p2p.ErrBackOff) {
			t.Errorf("after the dial has failed: %v, want ErrBackOff", err)
		}
	})
}

func TestOneCallerIsToldWhyAndOthersWait(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) { s.DialTimeout = 3 * time.Second })
		b := at(nw, "b")
		nw.Crash("b")
		_, err := a.Dial(t.Context(), b)
		if err == nil || !strings.Contains(err.Error(), "p2ptest: a: dial b:1: ") {
			t.Errorf("Dial = %v, want what the transport says", err)
		}
		if _, err := a.Dial(t.Context(), b); !errors.Is(err, p2p.ErrBackOff) {
			t.Errorf("the next: %v, want ErrBackOff", err)
		}
	})
}

func TestADialThatNobodyWantsIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		nw.SetDelay(time.Second, 0)
		a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		if _, err := a.Dial(ctx, at(nw, "b")); !errors.Is(err, context.Canceled) {
			t.Errorf("Dial = %v, want canceled", err)
		}
		l, err := a.Dial(t.Context(), at(nw, "b"))
		if err != nil {
			t.Fatalf("the next, at once: %v", err)
		}
		l.Peer().Disconnect(nil)
		if _, err := a.Dial(ctx, at(nw, "b")); !errors.Is(err, context.Canceled) || a.Stats().Dials != 2 {
			t.Errorf("Dial with an ended ctx = %v after %d dials", err, a.Stats().Dials)
		}
		c := at(nw, "c")
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		a.Dial(ctx, c)
		synctest.Wait()
		if _, err := a.Dial(t.Context(), c); err == nil || errors.Is(err, p2p.ErrBackOff) {
			t.Errorf("after one that was given up: %v, want the transport's error", err)
		}
		time.Sleep(time.Minute)
		if n := a.Stats().Connected + b.Stats().Connected; n != 2 {
			t.Errorf("%d peers were connected, want 1 on either side", n)
		}
	})
}

// What a restarted node owes those who wait for it: at most a round trip.
func TestANodeThatComesToUsEndsTheDial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		count := &dialCounter{Transport: nw.Transport("a")}
		a := server(t, nw, "a", func(s *p2p.Server) { s.Transport = count })
		to := at(nw, "b")
		nw.Crash("b")
		time.AfterFunc(3500*time.Millisecond, func() {
			b := server(t, nw, "b", nil)
			if _, err := b.Dial(t.Context(), at(nw, "a")); err != nil {
				t.Error(err)
			}
		})
		start := time.Now()
		l, err := a.Dial(t.Context(), to)
		if took := time.Since(start); err != nil || !l.Peer().Inbound() || took > 3600*time.Millisecond {
			t.Fatalf("Dial = %v after %v, want the session from b after 3.5s", err, took)
		}
		synctest.Wait()
		if n := count.active.Load(); n != 0 {
			t.Errorf("%d dials are still under way", n)
		}
		time.Sleep(10 * time.Second)
		if err := l.Peer().Err(); err != nil {
			t.Errorf("it has ended: %v", err)
		}
	})
}

func TestRetryJoinsASlowDial(t *testing.T) {
	for _, back := range []time.Duration{2 * time.Second, 6970 * time.Millisecond} { // the first try fails after 7s
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			b := at(nw, "b")
			f := &finder{hosts: map[node.ID][]string{b.ID: b.Hosts}}
			a := server(t, nw, "a", func(s *p2p.Server) { s.Discovery = []p2p.Discovery{f} })
			start := time.Now()
			time.AfterFunc(10*time.Millisecond, func() { a.Retry(b.ID) })
			time.AfterFunc(back, func() {
				server(t, nw, "b", nil)
				for range 5 {
					a.Retry(b.ID)
				}
			})
			gone := at(nw, "gone") // where b is no more
			nw.Crash("gone")
			l, err := a.Dial(t.Context(), &node.Node{ID: b.ID, Hosts: gone.Hosts})
			if took := time.Since(start); err != nil || took > back+100*time.Millisecond {
				t.Fatalf("Dial = %v after %v, want b after %v and a round trip or two", err, took, back)
			}
			if n := a.Stats().Dials; n != 2 {
				t.Errorf("%d dials, want 2", n)
			}
			time.Sleep(20 * time.Second) // the first fails
			if err := l.Peer().Err(); err != nil {
				t.Errorf("it has ended: %v", err)
			}
		})
	}
}

func TestRetryAddsOneDialAtMost(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		b := at(nw, "b")
		nw.Crash("b")
		for i := range 5 {
			time.AfterFunc(time.Duration(i)*1200*time.Millisecond, func() { a.Retry(b.ID) })
		}
		a.Dial(t.Context(), b)
		if n := a.Stats().Dials; n != 2 {
			t.Errorf("%d dials, want 2", n)
		}
	})
}

// A dialCounter counts the dials, and those under way.
type dialCounter struct {
	p2p.Transport
	active, all atomic.Int32
}

func (c *dialCounter) Dial(ctx context.Context, n *node.Node) (p2p.Session, error) {
	c.all.Add(1)
	c.active.Add(1)
	defer c.active.Add(-1)
	return c.Transport.Dial(ctx, n)
}

// The peer says that it is connected already, but nothing shows of that here.
func TestAPeerThatSpeaksOfAnotherSession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		ln, err := nw.Transport("b").Listen(t.Context(), "b:1")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			p, err := ln.Accept()
			if err != nil {
				return
			}
			if s, err := p.Handshake(t.Context()); err == nil {
				s.Hello(t.Context(), p2p.Hello{Version: [3]uint16{0, 1, 0}}, func(p2p.Hello) error { return p2p.DiscAlreadyConnected })
			}
		}()
		a := server(t, nw, "a", nil)
		start := time.Now()
		_, err = a.Dial(t.Context(), at(nw, "b"))
		if took := time.Since(start); !errors.Is(err, p2p.DiscAlreadyConnected) || took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("Dial = %v after %v, want already connected after a second", err, took)
		}
	})
}

func TestRemovePeerEndsADial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		nw.SetDelay(time.Second, 0)
		a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
		time.AfterFunc(5*time.Second, func() { a.RemovePeer(b.Self().ID) }) // its hello is under way
		if _, err := a.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.DiscRequested) {
			t.Errorf("Dial = %v, want disconnect requested", err)
		}
	})
}

func TestASeedThatIsBackIsReachedSoon(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		seed := &node.Node{Hosts: at(nw, "b").Hosts}
		var up time.Time
		for range 60 { // as the gossip does, each second
			l, err := a.Dial(t.Context(), seed)
			if err == nil {
				if took := time.Since(up); took > 1100*time.Millisecond {
					t.Errorf("reached %v after it was back", took)
				}
				l.Release()
				return
			}
			if up.IsZero() && a.Stats().Dials > 30 {
				up = time.Now()
				server(t, nw, "b", nil)
			}
			time.Sleep(time.Second)
		}
		t.Error("never reached")
	})
}

func TestIDAndAddressAreDialledAtOnceOverASlowWay(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		nw.SetDelay(1100*time.Millisecond, 0) // a hello takes more than two seconds
		a := server(t, nw, "a", nil)
		server(t, nw, "b", nil)
		b := at(nw, "b")
		var both sync.WaitGroup
		for _, to := range []*node.Node{b, {Hosts: b.Hosts}} {
			both.Go(func() {
				if _, err := a.Dial(t.Context(), to); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	})
}

func TestCloseEndsWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		b := at(nw, "b")
		nw.Crash("b")
		var waiting sync.WaitGroup
		waiting.Go(func() {
			start := time.Now()
			if _, err := a.Dial(t.Context(), b); !errors.Is(err, p2p.ErrClosed) || time.Since(start) != time.Second {
				t.Errorf("Dial = %v after %v, want ErrClosed after 1s", err, time.Since(start))
			}
		})
		time.Sleep(time.Second)
		a.Close()
		waiting.Wait()
	})
}

func TestALeaseOfTheOtherSideKeepsASession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		idle := func(s *p2p.Server) { s.IdleTimeout = time.Minute }
		a, b := server(t, nw, "a", func(s *p2p.Server) { s.IdleTimeout = 24 * time.Hour }), server(t, nw, "b", idle)
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		peer := b.Peers()[0]
		l := peer.Lease()
		time.Sleep(10 * time.Minute)
		if err := peer.Err(); err != nil {
			t.Fatalf("a leased session ended: %v", err)
		}
		l.Release()
		time.Sleep(2 * time.Minute)
		if err := peer.Err(); !errors.Is(err, p2p.DiscIdle) || peer.Lease() != nil {
			t.Errorf("two minutes after the release: %v, want idle", err)
		}
	})
}

func TestAddPeer(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		if err := new(p2p.Server).AddPeer(at(nw, "b")); !errors.Is(err, p2p.ErrNotRunning) {
			t.Errorf("AddPeer before Start = %v", err)
		}
		a := server(t, nw, "a", nil)
		if err := a.AddPeer(&node.Node{Hosts: []string{"b:1"}}); err == nil || err.Error() != "p2p: add peer: the node has no ID" {
			t.Errorf("AddPeer without id = %v", err)
		}
		if err := a.AddPeer(at(nw, "a")); !errors.Is(err, p2p.DiscSelf) {
			t.Errorf("AddPeer of ourselves = %v", err)
		}
		b := server(t, nw, "b", nil).Self()
		if err := a.AddPeer(&node.Node{ID: b.ID, Hosts: []string{"b:9"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := a.AddPeer(b); err != nil { // at another address
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if a.Peer(b.ID) == nil {
			t.Error("not connected at the new address")
		}
		if err := a.AddPeer(&node.Node{ID: b.ID, Hosts: append(b.Hosts, "b:9")}); err != nil {
			t.Fatal(err)
		}
		a.RemovePeer(b.ID)
		time.Sleep(time.Minute)
		if a.Peer(b.ID) != nil {
			t.Error("connected again after RemovePeer")
		}
	})
}

func TestRemovePeerEndsWhatIsUnderWay(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond, 4500 * time.Millisecond, 5500 * time.Millisecond} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			nw.SetDelay(time.Second, 0)
			a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
			if err := a.AddPeer(at(nw, "b")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			a.RemovePeer(b.Self().ID)
			time.Sleep(20 * time.Second)
			if n := len(a.Peers()) + len(b.Peers()); n != 0 {
				t.Errorf("removed after %v: %d peers are left", after, n)
			}
		})
	}
}

func TestANodeThatHangsUpAtOnceIsNotDialledForEver(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		server(t, nw, "b", func(s *p2p.Server) {
			quits := wait()
			quits.Run = func(*p2p.Peer, p2p.MsgReadWriter) error { return nil }
			s.Protocols = []p2p.Protocol{quits}
		})
		if err := a.AddPeer(at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := a.Stats().Dials; n < 100 || n > 140 {
			t.Errorf("%d dials in ten minutes, want one in five seconds", n)
		}
		before := a.Stats().Dials
		a.Retry(at(nw, "b").ID)
		synctest.Wait()
		if n := a.Stats().Dials; n != before+1 {
			t.Errorf("%d dials right after Retry, want 1", n-before)
		}
	})
}
