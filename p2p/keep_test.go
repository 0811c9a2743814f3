package p2p_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// goroutines is how many there are with this in their stacks.
func goroutines(what string) int {
	buf := make([]byte, 4<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, what) {
			n++
		}
	}
	return n
}

// What an idle peer costs beside its session: the goroutine in Run.
func TestAnIdlePeerCostsOneGoroutineHere(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", fill)
		const peers = 10
		for i := range peers {
			b := server(t, nw, fmt.Sprintf("b%d", i), fill)
			if err := a.AddPeer(b.Self()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(a.Peers()); n != peers {
			t.Fatalf("%d peers, want %d", n, peers)
		}
		// Both ends of each session, and an accept loop for each server.
		if n := goroutines("p2p.(*core)"); n != 2*peers+peers+1 {
			t.Errorf("%d goroutines of the servers, want %d", n, 3*peers+1)
		}
	})
}

func fill(s *p2p.Server) { s.Policy = p2p.Fill }

func TestPlacesAreKeptForStaticNodes(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.MaxPeers, s.StaticNodes = p2p.Fill, 3, []*node.Node{at(nw, "static")}
		})
		for i, want := range []error{nil, nil, p2p.DiscTooManyPeers} {
			_, err := server(t, nw, fmt.Sprintf("s%d", i), fill).Dial(t.Context(), at(nw, "a"))
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("stranger %d: %v, want %v", i, err, want)
			}
			if err != nil && !strings.HasSuffix(err.Error(), "too many peers: 2 of 3, 1 kept for static nodes") {
				t.Errorf("stranger %d: %v", i, err)
			}
		}
		s := server(t, nw, "static", fill)
		time.Sleep(time.Minute)
		p := a.Peer(s.Self().ID)
		if p == nil || !p.Static() || p.Inbound() || p.Trusted() {
			t.Fatalf("the static node is %v, want a static peer that we have dialled", p)
		}
		a.RemovePeer(s.Self().ID)
		if _, err := server(t, nw, "s9", fill).Dial(t.Context(), at(nw, "a")); err != nil {
			t.Errorf("after RemovePeer: %v, want the place free", err)
		}
	})
}

func TestStaticNodesLeaveAPlaceToOthers(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.MaxPeers = p2p.Fill, 2
			for i := range 5 {
				s.StaticNodes = append(s.StaticNodes, at(nw, fmt.Sprintf("gone%d", i)))
			}
		})
		if _, err := server(t, nw, "b", fill).Dial(t.Context(), at(nw, "a")); err != nil {
			t.Error(err)
		}
	})
}

// A static node comes and goes, and with it what is kept of it.
func TestAStaticNodeIsRedialledAfterEverySession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", fill)
		b := server(t, nw, "b", fill)
		if err := a.AddPeer(b.Self()); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			time.Sleep(40 * time.Second)
			p := a.Peer(b.Self().ID)
			if p == nil {
				t.Fatalf("not connected after %d sessions", i)
			}
			switch i % 3 {
			case 0:
				p.Disconnect(nil)
			case 1:
				b.Peers()[0].Disconnect(p2p.DiscQuitting)
			case 2:
				nw.Cut("a", "b")
				time.Sleep(10 * time.Minute)
				nw.Heal()
			}
		}
		synctest.Wait()
	})
}

// AddPeer with other addresses while the peer is there must not end it, nor
// leave two that dial.
func TestAddPeerAgainWhileConnected(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a, b := server(t, nw, "a", fill), server(t, nw, "b", fill)
		if err := a.AddPeer(b.Self()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p := a.Peer(b.Self().ID)
		n := b.Self()
		n.Hosts = append(n.Hosts, "b:2")
		for range 3 {
			if err := a.AddPeer(n); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if a.Peer(b.Self().ID) != p || a.Stats().Dials != 1 {
			t.Errorf("the peer is %v after %d dials, want the same after 1", a.Peer(b.Self().ID), a.Stats().Dials)
		}
		p.Disconnect(nil)
		time.Sleep(time.Minute)
		if a.Peer(b.Self().ID) == nil || a.Stats().Dials != 2 {
			t.Errorf("after the end: %v, %d dials; want it back after 2", a.Peer(b.Self().ID), a.Stats().Dials)
		}
	})
}

// Two that keep each other meet in one session, which stays: over RLPx nobody
// tells his run.
func TestBothKeepEachOther(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			nw := &p2ptest.Network{Seed: seed, Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond}
			defer nw.Close()
			a, b := server(t, nw, "a", fill), server(t, nw, "b", fill)
			defer a.Close()
			defer b.Close()
			for _, s := range [][2]*p2p.Server{{a, b}, {b, a}} {
				if err := s[0].AddPeer(s[1].Self()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
			if len(a.Peers()) != 1 || len(b.Peers()) != 1 {
				t.Fatalf("seed %d: %d and %d peers, want one session", seed, len(a.Peers()), len(b.Peers()))
			}
			p := a.Peers()[0]
			time.Sleep(5 * time.Minute)
			if err := p.Err(); err != nil || p.Inbound() == b.Peers()[0].Inbound() {
				t.Errorf("seed %d: the session has ended: %v", seed, err)
			}
			if n := a.Stats().Connected; n > 2 {
				t.Errorf("seed %d: %d sessions were needed", seed, n)
			}
		})
	}
}
