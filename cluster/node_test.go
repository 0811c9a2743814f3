package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kith/cluster"
	"kith/gossip"
	"kith/node"
	"kith/p2p/p2ptest"
	"kith/port"
)

func TestMembersCallEachOther(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		got := make(chan string, 10)
		take := port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
			got <- string(m.Data)
			return nil, nil
		})
		a, b, _ := three(t, net, func(n *cluster.Node) {
			n.Handle(8080, "echo", port.Request, echo)
			n.Handle(8081, "take", port.Send, take)
			n.Handle(8082, "toss", port.Unreliable, take)
		})
		any := node.Ref{ID: b.ID().ID}
		for _, to := range []node.Ref{b.ID(), any, a.ID()} { // a calls b by its run, b whichever run, itself
			c, err := a.Connect(t.Context(), to, 8080)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if out, err := c.Request(t.Context(), []byte("hello")); err != nil || string(out) != "hello" {
				t.Errorf("Request to %v = %q, %v", to, out, err)
			}
			for _, number := range []uint16{8081, 8082} {
				c, err := a.Connect(t.Context(), to, number)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Send(t.Context(), []byte("hi")); err != nil {
					t.Errorf("Send to port %d of %v: %v", number, to, err)
				}
				if m := <-got; m != "hi" {
					t.Errorf("port %d of %v took %q", number, to, m)
				}
			}
		}
	})
}

func TestConnectRefuses(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, _ := three(t, net, func(n *cluster.Node) { n.Handle(8080, "echo", port.Request, echo) })
		old := b.ID()
		old.Generation--
		stranger := node.Ref{ID: p2ptest.ID("stranger")}
		for _, test := range []struct {
			name string
			to   node.Ref
			port uint16
			want error
		}{
			{"an earlier run", old, 8080, port.ErrStale},
			{"an earlier run of ourselves", node.Ref{ID: a.ID().ID, Generation: 1}, 8080, port.ErrStale},
			{"no such port", b.ID(), 8081, port.ErrNoPort},
			{"nobody we know", stranger, 8080, gossip.ErrUnknown},
		} {
			if c, err := a.Connect(t.Context(), test.to, test.port); !errors.Is(err, test.want) {
				t.Errorf("%s: Connect = %v, %v; want %v", test.name, c, err, test.want)
			}
		}
	})
}

func TestPortsAreKnownToAll(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, _ := three(t, net, nil)
		ports := func() []gossip.Port {
			m, _ := a.Member(b.ID().ID)
			return m.Ports
		}
		if err := b.Handle(8080, "echo", port.Request, echo); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Second, "a knows b's port", func() bool { return len(ports()) == 1 })
		if p := ports()[0]; p.Number != 8080 || p.Name != "echo" || port.Mode(p.Mode) != port.Request {
			t.Errorf("a knows %+v", p)
		}
		if !b.Unhandle(8080) || b.Unhandle(8080) {
			t.Error("Unhandle does not say whether there was a handler")
		}
		eventually(t, time.Second, "a knows that it is gone", func() bool { return len(ports()) == 0 })
	})
}

func TestMetadata(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, _ := three(t, net, func(n *cluster.Node) { n.Meta = map[string][]byte{"rack": []byte("7")} })
		if v, ok := a.MetaOf(b.ID().ID, "rack"); !ok || string(v) != "7" {
			t.Errorf("MetaOf(b, rack) = %q, %v", v, ok)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var seen [][]byte
		done := make(chan struct{})
		go func() {
			defer close(done)
			for v := range a.WatchMeta(ctx, b.ID().ID, "load") {
				seen = append(seen, bytes.Clone(v))
			}
		}()
		synctest.Wait()
		for _, v := range []string{"low", "high"} {
			if err := b.SetMeta("load", []byte(v)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		b.SetMeta("load", nil)
		time.Sleep(time.Second)
		cancel()
		<-done
		if len(seen) != 4 || seen[0] != nil || string(seen[1]) != "low" || string(seen[2]) != "high" || seen[3] != nil {
			t.Errorf("WatchMeta gave %q, want nothing, low, high, nothing", seen)
		}
		var limit *gossip.LimitError
		if err := b.SetMeta("load", make([]byte, 1<<20)); !errors.As(err, &limit) {
			t.Errorf("SetMeta of 1 MiB = %v, want a LimitError", err)
		}
	})
}

func TestCloseIsSeenAsALeave(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, c := three(t, net, nil)
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := a.Events(ctx)
		began := time.Now()
		b.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v, want at most 2s", took)
		}
		eventually(t, time.Second, "both see that b left", func() bool { return state(a, b) == gossip.Left && state(c, b) == gossip.Left })
		time.Sleep(25 * time.Second)
		cancel()
		for e := range events {
			if e.ID == b.ID().ID && e.Kind != gossip.Departed {
				t.Errorf("a saw: %v", e)
			}
		}
		if err := b.Err(); !errors.Is(err, cluster.ErrClosed) {
			t.Errorf("Err() = %v, want ErrClosed", err)
		}
		if len(b.Members()) == 0 || b.ID().ID.IsZero() || b.Stats().Server.Connected == 0 {
			t.Error("what b knew is gone after Close")
		}
	})
}

func TestLeaveGoesOnServing(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, _ := three(t, net, func(n *cluster.Node) { n.Handle(8080, "echo", port.Request, echo) })
		c, err := a.Connect(t.Context(), b.ID(), 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := b.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Second, "b left", func() bool { return state(a, b) == gossip.Left })
		if _, err := c.Request(t.Context(), []byte("x")); err != nil {
			t.Errorf("a call after Leave: %v", err)
		}
	})
}

// S10: calls in flight finish, new ones are told why not.
func TestDrain(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		slow := port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
			time.Sleep(3 * time.Second)
			return m.Data, nil
		})
		a, b, _ := three(t, net, func(n *cluster.Node) { n.Handle(8080, "slow", port.Request, slow) })
		c, err := a.Connect(t.Context(), b.ID(), 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		answer := make(chan error, 1)
		go func() {
			out, err := c.Request(t.Context(), []byte("x"))
			if string(out) != "x" && err == nil {
				err = errors.New("wrong answer")
			}
			answer <- err
		}()
		time.Sleep(time.Second)
		began := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- b.Drain(t.Context()) }()
		time.Sleep(100 * time.Millisecond)
		if _, err := c.Request(t.Context(), nil); !errors.Is(err, port.ErrDraining) {
			t.Errorf("a new request: %v, want ErrDraining", err)
		}
		if _, err := a.Connect(t.Context(), b.ID(), 8080); !errors.Is(err, port.ErrDraining) {
			t.Errorf("a new connect: %v, want ErrDraining", err)
		}
		if _, err := a.Ping(t.Context(), b.ID()); err != nil {
			t.Errorf("ping of who drains: %v", err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("the call in flight: %v", err)
		}
		if took := time.Since(began); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("Drain took %v, want the 2 s that were left", took)
		}
	})
}

// M7: one leave and one join an observer, the new generation known as a join is.
func TestRestart(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, c := three(t, net, func(n *cluster.Node) { n.Handle(8080, "echo", port.Request, echo) })
		client, err := a.Connect(t.Context(), node.Ref{ID: b.ID().ID}, 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		pinned, err := a.Connect(t.Context(), b.ID(), 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer pinned.Close()
		time.Sleep(10 * time.Second)
		events := a.Events(t.Context())
		old := b.ID()
		net.Kill("b")
		b.Close()
		time.Sleep(50 * time.Millisecond)
		b = inMemory(net, "b", "a")
		b.Handle(8080, "echo", port.Request, echo)
		start(t, b)
		if b.ID().Generation <= old.Generation {
			t.Errorf("generation %d after %d", b.ID().Generation, old.Generation)
		}
		eventually(t, time.Second, "both know the new run", func() bool {
			x, _ := a.Member(old.ID)
			y, _ := c.Member(old.ID)
			return x.Generation == b.ID().Generation && y.Generation == b.ID().Generation
		})
		if out, err := client.Request(t.Context(), []byte("again")); err != nil || string(out) != "again" {
			t.Errorf("a client of any run: %q, %v", out, err)
		}
		if _, err := pinned.Request(t.Context(), nil); !errors.Is(err, port.ErrStale) {
			t.Errorf("a client of the old run: %v, want ErrStale", err)
		}
		time.Sleep(20 * time.Second)
		a.Close() // ends events
		var kinds []gossip.EventKind
		for e := range events {
			if e.ID == old.ID && e.Kind != gossip.Suspected && e.Kind != gossip.Cleared && e.Kind != gossip.Changed {
				kinds = append(kinds, e.Kind)
			}
		}
		if len(kinds) != 2 || kinds[0] != gossip.Departed || kinds[1] != gossip.Joined {
			t.Errorf("a saw %v of b, want one leave and one join", kinds)
		}
	})
}

// M8: of two that live with one key the older gives way and says so.
func TestTheNewerRunWins(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, _ := three(t, net, nil)
		time.Sleep(5 * time.Second)
		twin := inMemory(net, "b", "a")
		twin.ListenAddr = "b:38081"
		start(t, twin)
		select {
		case <-b.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("the older one does not end")
		}
		if err := b.Err(); !errors.Is(err, cluster.ErrSuperseded) {
			t.Errorf("Err() = %v, want ErrSuperseded", err)
		}
		b.Close()
		if err := b.Err(); !errors.Is(err, cluster.ErrSuperseded) {
			t.Errorf("Err() after Close = %v, want ErrSuperseded still", err)
		}
		time.Sleep(10 * time.Second)
		if m, _ := a.Member(twin.ID().ID); m.State != gossip.Alive || m.Generation != twin.ID().Generation {
			t.Errorf("a holds the newer one %v with generation %d, want alive with %d", m.State, m.Generation, twin.ID().Generation)
		}
		if twin.Err() != nil {
			t.Errorf("the newer one ended: %v", twin.Err())
		}
	})
}

// S2: who has been away for long is called again as soon as it is back, also by
// those that it does not dial by itself.
func TestWhoIsBackIsCalledAtOnce(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		all := make([]*cluster.Node, 16)
		for i := range all {
			all[i] = inMemory(net, fmt.Sprint("n", i), "n0")
			all[i].Handle(8080, "echo", port.Request, echo)
			start(t, all[i])
		}
		away, others := all[15], all[:15]
		any := node.Ref{ID: away.ID().ID}
		for _, n := range others {
			eventually(t, 5*time.Second, "all are there", func() bool { return alive(n) == len(all) })
		}
		net.Kill("n15")
		away.Close()
		for range 20 { // the others keep calling for a minute
			for _, n := range others {
				if _, err := n.Connect(t.Context(), any, 8080); err == nil {
					t.Error("a dead node answers")
				}
			}
			time.Sleep(3 * time.Second)
		}
		back := inMemory(net, "n15", "n0")
		back.Handle(8080, "echo", port.Request, echo)
		start(t, back)
		for _, n := range others {
			eventually(t, time.Second, "it is known to be back", func() bool { return state(n, back) == gossip.Alive })
			began := time.Now()
			if c, err := n.Connect(t.Context(), back.ID(), 8080); err != nil || time.Since(began) > 100*time.Millisecond {
				t.Errorf("the first call after %v: %v", time.Since(began), err)
			} else {
				c.Close()
			}
		}
	})
}

// The seed comes last, and its own address does no harm.
func TestTheSeedComesLast(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		b, c := start(t, inMemory(net, "b", "a", "b")), start(t, inMemory(net, "c", "a"))
		time.Sleep(5 * time.Minute)
		if alive(b) != 1 || b.Joined() {
			t.Error("b has joined nobody")
		}
		a := start(t, inMemory(net, "a", "a"))
		for _, n := range []*cluster.Node{a, b, c} {
			took := eventually(t, 7*time.Second, "all three are there", func() bool { return alive(n) == 3 && n.Joined() })
			t.Logf("after %v", took)
		}
	})
}

// The seed restarts, knowing nobody: those that it had find it.
func TestTheSeedRestarts(t *testing.T) {
	onLAN(t, func(t *testing.T, net *p2ptest.Network) {
		a, b, c := three(t, net, nil)
		time.Sleep(10 * time.Second)
		net.Kill("a")
		a.Close()
		time.Sleep(5 * time.Minute)
		a = start(t, inMemory(net, "a"))
		for _, n := range []*cluster.Node{a, b, c} {
			took := eventually(t, 10*time.Second, "all three are there", func() bool { return alive(n) == 3 })
			t.Logf("after %v", took)
		}
	})
}
