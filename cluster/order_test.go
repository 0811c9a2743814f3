package cluster_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/cluster"
	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
	"kith/port"
)

// Every method in every stage of a node's life: it returns, does not panic, and
// says what is wrong.
func TestCallOrders(t *testing.T) {
	type call struct {
		name string
		call func(ctx context.Context, n *cluster.Node) error
		want map[string]error // by stage; missing: nil
	}
	needsRun := map[string]error{"before": cluster.ErrNotStarted, "failed": cluster.ErrNotStarted, "closed": cluster.ErrClosed, "never started, closed": cluster.ErrClosed}
	closedOnly := map[string]error{"closed": cluster.ErrClosed, "never started, closed": cluster.ErrClosed}
	calls := []call{
		{"Handle", func(_ context.Context, n *cluster.Node) error { return n.Handle(9000, "x", port.Send, echo) }, closedOnly},
		{"Unhandle", func(_ context.Context, n *cluster.Node) error { n.Unhandle(9000); return nil }, nil},
		{"Connect", func(ctx context.Context, n *cluster.Node) error {
			_, err := n.Connect(ctx, n.ID(), 9001)
			if errors.Is(err, port.ErrNoPort) {
				return nil
			}
			return err
		}, needsRun},
		{"Ping", func(ctx context.Context, n *cluster.Node) error { _, err := n.Ping(ctx, n.ID()); return err }, needsRun},
		{"SetMeta", func(_ context.Context, n *cluster.Node) error { return n.SetMeta("k", []byte("v")) }, needsRun},
		{"Leave", func(ctx context.Context, n *cluster.Node) error { return n.Leave(ctx) }, needsRun},
		{"Drain", func(ctx context.Context, n *cluster.Node) error { return n.Drain(ctx) }, needsRun},
		{"Reload", func(ctx context.Context, n *cluster.Node) error { return n.Reload(ctx) }, needsRun},
		{"those that only look", func(ctx context.Context, n *cluster.Node) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			for range n.Watch(ctx) {
			}
			for range n.Events(ctx) {
			}
			for range n.WatchMeta(ctx, n.ID().ID, "k") {
			}
			n.Members()
			n.Member(node.ID{})
			n.MetaOf(node.ID{}, "")
			n.Addr()
			n.Server()
			n.Ports()
			n.Stats()
			n.Joined()
			n.Done()
			n.Certificate()
			return nil
		}, nil},
		{"Err", func(_ context.Context, n *cluster.Node) error { return n.Err() }, closedOnly},
	}
	stages := []struct {
		name  string
		reach func(t *testing.T, n *cluster.Node)
	}{
		{"before", func(*testing.T, *cluster.Node) {}},
		{"failed", func(t *testing.T, n *cluster.Node) {
			n.ListenAddr = "nobody:1"
			if err := n.Start(); err == nil {
				t.Fatal("Start on another's address succeeds")
			}
			n.ListenAddr = "a:38080"
		}},
		{"running", func(t *testing.T, n *cluster.Node) { start(t, n) }},
		{"started again after a failure", func(t *testing.T, n *cluster.Node) {
			n.ListenAddr = "nobody:1"
			n.Start()
			n.ListenAddr = "a:38080"
			start(t, n)
		}},
		{"closed", func(t *testing.T, n *cluster.Node) { start(t, n); n.Close() }},
		{"never started, closed", func(_ *testing.T, n *cluster.Node) { n.Close() }},
	}
	for _, stage := range stages {
		for _, c := range calls {
			t.Run(stage.name+"/"+c.name, func(t *testing.T) {
				onLAN(t, func(t *testing.T, network *p2ptest.Network) {
					n := inMemory(network, "a")
					stage.reach(t, n)
					for range 2 {
						if err := c.call(t.Context(), n); !errors.Is(err, c.want[stage.name]) && !errors.Is(err, port.ErrInUse) {
							t.Errorf("= %v, want %v", err, c.want[stage.name])
						}
					}
					n.Close()
					n.Close()
					if err := n.Start(); !errors.Is(err, cluster.ErrClosed) || !errors.Is(err, net.ErrClosed) {
						t.Errorf("Start after Close = %v, want ErrClosed", err)
					}
					select {
					case <-n.Done():
					default:
						t.Error("Done is open after Close")
					}
				})
			})
		}
	}
}

func TestStartTwice(t *testing.T) {
	onLAN(t, func(t *testing.T, network *p2ptest.Network) {
		n := start(t, inMemory(network, "a"))
		if err := n.Start(); err == nil || n.Err() != nil {
			t.Errorf("the second Start = %v, Err = %v", err, n.Err())
		}
	})
}

// Close may come at any moment of Start; whoever comes second wins nothing and
// leaves nothing.
func TestCloseDuringStart(t *testing.T) {
	onLAN(t, func(t *testing.T, network *p2ptest.Network) {
		for range 20 {
			n := inMemory(network, "a")
			var both sync.WaitGroup
			both.Go(func() { n.Start() })
			both.Go(func() { n.Close() })
			both.Wait()
			n.Close()
			if n.Err() == nil {
				t.Error("a closed node has no Err")
			}
		}
		start(t, inMemory(network, "a")) // the address is free
	})
}

func TestHandlersOfBeforeAFailedStartAreKept(t *testing.T) {
	onLAN(t, func(t *testing.T, network *p2ptest.Network) {
		n := inMemory(network, "a")
		n.Handle(1, "one", port.Send, echo)
		n.Handle(2, "two", port.Send, echo)
		n.ListenAddr = "nobody:1"
		n.Start()
		n.Unhandle(1)
		n.Handle(3, "three", port.Send, echo)
		if err := n.Handle(2, "again", port.Send, echo); !errors.Is(err, port.ErrInUse) {
			t.Errorf("a second handler: %v, want ErrInUse", err)
		}
		n.ListenAddr = "a:38080"
		start(t, n)
		var got []uint16
		for _, p := range n.Ports() {
			got = append(got, p.Number)
		}
		m, _ := n.Member(n.ID().ID)
		if !slices.Equal(got, []uint16{2, 3}) || len(m.Ports) != 2 {
			t.Errorf("ports %v, members are told %v; want 2 and 3", got, m.Ports)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	run := func(*p2p.Peer, p2p.MsgReadWriter) error { return nil }
	for _, test := range []struct {
		name, want string
		shape      func(n *cluster.Node)
	}{
		{"nothing set", "CA, Cert and Key must be set", func(n *cluster.Node) { *n = cluster.Node{} }},
		{"both kinds of identity", "set one or the other", func(n *cluster.Node) { n.CA = "ca.pem" }},
		{"no signer", "needs a Signer", func(n *cluster.Node) { n.Signer = nil }},
		{"another's signer", "the key is that of", func(n *cluster.Node) { n.Signer = p2ptest.Key("b") }},
		{"a signer without a transport", "come with a Transport", func(n *cluster.Node) { n.Transport = nil; n.CA, n.Cert, n.Key = "ca", "crt", "key" }},
		{"a negative timeout", "negative", func(n *cluster.Node) { n.DialTimeout = -1 }},
		{"a negative profile", "negative", func(n *cluster.Node) { n.Profile.Grace = -1 }},
		{"a slow heartbeat", "must be less than MaxInterval", func(n *cluster.Node) { n.Profile.Heartbeat = 10 * time.Second }},
		{"a long initial interval", "must not be more than MaxInterval", func(n *cluster.Node) { n.Profile.Initial = 11 * time.Second }},
		{"a bad seed", "seed:", func(n *cluster.Node) { n.Seeds = []string{"10.0.0.1"} }},
		{"a seed of an open network", "of an open network", func(n *cluster.Node) {
			n.Seeds = []string{"enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:1"}
		}},
		{"a seed that is only an id", "has no address", func(n *cluster.Node) { n.Seeds = []string{"kith://" + p2ptest.ID("b").String()} }},
		{"a bad address to advertise", "advertise:", func(n *cluster.Node) { n.Advertise = []string{":38080"} }},
		{"a protocol of ours", "the name is taken", func(n *cluster.Node) {
			n.Protocols = []p2p.Protocol{{Name: "port", Version: 7, Length: 1, Run: run}}
		}},
		{"a bad protocol", "no Run", func(n *cluster.Node) { n.Protocols = []p2p.Protocol{{Name: "x", Length: 1}} }},
		{"too much metadata", "metadata", func(n *cluster.Node) { n.Meta = map[string][]byte{"k": make([]byte, 1<<20)} }},
		{"a state file that cannot be", "write generation", func(n *cluster.Node) { n.StateFile = "/no/such/directory/a.state" }},
	} {
		onLAN(t, func(t *testing.T, network *p2ptest.Network) {
			n := inMemory(network, "a")
			test.shape(n)
			err := n.Start()
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), "cluster:") > 2 {
				t.Errorf("%s: Start = %v, want something with %q", test.name, err, test.want)
			}
			n.Close()
			start(t, inMemory(network, "a")) // nothing was left behind
		})
	}
}
