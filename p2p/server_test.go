package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// wait is a protocol that says nothing and ends with its session.
func wait() p2p.Protocol {
	return p2p.Protocol{Name: "wait", Version: 1, Length: 1, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for {
			if _, err := rw.ReadMsg(); err != nil {
				return err
			}
		}
	}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// bubble runs f on virtual time with a network that has a small delay.
func bubble(t *testing.T, f func(t *testing.T, nw *p2ptest.Network)) {
	synctest.Test(t, func(t *testing.T) {
		nw := &p2ptest.Network{Seed: 1, Delay: 10 * time.Millisecond}
		defer nw.Close()
		f(t, nw)
	})
}

// server starts a server that is closed when the test ends.
func server(t *testing.T, nw *p2ptest.Network, name string, edit func(*p2p.Server)) *p2p.Server {
	t.Helper()
	s := &p2p.Server{
		Transport: nw.Transport(name), ListenAddr: name + ":1", Policy: p2p.OnDemand,
		Protocols: []p2p.Protocol{wait()}, Logger: quiet(),
	}
	if edit != nil {
		edit(s)
	}
	if err := s.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func at(nw *p2ptest.Network, name string) *node.Node { return nw.Transport(name).Node(1) }

func TestCallsInAnyOrder(t *testing.T) {
	const start, closed, dial = "start", "close", "dial"
	for _, tt := range []struct {
		name  string
		calls []string
		want  []error // of each call; errAny is any error
	}{
		{"start twice", []string{start, start, closed}, []error{nil, errAny, nil}},
		{"close alone, twice", []string{closed, closed}, []error{nil, nil}},
		{"close twice", []string{start, closed, closed}, []error{nil, nil, nil}},
		{"start after close", []string{start, closed, start}, []error{nil, nil, p2p.ErrClosed}},
		{"start after close alone", []string{closed, start}, []error{nil, p2p.ErrClosed}},
		{"dial before start", []string{dial, start, dial, closed}, []error{p2p.ErrNotRunning, nil, nil, nil}},
		{"dial after close", []string{start, dial, closed, dial}, []error{nil, nil, nil, p2p.ErrClosed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, nw *p2ptest.Network) {
				server(t, nw, "b", nil)
				s := &p2p.Server{Transport: nw.Transport("a"), ListenAddr: "a:1", Protocols: []p2p.Protocol{wait()}, Logger: quiet()}
				for i, call := range tt.calls {
					var err error
					switch call {
					case start:
						err = s.Start()
					case closed:
						err = s.Close()
					case dial:
						_, err = s.Dial(t.Context(), at(nw, "b"))
					}
					if want := tt.want[i]; !errors.Is(err, want) && (want != errAny || err == nil) {
						t.Errorf("call %d, %s = %v, want %v", i, call, err, want)
					}
					s.Peers()
					s.Stats()
					s.Self()
					s.Peer(node.ID{1})
					s.RemovePeer(node.ID{1})
					s.Trust(node.ID{1}, true)
					s.Trust(node.ID{1}, false)
					s.Retry(node.ID{1})
					s.Local()
					s.NodeInfo()
					s.PeersInfo()
					s.Addr()
					s.AddPeer(at(nw, "nobody"))
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					for range s.Events(ctx) {
						t.Error("an event for an ended ctx")
					}
				}
			})
		})
	}
}

var errAny = errors.New("any error")

func TestStartSaysWhatIsWrong(t *testing.T) {
	run := func(*p2p.Peer, p2p.MsgReadWriter) error { return nil }
	nw := new(p2ptest.Network)
	defer nw.Close()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	many := make([]p2p.Protocol, 50)
	for i := range many {
		many[i] = p2p.Protocol{Name: strings.Repeat("x", 40), Version: uint(i), Length: 1, Run: run}
	}
	for _, tt := range []struct {
		server *p2p.Server
		want   string
	}{
		{&p2p.Server{PrivateKey: key, Name: strings.Repeat("x", 1971)}, "p2p: start: Name and Protocols: rlpx: hello of 2048 bytes, at most 2047: message too large"},
		{&p2p.Server{PrivateKey: key, Protocols: many}, "p2p: start: Name and Protocols: rlpx: hello of 2231 bytes, at most 2047: message too large"},
		{&p2p.Server{}, "p2p: no Transport: set PrivateKey for RLPx, or Transport"},
		{&p2p.Server{Transport: nw.Transport("a"), MaxPeers: -1}, "p2p: start: MaxPeers is negative"},
		{&p2p.Server{Transport: nw.Transport("a"), IdleTimeout: -1}, "p2p: start: IdleTimeout is negative"},
		{&p2p.Server{Transport: nw.Transport("a"), ChurnInterval: -1}, "p2p: start: ChurnInterval is negative"},
		{&p2p.Server{Transport: nw.Transport("a"), PrivateKey: key}, "p2p: PrivateKey and Transport are both set: PrivateKey is for RLPx alone"},
		{&p2p.Server{Transport: nw.Transport("a"), BootstrapNodes: []*node.Node{nil}}, "p2p: start: a boot node has neither ID nor Hosts"},
		{&p2p.Server{Transport: nw.Transport("a"), NoDial: true, StaticNodes: []*node.Node{at(nw, "b")}}, "p2p: start: NoDial is set, but StaticNodes are to be dialled"},
		{&p2p.Server{Transport: nw.Transport("a"), NetRestrict: make([]netip.Prefix, 1)}, "p2p: start: NetRestrict: invalid Prefix is neither a prefix of IPv4 nor of IPv6"},
		{&p2p.Server{Transport: nw.Transport("a"), Policy: 2}, "p2p: start: Policy is 2, must be Fill or OnDemand"},
		{&p2p.Server{Transport: nw.Transport("a"), StaticNodes: []*node.Node{{}}}, "p2p: start: a static node has neither ID nor Hosts"},
		{&p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{{Length: 1, Run: run}}}, `p2p: start: protocol "": the name must have 1 to 64 bytes`},
		{&p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{{Name: "x", Run: run}}}, "p2p: start: protocol x/0: Length is 0, must be 1 to 65536"},
		{&p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{{Name: "x", Length: 1, MaxMessage: -1, Run: run}}}, "p2p: start: protocol x/0: MaxMessage is negative"},
		{&p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{{Name: "x", Length: 1}}}, "p2p: start: protocol x/0: no Run"},
		{&p2p.Server{Transport: nw.Transport("a"), Protocols: []p2p.Protocol{{Name: "x", Length: 1, Run: run}, {Name: "x", Length: 1, Run: run}}}, "p2p: start: protocol x/0 is there twice"},
	} {
		if err := tt.server.Start(); err == nil || err.Error() != tt.want {
			t.Errorf("Start() = %v, want %q", err, tt.want)
		}
		tt.server.Close()
	}
}

// The longest name that fits in a hello of RLPx, with a port of five digits, is
// taken; other transports have limits of their own.
func TestLongNames(t *testing.T) {
	nw := new(p2ptest.Network)
	defer nw.Close()
	for _, s := range []*p2p.Server{
		{PrivateKey: rlpxKey(t, 1), Name: strings.Repeat("x", 1970)},
		{Transport: nw.Transport("a"), Name: strings.Repeat("x", 5000)},
	} {
		if err := s.Start(); err != nil {
			t.Errorf("Start() with a name of %d bytes = %v", len(s.Name), err)
		}
		s.Close()
	}
}

func TestAFailedStartLeavesNothingAndMayBeMended(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		bad := &finder{startErr: errors.New("no luck")}
		good := new(finder)
		s := &p2p.Server{Transport: nw.Transport("a"), ListenAddr: "a:1", Discovery: []p2p.Discovery{good, bad}, Logger: quiet()}
		if err := s.Start(); !errors.Is(err, bad.startErr) {
			t.Fatalf("Start() = %v, want %v", err, bad.startErr)
		}
		if good.closes.Load() != 1 || bad.closes.Load() != 0 {
			t.Errorf("closed %d and %d times, want 1 and 0", good.closes.Load(), bad.closes.Load())
		}
		bad.startErr = nil
		if err := s.Start(); err != nil { // the address must be free again
			t.Fatalf("Start() after mending = %v", err)
		}
		s.Close()
	})
}

// finder is a Discovery that gives what it is told to.
type finder struct {
	startErr error
	closes   atomic.Int32
	nodes    chan *node.Node
	hosts    map[node.ID][]string
}

func (f *finder) Start(*node.Local) error { return f.startErr }
func (f *finder) Close() error            { f.closes.Add(1); return nil }
func (f *finder) Nodes(ctx context.Context) iter.Seq[*node.Node] {
	return func(yield func(*node.Node) bool) {
		for {
			select {
			case n := <-f.nodes:
				if !yield(n) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *finder) Resolve(_ context.Context, id node.ID) (*node.Node, error) {
	return &node.Node{ID: id, Hosts: f.hosts[id]}, nil
}

func TestManyCallersShareOneDialOfADeadPeer(t *testing.T) { // RELIABILITY.md S9
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) { s.DialTimeout = 5 * time.Second })
		nw.Crash("b")
		start := time.Now()
		var callers sync.WaitGroup
		for range 1000 {
			callers.Go(func() {
				if _, err := a.Dial(t.Context(), at(nw, "b")); err == nil {
					t.Error("a dead peer was dialled")
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("a caller waited %v, want at most 5s", d)
				}
			})
		}
		callers.Wait()
		if st := a.Stats(); st.Dials != 1 {
			t.Errorf("%d dials for 1000 callers, want 1", st.Dials)
		}
		again := time.Now()
		if _, err := a.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.ErrBackOff) || time.Since(again) != 0 {
			t.Errorf("just after: %v in %v, want ErrBackOff at once", err, time.Since(again))
		}
		a.Retry(at(nw, "b").ID)
		if _, err := a.Dial(t.Context(), at(nw, "b")); errors.Is(err, p2p.ErrBackOff) {
			t.Errorf("after Retry: %v, want a new dial", err)
		}
		time.Sleep(time.Second)
		if _, err := a.Dial(t.Context(), at(nw, "b")); errors.Is(err, p2p.ErrBackOff) {
			t.Errorf("a second later: %v, want a new dial", err)
		}
	})
}

func TestDialSharesASession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
		var peers sync.Map
		var callers sync.WaitGroup
		for i := range 100 {
			callers.Go(func() {
				to := at(nw, "b")
				if i%2 == 0 { // half of them know the address alone
					to = &node.Node{Hosts: to.Hosts}
				}
				l, err := a.Dial(t.Context(), to)
				if err != nil {
					t.Error(err)
					return
				}
				peers.Store(l.Peer(), true)
			})
		}
		callers.Wait()
		n := 0
		peers.Range(func(any, any) bool { n++; return true })
		if n != 1 || len(a.Peers()) != 1 || len(b.Peers()) != 1 {
			t.Errorf("%d different peers, %d and %d connected; want 1, 1, 1", n, len(a.Peers()), len(b.Peers()))
		}
	})
}

func TestBothDialAtOnce(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			nw := &p2ptest.Network{Seed: seed, Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond}
			defer nw.Close()
			a, b := server(t, nw, "a", nil), server(t, nw, "b", nil)
			defer a.Close()
			defer b.Close()
			var both sync.WaitGroup
			var leases [2]*p2p.Lease
			for i, d := range []struct {
				s  *p2p.Server
				to string
			}{{a, "b"}, {b, "a"}} {
				both.Go(func() {
					l, err := d.s.Dial(t.Context(), at(nw, d.to))
					if err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					leases[i] = l
				})
			}
			both.Wait()
			time.Sleep(time.Second)
			for i, l := range leases {
				if l == nil {
					continue
				}
				if err := l.Peer().Err(); err != nil {
					t.Errorf("seed %d: what the %dth dial gave was torn down: %v", seed, i, err)
				}
			}
			if len(a.Peers()) != 1 || len(b.Peers()) != 1 || a.Peers()[0].Inbound() == b.Peers()[0].Inbound() {
				t.Errorf("seed %d: %d and %d peers, want one session", seed, len(a.Peers()), len(b.Peers()))
			}
		})
	}
}

func TestALaterRunReplacesTheOld(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		old := server(t, nw, "b", func(s *p2p.Server) { s.Epoch = 1 })
		l, err := a.Dial(t.Context(), at(nw, "b"))
		if err != nil {
			t.Fatal(err)
		}
		// The new run comes from elsewhere with the same key, while the old still holds its session.
		run := server(t, nw, "b", func(s *p2p.Server) { s.Epoch, s.ListenAddr = 2, "b:2" })
		if _, err := run.Dial(t.Context(), at(nw, "a")); err != nil {
			t.Fatalf("the later run was refused: %v", err)
		}
		<-l.Peer().Done()
		if err := l.Peer().Err(); !errors.Is(err, p2p.DiscSuperseded) {
			t.Errorf("the old session ended with %v, want superseded", err)
		}
		synctest.Wait()
		if p := a.Peer(old.Self().ID); p == nil || p.Ref().Generation != 2 {
			t.Errorf("a is connected to %v, want generation 2", p)
		}
		if _, err := old.Dial(t.Context(), at(nw, "a")); !errors.Is(err, p2p.DiscSuperseded) {
			t.Errorf("the earlier run comes back: %v, want superseded", err)
		}
	})
}

func TestIdleSessionsAreLetGo(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		idle := func(s *p2p.Server) { s.IdleTimeout = time.Minute }
		a := server(t, nw, "a", idle)
		server(t, nw, "b", func(s *p2p.Server) { s.IdleTimeout = 24 * time.Hour })
		l, err := a.Dial(t.Context(), at(nw, "b"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if err := l.Peer().Err(); err != nil {
			t.Fatalf("a leased session ended: %v", err)
		}
		l.Release()
		l.Release()
		time.Sleep(2 * time.Minute)
		if err := l.Peer().Err(); !errors.Is(err, p2p.DiscIdle) {
			t.Errorf("two minutes after the release: %v, want idle", err)
		}
	})
}

func TestTheShortestIdleTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		server(t, nw, "a", func(s *p2p.Server) { s.IdleTimeout = 1 })
		time.Sleep(10 * time.Millisecond)
	})
}

func TestTrafficKeepsASession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		chat := wait()
		chat.Run = func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			for {
				if err := rw.WriteMsg(p2p.Msg{}); err != nil {
					return err
				}
				time.Sleep(20 * time.Second)
			}
		}
		edit := func(s *p2p.Server) { s.IdleTimeout, s.Protocols = time.Minute, []p2p.Protocol{chat} }
		a := server(t, nw, "a", edit)
		server(t, nw, "b", edit)
		l, err := a.Dial(t.Context(), at(nw, "b"))
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		time.Sleep(10 * time.Minute)
		if err := l.Peer().Err(); err != nil {
			t.Errorf("a session with traffic ended: %v", err)
		}
	})
}

func TestRefusalsReachTheDialler(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		server(t, nw, "b", func(s *p2p.Server) { s.MaxPeers = 1 })
		other := wait()
		other.Name = "other"
		c := server(t, nw, "c", func(s *p2p.Server) { s.Protocols = []p2p.Protocol{other} })
		a, d := server(t, nw, "a", nil), server(t, nw, "d", nil)
		if _, err := c.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.DiscUselessPeer) || !strings.Contains(err.Error(), "no shared protocol; they have other/1") {
			t.Errorf("no shared protocol: %v", err)
		}
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.DiscTooManyPeers) {
			t.Errorf("full: %v, want too many peers", err)
		}
		before := a.Stats().Dials
		if _, err := a.Dial(t.Context(), at(nw, "a")); !errors.Is(err, p2p.DiscSelf) || a.Stats().Dials != before {
			t.Errorf("self: %v, want that without a dial", err)
		}
		for range 2 { // an address may be known the next moment, so there is no back-off
			if _, err := a.Dial(t.Context(), &node.Node{ID: node.ID{9}}); !errors.Is(err, p2p.ErrNoAddress) || errors.Is(err, p2p.ErrBackOff) {
				t.Errorf("no address: %v", err)
			}
		}
	})
}

func TestAResolverIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		b := at(nw, "b")
		f := &finder{hosts: map[node.ID][]string{b.ID: b.Hosts}}
		a := server(t, nw, "a", func(s *p2p.Server) { s.Discovery = []p2p.Discovery{f} })
		server(t, nw, "b", nil)
		if _, err := a.Dial(t.Context(), &node.Node{ID: b.ID}); err != nil {
			t.Error(err)
		}
		f.hosts[node.ID{}] = b.Hosts
		if _, err := a.Dial(t.Context(), new(node.Node)); !errors.Is(err, p2p.ErrNoAddress) {
			t.Errorf("neither id nor address: %v", err)
		}
	})
}

func TestFillDialsWhomTheDiscoveryFinds(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := &finder{nodes: make(chan *node.Node)}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.MaxPeers, s.DialRatio, s.Discovery = p2p.Fill, 6, 2, []p2p.Discovery{f}
		})
		for i := range 4 {
			server(t, nw, fmt.Sprintf("n%d", i), nil)
		}
		for _, name := range []string{"n0", "n0", "n1", "n1", "n2"} { // the same again does no harm
			f.nodes <- at(nw, name)
		}
		time.Sleep(time.Second)
		if n := len(a.Peers()); n != 3 {
			t.Errorf("%d peers, want 3", n)
		}
		select {
		case f.nodes <- at(nw, "n3"):
			t.Error("a node was pulled though half of 6 are for those who dial us")
		case <-time.After(time.Second):
		}
		a.Peers()[0].Disconnect(nil)
		f.nodes <- at(nw, "n3")
		time.Sleep(time.Second)
		if n := len(a.Peers()); n != 3 {
			t.Errorf("%d peers after one left, want 3 again", n)
		}
	})
}

func TestStaticNodesAreKept(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		if err := a.AddPeer(at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // b is not there yet
		b := server(t, nw, "b", nil)
		time.Sleep(time.Minute)
		if a.Peer(b.Self().ID) == nil {
			t.Fatal("not connected a minute after b came")
		}
		b.Peers()[0].Disconnect(nil)
		time.Sleep(time.Minute)
		if a.Peer(b.Self().ID) == nil {
			t.Fatal("not connected again a minute after b hung up")
		}
		a.RemovePeer(b.Self().ID)
		time.Sleep(time.Minute)
		if a.Peer(b.Self().ID) != nil {
			t.Error("still connected after RemovePeer")
		}
	})
}

func TestTheFirstRunThatReturnsEndsThePeer(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want p2p.DiscReason
		text string
	}{
		{nil, p2p.DiscQuitting, "peer said: shutting down"},
		{errors.New("bad magic"), p2p.DiscSubprotocolError, "peer said: protocol error: bad magic"},
		{p2p.DiscUselessPeer, p2p.DiscUselessPeer, "peer said: no shared protocol"},
	} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			quits := wait()
			quits.Name = "quits"
			quits.Run = func(*p2p.Peer, p2p.MsgReadWriter) error { return tt.err }
			stays := quits
			stays.Run = wait().Run
			a := server(t, nw, "a", func(s *p2p.Server) { s.Protocols = []p2p.Protocol{stays, wait()} })
			server(t, nw, "b", func(s *p2p.Server) { s.Protocols = []p2p.Protocol{quits, wait()} })
			l, err := a.Dial(t.Context(), at(nw, "b"))
			if err == nil { // else it came and went before Dial returned
				<-l.Peer().Done()
				err = l.Peer().Err()
			}
			if !errors.Is(err, tt.want) || !strings.HasSuffix(err.Error(), tt.text) {
				t.Errorf("Run returned %v, the peer heard %v, want %q", tt.err, err, tt.text)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		b := server(t, nw, "b", nil)
		var got []string
		var reading sync.WaitGroup
		reading.Go(func() {
			for e := range a.Events(t.Context()) {
				got = append(got, fmt.Sprintf("%d %s %v", e.Kind, e.Peer.ID().Short(), e.Err))
			}
		})
		synctest.Wait()
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.Close()
		time.Sleep(time.Second)
		a.Close()
		reading.Wait()
		id := b.Self().ID.Short()
		want := fmt.Sprint([]string{"0 " + id + " <nil>", "1 " + id + " peer said: shutting down"})
		if fmt.Sprint(got) != want {
			t.Errorf("events = %v, want %v", got, want)
		}
	})
}

func TestClosedIsANetErrClosed(t *testing.T) {
	if !errors.Is(p2p.ErrClosed, net.ErrClosed) {
		t.Error("ErrClosed is no net.ErrClosed")
	}
}

func TestAStrangerIsThrottled(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		other := wait()
		other.Name = "other"
		b := server(t, nw, "b", nil)
		for i := range 20 { // ten failures from one address, then it waits
			s := server(t, nw, "stranger", func(s *p2p.Server) { s.ListenAddr, s.Protocols = "", []p2p.Protocol{other} })
			if _, err := s.Dial(t.Context(), at(nw, "b")); err == nil {
				t.Fatalf("try %d was accepted", i)
			}
			s.Close()
		}
		if st := b.Stats(); st.Refused != 10 || st.Throttled == 0 || st.Pending != 0 {
			t.Errorf("refused %d, throttled %d, pending %d; want 10, some, 0", st.Refused, st.Throttled, st.Pending)
		}
	})
}

func TestPendingHandshakesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		b := server(t, nw, "b", func(s *p2p.Server) { s.MaxPendingPeers = 3 })
		for i := range 5 {
			tr := nw.Transport(fmt.Sprintf("slow%d", i))
			if s, err := tr.Dial(t.Context(), at(nw, "b")); err == nil { // and never says hello
				defer s.Close(nil)
			}
		}
		if st := b.Stats(); st.Pending > 3 || st.PendingFull == 0 {
			t.Errorf("pending %d, refused %d; want at most 3, some", st.Pending, st.PendingFull)
		}
		time.Sleep(p2p.DefaultHandshakeTimeout)
		synctest.Wait()
		if st := b.Stats(); st.Pending != 0 {
			t.Errorf("%d still pending after the timeout", st.Pending)
		}
	})
}

// Honest nodes that dial each other at once must not be locked out, nor alarm
// anybody.
func TestOrdinaryBadLuckIsNotHeldAgainstAnAddress(t *testing.T) {
	for _, tt := range []struct {
		reason p2p.DiscReason
		want   bool // the address is blocked in the end
	}{{p2p.DiscAlreadyConnected, false}, {p2p.DiscQuitting, false}, {p2p.DiscNetworkError, false}, {p2p.DiscProtocolError, true}, {p2p.DiscRefused, true}} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			var log strings.Builder
			b := server(t, nw, "b", func(s *p2p.Server) {
				s.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
			for range 20 {
				s, err := nw.Transport("a").Dial(t.Context(), at(nw, "b"))
				if err != nil {
					break // b takes no more from here
				}
				s.Close(tt.reason) // instead of a hello
				synctest.Wait()
			}
			st := b.Stats()
			if blocked := st.Throttled > 0; blocked != tt.want || (log.Len() > 0) != tt.want {
				t.Errorf("%v: %d throttled, log %q; want blocked and logged: %v", tt.reason, st.Throttled, log.String(), tt.want)
			}
		})
	}
}

func TestCloseSaysForWhomItWaits(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		var log logbook
		deaf := wait()
		deaf.Name = "deaf"
		deaf.Run = func(p *p2p.Peer, _ p2p.MsgReadWriter) error {
			<-p.Done()
			time.Sleep(10 * time.Second)
			return nil
		}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Protocols, s.Logger = []p2p.Protocol{wait(), deaf}, log.logger(slog.LevelWarn)
		})
		server(t, nw, "b", func(s *p2p.Server) { s.Protocols = []p2p.Protocol{wait(), deaf} })
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if text := log.String(); !strings.Contains(text, "proto=deaf peers=1") || strings.Contains(text, "proto=wait") {
			t.Errorf("the log is %q, want a line about deaf alone", text)
		}
	})
}
