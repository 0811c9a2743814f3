package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

func TestBootNodesAreDialledWhileThereAreFewPeers(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		var boots []*node.Node
		for i := range 6 {
			boots = append(boots, at(nw, fmt.Sprintf("boot%d", i)))
		}
		for i := range 5 { // the last is gone
			server(t, nw, fmt.Sprintf("boot%d", i), fill)
		}
		a := server(t, nw, "a", func(s *p2p.Server) { s.Policy, s.BootstrapNodes, s.MaxPeers = p2p.Fill, boots, 30 })
		time.Sleep(2 * time.Minute)
		if n := len(a.Peers()); n < 3 || n > 5 {
			t.Errorf("%d peers, want three, or five if all were dialled at once", n)
		}
		before := a.Stats().Dials
		time.Sleep(10 * time.Minute)
		if n := a.Stats().Dials; n != before {
			t.Errorf("%d more dials with %d peers", n-before, len(a.Peers()))
		}
		for _, p := range a.Peers() {
			p.Disconnect(nil)
		}
		time.Sleep(2 * time.Minute)
		if n := len(a.Peers()); n < 3 {
			t.Errorf("%d peers after all have gone, want three again", n)
		}
	})
}

// A boot node that never answers is left alone between dials.
func TestABootNodeIsNotDialledWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.BootstrapNodes = p2p.Fill, []*node.Node{at(nw, "gone"), at(nw, "gone2")}
		})
		time.Sleep(10 * time.Minute)
		if n := a.Stats().Dials; n < 2*12 || n > 2*17 {
			t.Errorf("%d dials of two nodes in ten minutes, want each a little more often than once in 40s", n)
		}
	})
}

func TestDialCandidatesAreDialled(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		server(t, nw, "b", fill)
		ended := make(chan struct{})
		proto := wait()
		proto.DialCandidates = func(ctx context.Context) iter.Seq[*node.Node] {
			return func(yield func(*node.Node) bool) {
				defer close(ended)
				if yield(at(nw, "b")) {
					<-ctx.Done()
				}
			}
		}
		a := server(t, nw, "a", func(s *p2p.Server) { s.Policy, s.Protocols = p2p.Fill, []p2p.Protocol{proto} })
		time.Sleep(time.Second)
		if a.Peer(at(nw, "b").ID) == nil {
			t.Error("the candidate is not connected")
		}
		a.Close()
		<-ended
	})
}

// Two sources that know the same node dial it once in redialAfter.
func TestANodeIsRedialledNoSoonerThanItMay(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		one, two := &finder{nodes: make(chan *node.Node)}, &finder{nodes: make(chan *node.Node)}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.Discovery = p2p.Fill, []p2p.Discovery{one, two}
		})
		gone := at(nw, "gone")
		nw.Crash("gone")
		begin := time.Now()
		var dials []time.Duration
		for time.Since(begin) < 3*time.Minute {
			before := a.Stats().Dials
			one.nodes <- gone
			two.nodes <- gone
			synctest.Wait()
			if a.Stats().Dials > before {
				dials = append(dials, time.Since(begin))
			}
			time.Sleep(time.Second)
		}
		if want := []time.Duration{0, 36 * time.Second, 72 * time.Second, 108 * time.Second, 144 * time.Second}; fmt.Sprint(dials) != fmt.Sprint(want) {
			t.Errorf("dialled at %v, want %v", dials, want)
		}
	})
}

func TestFilterIsAskedBeforeADial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := &finder{nodes: make(chan *node.Node)}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.Discovery = p2p.Fill, []p2p.Discovery{f}
			s.Filter = func(n *node.Node) bool { return n.ID == at(nw, "ours").ID }
		})
		server(t, nw, "ours", fill)
		server(t, nw, "other", fill)
		for _, name := range []string{"other", "ours", "other"} {
			f.nodes <- at(nw, name)
		}
		time.Sleep(time.Second)
		if n := a.Stats().Dials; n != 1 || a.Peer(at(nw, "ours").ID) == nil {
			t.Errorf("%d dials, %v; want one of ours", n, a.Peers())
		}
	})
}

func TestNoDial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := &finder{nodes: make(chan *node.Node)}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.NoDial, s.Discovery, s.BootstrapNodes = p2p.Fill, true, []p2p.Discovery{f}, []*node.Node{at(nw, "b")}
		})
		b := server(t, nw, "b", fill)
		select {
		case f.nodes <- at(nw, "b"):
			t.Error("a node was pulled")
		case <-time.After(time.Minute):
		}
		if _, err := a.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.ErrNoDial) {
			t.Errorf("Dial = %v, want ErrNoDial", err)
		}
		if err := a.AddPeer(at(nw, "b")); !errors.Is(err, p2p.ErrNoDial) {
			t.Errorf("AddPeer = %v, want ErrNoDial", err)
		}
		if n := a.Stats().Dials; n != 0 {
			t.Errorf("%d dials, want none", n)
		}
		if _, err := b.Dial(t.Context(), at(nw, "a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l, err := a.Dial(t.Context(), at(nw, "b"))
		if err != nil {
			t.Fatalf("Dial of one who has come = %v, want to share", err)
		}
		l.Release()
	})
}

// Static peers, and those that a program has dialled, leave the slots of the
// Discovery alone or take one: static ones do not.
func TestStaticPeersTakeNoSlotOfTheRatio(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := &finder{nodes: make(chan *node.Node)}
		var static []*node.Node
		for i := range 4 {
			static = append(static, server(t, nw, fmt.Sprintf("s%d", i), fill).Self())
		}
		a := server(t, nw, "a", func(s *p2p.Server) { // one slot for those found
			s.Policy, s.MaxPeers, s.DialRatio, s.Discovery, s.StaticNodes = p2p.Fill, 6, 6, []p2p.Discovery{f}, static
		})
		time.Sleep(time.Second)
		if n := len(a.Peers()); n != 4 {
			t.Fatalf("%d static peers beyond the ratio, want 4", n)
		}
		server(t, nw, "found", fill)
		f.nodes <- at(nw, "found")
		time.Sleep(time.Second)
		if n := len(a.Peers()); n != 5 {
			t.Errorf("%d peers, want the one that was found too", n)
		}
	})
}
