package port

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// A rig is two nodes on a network in memory: a calls the ports of b.
type rig struct {
	a, b       *Mux
	srvA, srvB *p2p.Server
	net        *p2ptest.Network
	nodeB      *node.Node
}

// newRig starts both. Set the fields of the Muxes before.
func newRig(t testing.TB, net *p2ptest.Network, a, b *Mux) *rig {
	t.Helper()
	r := &rig{a: a, b: b, net: net}
	r.srvA = r.start(t, "a", a)
	r.srvB = r.start(t, "b", b)
	r.nodeB = net.Transport("b").Node(p2ptest.Port)
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *rig) start(t testing.TB, name string, m *Mux) *p2p.Server {
	t.Helper()
	s := r.net.Server(name, m.Protocol())
	s.Policy = p2p.OnDemand
	s.Logger = slog.New(slog.DiscardHandler)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) close(t testing.TB) {
	for _, s := range []*p2p.Server{r.srvA, r.srvB} {
		if err := s.Close(); err != nil {
			t.Errorf("Server.Close() = %v", err)
		}
	}
	for _, m := range []*Mux{r.a, r.b} {
		if err := m.Close(); err != nil {
			t.Errorf("Mux.Close() = %v", err)
		}
	}
	r.net.Close()
}

// connect is Connect from a to b that must succeed.
func (r *rig) connect(t testing.TB, number uint16) *Client {
	t.Helper()
	c, err := r.a.Connect(t.Context(), r.srvA, r.nodeB, 0, number)
	if err != nil {
		t.Fatalf("Connect(%d) = %v", number, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// handle offers a port that must be free.
func handle(t testing.TB, m *Mux, number uint16, mode Mode, h func(ctx context.Context, m *Message) ([]byte, error)) {
	t.Helper()
	if err := m.Handle(number, fmt.Sprint("port ", number), mode, HandlerFunc(h)); err != nil {
		t.Fatalf("Handle(%d) = %v", number, err)
	}
}

func echo(_ context.Context, m *Message) ([]byte, error) { return m.Data, nil }

// pattern is n bytes that tell where they belong.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i) ^ byte(seed)
	}
	return b
}

// everywhere runs a test on a session that offers direct delivery, on one that
// does not, and from a node to itself.
func everywhere(t *testing.T, test func(t *testing.T, connect func(m *Mux, number uint16) *Client)) {
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "direct", true: "plain"}[plain], func(t *testing.T) {
			test(t, func(m *Mux, number uint16) *Client {
				r := newRig(t, &p2ptest.Network{NoDirect: plain, NoDatagrams: plain}, &Mux{MaxMessage: m.MaxMessage}, m)
				return r.connect(t, number)
			})
		})
	}
	t.Run("self", func(t *testing.T) {
		test(t, func(m *Mux, number uint16) *Client { return connectSelf(t, m, number) })
	})
}

func connectSelf(t testing.TB, m *Mux, number uint16) *Client {
	t.Helper()
	m.Self = node.Ref{ID: node.ID{7}, Generation: 99}
	c, err := m.Connect(t.Context(), nil, &node.Node{ID: m.Self.ID}, 0, number)
	if err != nil {
		t.Fatalf("Connect to ourselves = %v", err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := m.Close(); err != nil {
			t.Errorf("Mux.Close() = %v", err)
		}
	})
	return c
}

// within is a context for a call that must not hang.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func equal(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes (%.20x…), want %d (%.20x…)", what, len(got), got, len(want), want)
	}
}
