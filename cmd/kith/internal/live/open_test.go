package live

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/cluster"
	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/foobar"
	"kith/cmd/kith/internal/opennet"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

func v4(t *testing.T, secret byte) *node.Node {
	t.Helper()
	b := [32]byte{31: secret}
	k, err := crypto.ParseKey(b[:])
	if err != nil {
		t.Fatal(err)
	}
	return node.NewV4(k.Public(), "127.0.0.1:1")
}

func TestChoose(t *testing.T) {
	a, b, c, d := v4(t, 1), v4(t, 2), v4(t, 3), v4(t, 4)
	known := []neighbour{{"a", a}, {"twin", b}, {"twin", c}, {b.IDText()[:4], d}}
	key := strings.TrimPrefix(a.String(), "enode://")
	for _, test := range []struct {
		who  string
		want *node.Node
	}{
		{"a", a},
		{a.IDText(), a},
		{a.IDText()[:8], a},
		{key[:8], a}, // as people copy it from an enode
		{b.IDText()[:8], b},
		{b.IDText()[:4], d}, // a name goes before the start of an id
		{"twin", nil},
		{"nobody", nil},
	} {
		got, err := choose(test.who, known)
		if got != test.want || (err == nil) != (test.want != nil) {
			t.Errorf("choose(%q) = %v, %v; want %v", test.who, got, err, test.want)
		}
		if test.want == nil && exit.CodeOf(err) != exit.NotFound {
			t.Errorf("choose(%q) = %v, want not found", test.who, err)
		}
	}
	if _, err := choose("twin", known); !strings.Contains(err.Error(), b.IDText()) || !strings.Contains(err.Error(), c.IDText()) {
		t.Errorf("choose(twin) = %v, want both ids", err)
	}
}

// resident0 is a node that is in an open network alone, not started.
func resident0(t *testing.T) *Node {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	o, err := opennet.New(&cluster.Open{Name: "x", MaxPeers: 3, Protocols: []string{"foobar"}}, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return New(nil, o, About{})
}

func TestInTheOpenAlone(t *testing.T) {
	n := resident0(t)
	s := n.Status()
	if s.Network != admin.NetOpen || s.Open == nil || s.ID != s.Open.ID || s.Name != "x" || s.DaysLeft != nil || s.Open.MaxPeers != 3 || len(s.Open.Protocols) != 2 {
		t.Errorf("Status = %+v, open %+v", s, s.Open)
	}
	if m := n.Members(); m == nil || len(m) != 0 {
		t.Errorf("Members = %v, want an empty list", m)
	}
	if p, err := n.Peers(""); err != nil || p == nil || len(p) != 0 {
		t.Errorf("Peers = %v, %v; want an empty list", p, err)
	}
	for _, err := range []error{
		func() error { _, err := n.Peers(admin.NetCluster); return err }(),
		func() error { _, err := n.Ports(admin.NetCluster, ""); return err }(),
		func() error {
			_, err := n.Ping(t.Context(), admin.Target{Network: admin.NetCluster, Peer: "self"})
			return err
		}(),
		n.Send(t.Context(), admin.Target{Network: admin.NetCluster, Peer: "self", Port: 1}, nil),
	} {
		if exit.CodeOf(err) != exit.NotFound || !strings.Contains(err.Error(), "in no cluster") {
			t.Errorf("of a node in no cluster: %v", err)
		}
	}
}

// A peer without ports is asked by the session, whose first ping takes a moment.
func TestPingOfAPeerWithoutPorts(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger := &p2p.Server{
		PrivateKey: key, ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{new(foobar.Talk).Protocol()}, Logger: slog.New(slog.DiscardHandler),
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	n := resident0(t)
	if err := n.open.node.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pong, err := n.Ping(ctx, admin.Target{Peer: stranger.Self().String()})
	if err != nil || pong.RTT <= 0 {
		t.Errorf("Ping = %+v, %v; want a round trip", pong, err)
	}
}

func TestServeTakesAllOrNothing(t *testing.T) {
	n := resident0(t)
	told := func(net admin.Network) port.Handler {
		return port.HandlerFunc(func(context.Context, *port.Message) ([]byte, error) { return []byte(net), nil })
	}
	stop, err := n.Serve("", 8080, "who", port.Request, told)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := n.Call(t.Context(), admin.Target{Peer: "self", Port: 8080}, nil)
	if err != nil || string(reply) != "open" {
		t.Errorf("Call = %q, %v; want open", reply, err)
	}
	if _, err := n.Serve(admin.NetBoth, 8080, "", port.Send, told); exit.CodeOf(err) != exit.Refused || !errors.Is(err, port.ErrInUse) {
		t.Errorf("Serve of a port in use = %v", err)
	}
	if _, err := n.Serve(admin.NetBoth, 0, "", port.Send, told); exit.CodeOf(err) != exit.Usage {
		t.Errorf("Serve of port 0 = %v", err)
	}
	if ports, err := n.Ports("", "self"); err != nil || len(ports) != 1 || ports[0].Network != admin.NetOpen {
		t.Errorf("Ports = %+v, %v", ports, err)
	}
	stop()
	if ports, err := n.Ports("", ""); err != nil || len(ports) != 0 {
		t.Errorf("Ports after stop = %+v, %v", ports, err)
	}
}

func TestMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		every := func(ctx context.Context, d time.Duration, kind string) iter.Seq[admin.Event] {
			return func(yield func(admin.Event) bool) {
				for ctx.Err() == nil {
					select {
					case <-time.After(d):
						if !yield(admin.Event{Kind: kind}) {
							return
						}
					case <-ctx.Done():
					}
				}
			}
		}
		counts := make(map[string]int)
		began := time.Now()
		for e := range merged(stop, every(ctx, 2*time.Second, "a"), every(ctx, 3*time.Second, "b")) {
			if counts[e.Kind]++; time.Since(began) > time.Minute {
				break // the sources end with it, else the bubble would not
			}
		}
		if counts["a"] < 29 || counts["b"] < 19 {
			t.Errorf("in a minute came %v", counts)
		}

		ended, stop2 := context.WithCancel(t.Context())
		stop2()
		for e := range merged(stop2, every(ended, time.Second, "a"), every(ended, time.Second, "b")) {
			t.Errorf("sources that have ended gave %v", e)
		}
	})
}

func TestWatchOfNoCluster(t *testing.T) {
	n := resident0(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	times := 0
	for m := range n.Watch(ctx) {
		if times++; m == nil || len(m) != 0 {
			t.Errorf("Watch gave %v", m)
		}
		cancel()
	}
	if times != 1 {
		t.Errorf("Watch gave %d times, want once", times)
	}
}
