package cluster_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"kith/cluster"
	"kith/gossip"
	"kith/p2p/p2ptest"
	"kith/port"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// inMemory is a node on a network in memory. The seeds are names of others.
func inMemory(net *p2ptest.Network, name string, seeds ...string) *cluster.Node {
	n := &cluster.Node{Transport: net.Transport(name), Signer: p2ptest.Key(name), Name: name, ListenAddr: name + ":38080", Logger: quiet()}
	for _, s := range seeds {
		n.Seeds = append(n.Seeds, s+":38080")
	}
	return n
}

// onLAN runs f on virtual time with a network whose ways take 1 to 5 ms.
func onLAN(t *testing.T, f func(t *testing.T, net *p2ptest.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := &p2ptest.Network{Seed: 1, Delay: time.Millisecond, Jitter: 4 * time.Millisecond}
		defer net.Close()
		f(t, net)
	})
}

// start starts a node and sees to its end.
func start(t *testing.T, n *cluster.Node) *cluster.Node {
	t.Helper()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// three starts a, b and c, which know each other when it returns.
func three(t *testing.T, net *p2ptest.Network, shape func(n *cluster.Node)) (a, b, c *cluster.Node) {
	t.Helper()
	var all []*cluster.Node
	for _, name := range []string{"a", "b", "c"} {
		n := inMemory(net, name)
		if name != "a" {
			n.Seeds = []string{"a:38080"}
		}
		if shape != nil {
			shape(n)
		}
		all = append(all, start(t, n))
	}
	for _, n := range all {
		eventually(t, 2*time.Second, "all three are there", func() bool { return alive(n) == 3 })
	}
	return all[0], all[1], all[2]
}

func alive(n *cluster.Node) (count int) {
	for _, m := range n.Members() {
		if m.State == gossip.Alive {
			count++
		}
	}
	return count
}

// eventually lets time pass until done; only on virtual time, or with a limit
// that no machine is too slow for.
func eventually(t *testing.T, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

func state(n *cluster.Node, of *cluster.Node) gossip.State {
	m, ok := n.Member(of.ID().ID)
	if !ok {
		return 255
	}
	return m.State
}

var echo = port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) { return m.Data, nil })
