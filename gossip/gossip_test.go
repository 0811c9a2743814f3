package gossip_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/gossip"
	"kith/node"
	"kith/p2p/p2ptest"
)

func TestJoinIsKnownToAll(t *testing.T) {
	for _, n := range []int{1, 4, 15} {
		inTime(t, n, lan(), func(t *testing.T, r *rig) {
			time.Sleep(5 * time.Second)
			r.start("late")
			took := r.within(time.Second, "join", r.all(n+1))
			t.Logf("n=%d: %v", n, took)
			if took > 100*time.Millisecond {
				t.Errorf("with %d nodes on a LAN a join took %v, want <= 100ms", n, took)
			}
		})
	}
}

func TestKilledProcessIsSeenSoon(t *testing.T) {
	for _, n := range []int{2, 3, 12} {
		inTime(t, n, wan(), func(t *testing.T, r *rig) {
			time.Sleep(20 * time.Second)
			events := r.nodes[0].watch(t)
			r.net.Kill("n1")
			took := r.within(1500*time.Millisecond, "killed", r.hold("n1", gossip.Dead))
			t.Logf("n=%d: %v", n, took)
			if k := kinds(*events, "n1"); n <= 6 && !slices.Equal(k, []gossip.EventKind{gossip.Suspected, gossip.Died}) {
				t.Errorf("n0 saw %v", k)
			}
			kinds(*events, "n1")
			last := (*events)[len(*events)-1]
			if text := last.String(); n > 2 && !strings.Contains(text, "votes, phi") {
				t.Errorf("the event says %q", text)
			}
		})
	}
}

func TestPulledPlugIsSeen(t *testing.T) {
	for _, n := range []int{2, 3, 12} {
		inTime(t, n, wan(), func(t *testing.T, r *rig) {
			time.Sleep(20 * time.Second)
			r.net.Crash("n1")
			took := r.within(8500*time.Millisecond, "crash", r.hold("n1", gossip.Dead))
			t.Logf("n=%d: %v", n, took)
			if n > 2 && took > 7*time.Second {
				t.Errorf("n=%d: %v, want <= 7s", n, took)
			}
		})
	}
}

func TestRestartIsOneLeaveAndOneJoin(t *testing.T) {
	inTime(t, 5, lan(), func(t *testing.T, r *rig) {
		time.Sleep(20 * time.Second)
		events := r.nodes[3].watch(t)
		old := r.node("n1").g.Self()
		r.net.Kill("n1")
		r.node("n1").srv.Close()
		time.Sleep(50 * time.Millisecond)
		fresh := r.start("n1")
		r.within(time.Second, "back", func() bool {
			m, ok := r.nodes[3].g.Member(old.ID)
			return ok && m.Generation == fresh.g.Generation && m.State == gossip.Alive
		})
		time.Sleep(20 * time.Second)
		k := slices.DeleteFunc(kinds(*events, "n1"), func(k gossip.EventKind) bool { return k == gossip.Suspected || k == gossip.Cleared })
		if !slices.Equal(k, []gossip.EventKind{gossip.Departed, gossip.Joined}) {
			t.Errorf("n3 saw %v, want one leave and one join", k)
		}
		if fresh.g.Generation <= old.Generation {
			t.Errorf("generation %d after %d", fresh.g.Generation, old.Generation)
		}
	})
}

func TestLeaveIsSeenAsLeft(t *testing.T) {
	inTime(t, 6, wan(), func(t *testing.T, r *rig) {
		time.Sleep(20 * time.Second)
		events := r.nodes[0].watch(t)
		if err := r.node("n2").g.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.within(time.Second, "leave", r.hold("n2", gossip.Left))
		r.node("n2").srv.Close()
		time.Sleep(20 * time.Second)
		if k := kinds(*events, "n2"); !slices.Equal(k, []gossip.EventKind{gossip.Departed}) {
			t.Errorf("n0 saw %v, want one leave", k)
		}
		r.start("n2")
		r.within(2*time.Second, "back", r.all(6))
	})
}

func TestCloseLeaves(t *testing.T) {
	inTime(t, 3, wan(), func(t *testing.T, r *rig) {
		time.Sleep(10 * time.Second)
		start := time.Now()
		r.node("n2").srv.Close()
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		r.within(time.Second, "leave", r.hold("n2", gossip.Left))
	})
}

func TestPartitionHeals(t *testing.T) {
	for _, n := range []int{3, 10} {
		inTime(t, n, wan(), func(t *testing.T, r *rig) {
			time.Sleep(20 * time.Second)
			var half []string
			for i := range n / 2 {
				half = append(half, r.nodes[i].name)
			}
			r.net.Partition(half)
			time.Sleep(time.Minute)
			for _, x := range r.nodes {
				for name, s := range x.states() {
					if slices.Contains(half, x.name) == slices.Contains(half, name) && s != gossip.Alive {
						t.Errorf("%s holds %s of its own side %v", x.name, name, s)
					}
				}
			}
			r.net.Heal()
			t.Logf("n=%d: %v", n, r.within(40*time.Second, "heal", r.all(n)))
		})
	}
}

func TestMetadataReachesAll(t *testing.T) {
	inTime(t, 8, wan(), func(t *testing.T, r *rig) {
		ports := []gossip.Port{{Number: 9, Mode: 1, Name: "b"}, {Number: 8, Mode: 2, Name: "a"}}
		x := r.nodes[5]
		if err := errors.Join(x.g.SetMeta("role", []byte("db")), x.g.SetPorts(ports), x.g.SetAddresses([]string{"n5:30303", "n5.example:1"})); err != nil {
			t.Fatal(err)
		}
		seen := func() bool {
			for _, y := range r.nodes {
				m, _ := y.g.Member(p2ptest.ID("n5"))
				if string(m.Meta["role"]) != "db" || len(m.Ports) != 2 || m.Ports[0].Number != 8 || len(m.Addresses) != 2 {
					return false
				}
			}
			return true
		}
		r.within(time.Second, "metadata", seen)
		err := x.g.SetMeta("big", make([]byte, 1025))
		if limit := (*gossip.LimitError)(nil); !errors.As(err, &limit) {
			t.Errorf("SetMeta of 1025 bytes = %v, want a LimitError", err)
		}
		if err := x.g.SetMeta("role", nil); err != nil {
			t.Fatal(err)
		}
		r.within(time.Second, "taken back", func() bool {
			m, _ := r.nodes[0].g.Member(p2ptest.ID("n5"))
			return len(m.Meta) == 0
		})
	})
}

func TestWhatCannotBeSaidIsNamedOnce(t *testing.T) {
	inTime(t, 1, lan(), func(t *testing.T, r *rig) {
		g := r.nodes[0].g
		for _, c := range []struct {
			err  error
			want string
		}{
			{g.SetMeta("k", make([]byte, 1025)), `gossip: set metadata: size of metadata "k" is 1025, the limit is 1024`},
			{g.SetName(strings.Repeat("x", 65)), "gossip: set name: name length is 65, the limit is 64"},
			{g.SetPorts(make([]gossip.Port, 257)), "gossip: set ports: number of ports is 257, the limit is 256"},
			{g.SetAddresses(make([]string, 1)), `gossip: set addresses: `},
		} {
			if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) || strings.Count(c.err.Error(), "gossip:") != 1 {
				t.Errorf("%v, want %s", c.err, c.want)
			}
		}
		if err := g.SetMeta("k", make([]byte, 1025)); !errors.As(err, new(*gossip.LimitError)) {
			t.Errorf("SetMeta = %v, want a LimitError", err)
		}
		g.Close()
		if err := g.SetMeta("k", nil); err != gossip.ErrClosed {
			t.Errorf("SetMeta after Close = %v, want ErrClosed", err)
		}
	})
}

// A name that others would refuse is refused here.
func TestNamesAreUTF8(t *testing.T) {
	inTime(t, 2, lan(), func(t *testing.T, r *rig) {
		g := r.nodes[1].g
		if err := g.SetName("\xff"); err == nil {
			t.Error("SetName took what is not UTF-8")
		}
		if err := g.SetName("new"); err != nil {
			t.Fatal(err)
		}
		r.within(time.Second, "renamed", func() bool { m, _ := r.nodes[0].g.Member(p2ptest.ID("n1")); return m.Name == "new" })
	})
}

func TestAddressesFollowTheLocalNode(t *testing.T) {
	inTime(t, 2, lan(), func(t *testing.T, r *rig) {
		r.nodes[1].srv.Local().SetHosts([]string{"n1:30303", "n1.example:30303"})
		r.within(time.Second, "moved", func() bool {
			n, err := r.nodes[0].g.Resolve(t.Context(), p2ptest.ID("n1"))
			return err == nil && slices.Equal(n.Hosts, []string{"n1:30303", "n1.example:30303"})
		})
		if _, err := r.nodes[0].g.Resolve(t.Context(), node.ID{9}); !errors.Is(err, gossip.ErrUnknown) {
			t.Errorf("Resolve of a stranger = %v", err)
		}
	})
}

func TestAMoveAtOnceIsNotMissed(t *testing.T) {
	inTime(t, 1, lan(), func(t *testing.T, r *rig) {
		x := r.start("n1")
		x.srv.Local().SetHosts([]string{"n1.example:1"}) // before its gossip has run at all
		r.within(time.Second, "moved", func() bool {
			n, err := r.nodes[0].g.Resolve(t.Context(), p2ptest.ID("n1"))
			return err == nil && slices.Equal(n.Hosts, []string{"n1.example:1"})
		})
	})
}

func TestWatchGivesTheLast(t *testing.T) {
	inTime(t, 2, lan(), func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		var last []gossip.Member
		calls := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for m := range r.nodes[0].g.Watch(ctx) {
				calls++
				last = m
				time.Sleep(3 * time.Second) // slow
			}
		}()
		for i := range 20 {
			if err := r.nodes[1].g.SetMeta("i", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		if len(last) != 2 || string(last[1].Meta["i"]) != "19" {
			t.Errorf("the last state seen is %v", last)
		}
		if calls > 4 {
			t.Errorf("%d states given to a slow reader, want them coalesced", calls)
		}
	})
}

func TestOurOwnAddressAmongTheSeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan(), shape: func(g *gossip.Gossip) { g.Seeds = []string{"n0:30303", "n1:30303"} }}
		defer r.close()
		a := r.start("n0")
		time.Sleep(10 * time.Second)
		b := r.start("n1")
		r.within(2*time.Second, "both", r.all(2))
		r.within(40*time.Second, "joined", func() bool { return a.g.Joined() && b.g.Joined() })
	})
}

func TestAnOlderRunIsSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan()}
		defer r.close()
		r.start("n0")
		old := r.start("n1")
		r.within(time.Second, "both", r.all(2))
		time.Sleep(5 * time.Second)
		// The same key on another host, as when a disk is cloned.
		fresh := r.make("n1")
		fresh.srv.ListenAddr = ""
		fresh.g.Generation += 5000
		fresh.srv.Epoch = fresh.g.Generation
		if err := fresh.srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer fresh.srv.Close()
		r.within(10*time.Second, "superseded", func() bool {
			select {
			case <-old.g.Superseded():
				return true
			default:
				return false
			}
		})
	})
}

func TestSeedComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan()}
		defer r.close()
		r.start("n1")
		r.start("n2")
		time.Sleep(2 * time.Second)
		r.start("n0")
		t.Log(r.within(5*time.Second, "all", r.all(3)))
	})
}

func TestIdleCost(t *testing.T) {
	inTime(t, 8, wan(), func(t *testing.T, r *rig) {
		time.Sleep(20 * time.Second)
		sum := func() (n, b uint64) {
			for _, x := range r.nodes {
				s := x.g.Stats()
				n, b = n+s.Sent, b+s.BytesSent
			}
			return n, b
		}
		n0, b0 := sum()
		time.Sleep(time.Minute)
		n1, b1 := sum()
		if cost := float64(b1-b0+60*(n1-n0)) / 60 / 8; cost > 500 {
			t.Errorf("%.0f B/s a node with 60 B a message, want <= 500", cost)
		}
	})
}

func TestOrdersOfCalls(t *testing.T) {
	type step struct {
		call string
		want string // in the error; empty: none
	}
	for _, steps := range [][]step{
		{{"leave", "not started"}, {"meta", "not started"}, {"resolve", "not started"}, {"members", ""}},
		{{"close", ""}, {"close", ""}, {"start", "closed"}, {"leave", "closed"}},
		{{"start", ""}, {"start", "already started"}, {"close", ""}, {"close", ""}, {"meta", "closed"}, {"members", ""}, {"leave", ""}},
		{{"start", ""}, {"leave", ""}, {"leave", ""}, {"meta", "closed"}, {"close", ""}},
		{{"no key", "no Key"}, {"start", ""}, {"close", ""}},
		{{"wrong key", "the key is that of"}, {"start", ""}, {"close", ""}},
		{{"bad seed", "seed: node: address"}, {"start", ""}, {"close", ""}},
	} {
		synctest.Test(t, func(t *testing.T) {
			net := lan()
			defer net.Close()
			srv := net.Server("a")
			defer srv.Close()
			g := &gossip.Gossip{Dialer: srv, Generation: 1, Logger: slog.New(slog.DiscardHandler)}
			self := node.NewLocal(p2ptest.ID("a"), node.Cert)
			for i, s := range steps {
				g.Key, g.Seeds = p2ptest.Key("a"), nil
				var err error
				switch s.call {
				case "no key":
					g.Key = nil
					err = g.Start(self)
				case "wrong key":
					g.Key = p2ptest.Key("b")
					err = g.Start(self)
				case "bad seed":
					g.Seeds = []string{"nowhere"}
					err = g.Start(self)
				case "start":
					err = g.Start(self)
				case "close":
					err = g.Close()
				case "leave":
					err = g.Leave(t.Context())
				case "meta":
					err = g.SetMeta("k", nil)
				case "resolve":
					_, err = g.Resolve(t.Context(), node.ID{})
				case "members":
					g.Members()
					g.Stats()
					for range g.Events(cancelled()) {
					}
					for range g.Watch(cancelled()) {
					}
				}
				if (err == nil) != (s.want == "") || err != nil && !strings.Contains(err.Error(), s.want) {
					t.Errorf("%v: call %d, %s = %v, want %q", steps, i, s.call, err, s.want)
				}
			}
			g.Close()
		})
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
