package opennet_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kith/cluster"
	"kith/cmd/kith/internal/opennet"
	"kith/node"
	"kith/port"
)

func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.key")
	first, made, err := opennet.Key(path)
	if err != nil || !made {
		t.Fatalf("Key of a new file: made %v, %v", made, err)
	}
	again, made, err := opennet.Key(path)
	if err != nil || made || !again.Public().Equal(first.Public()) {
		t.Errorf("Key again: made %v, %v; want the same", made, err)
	}
	none, made, err := opennet.Key("")
	if err != nil || made || none.Public().Equal(first.Public()) {
		t.Errorf("Key without a path: made %v, %v; want another that is kept nowhere", made, err)
	}
	if err := os.WriteFile(path+"x", []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, made, err = opennet.Key(path + "x"); err == nil || made {
		t.Errorf("Key of nonsense: made %v, %v", made, err)
	}
}

// start runs a node on loopback.
func start(t *testing.T, conf *cluster.Open) *opennet.Node {
	t.Helper()
	key, _, err := opennet.Key("")
	if err != nil {
		t.Fatal(err)
	}
	conf.ListenAddr, conf.MaxPeers = "127.0.0.1:0", 5
	n, err := opennet.New(conf, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAsConfigured(t *testing.T) {
	a := start(t, &cluster.Open{Name: "a", Protocols: []string{"foobar"}})
	upper := func(_ context.Context, m *port.Message) ([]byte, error) {
		return append([]byte("from a: "), m.Data...), nil
	}
	if err := a.Handle(8080, "say", port.Request, port.HandlerFunc(upper)); err != nil {
		t.Fatal(err)
	}
	b := start(t, &cluster.Open{Name: "b", Protocols: []string{"foobar"}, StaticNodes: []*node.Node{a.Self()}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := b.Connect(ctx, a.Self(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if reply, err := c.Request(ctx, []byte("x")); err != nil || string(reply) != "from a: x" {
		t.Errorf("Request = %q, %v", reply, err)
	}
	p := b.Server().Peer(a.Self().ID)
	if p == nil || p.Name() != "a" || !p.Static() || !p.Runs("MyProtocol") || !p.Runs("port") {
		t.Errorf("b has the peer %v", p)
	}
	if caps := a.Protocols(); len(caps) != 2 || a.Name() != "a" || a.MaxPeers() != 5 || len(a.Ports()) != 1 || a.Addr() == nil {
		t.Errorf("a is %q with %v at %v, %d ports", a.Name(), caps, a.Addr(), len(a.Ports()))
	}
}

func TestBeforeStartAndAfterClose(t *testing.T) {
	key, _, err := opennet.Key("")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := opennet.New(&cluster.Open{Protocols: []string{"eth"}}, key, nil); err == nil {
		t.Errorf("New with a protocol that is not there = %v", n)
	}
	n, err := opennet.New(&cluster.Open{Name: "a"}, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n.Self().ID != node.V4ID(key.Public()) || n.Addr() != nil || len(n.Server().Peers()) != 0 {
		t.Errorf("before Start it is %v at %v", n.Self(), n.Addr())
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if err := n.Start(); err == nil {
		t.Error("Start after Close = nil")
	}
	if _, err := n.Connect(t.Context(), node.NewV4(key.Public()), 1); err == nil {
		t.Error("Connect after Close = nil")
	}
}
