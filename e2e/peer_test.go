package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"kith/cert"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// A setting is what a peer is started with, in this process or in a child.
type setting struct {
	Dir    string // of the certificates
	Name   string // of the node
	Listen string // where; empty: nowhere
	NoQUIC bool
	CRL    bool // follow the revocation list, which is there
}

// A peer is a node without gossip: sessions and ports. It follows its
// certificate's files.
type peer struct {
	files *cert.Files
	mux   *port.Mux
	srv   *p2p.Server
	self  node.Ref
	tally tally
	gate  chan struct{} // closed by release
	open  func()
	lazy  chan p2p.MsgReadWriter // where to write to a peer that does not read
}

// The ports of every peer.
const (
	portEcho  = 1 // Request: the data comes back
	portGate  = 2 // Request: counts the first 8 bytes, waits for the gate, then echoes
	portCount = 3 // Request: counts the first 8 bytes, then echoes
	portStall = 4 // Send: waits for the gate
	portGram  = 5 // Unreliable: counts the first 8 bytes
	portWall  = 6 // Unreliable: waits for the gate
	portPanic = 7 // Request: panics with the data
)

// A tally counts how often each number came.
type tally struct {
	mu   sync.Mutex
	seen map[uint64]int
}

func (y *tally) count(data []byte) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.seen == nil {
		y.seen = make(map[uint64]int)
	}
	if len(data) >= 8 {
		y.seen[binary.BigEndian.Uint64(data)]++
	}
}

// sums tells how many numbers came, and how many of them more than once.
func (y *tally) sums() (distinct, twice int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, n := range y.seen {
		if n > 1 {
			twice++
		}
	}
	return len(y.seen), twice
}

// start makes the peer run.
func (s setting) start(log *slog.Logger) (*peer, error) {
	dir := cert.Dir{Path: s.Dir}
	p := &peer{gate: make(chan struct{}), lazy: make(chan p2p.MsgReadWriter, 16)}
	p.open = sync.OnceFunc(func() { close(p.gate) })
	p.files = &cert.Files{CA: dir.CAPath(), Cert: dir.CertPath(s.Name), Key: dir.KeyPath(s.Name), Logger: log}
	if s.CRL {
		p.files.CRL = dir.CRLPath()
	}
	if err := p.files.Start(); err != nil {
		return nil, err
	}
	transport := &mtls.Transport{Credentials: p.files, NoQUIC: s.NoQUIC, Logger: log}
	p.self = node.Ref{ID: transport.ID(), Generation: uint64(time.Now().UnixMilli())}
	p.mux = &port.Mux{Self: p.self, Logger: log}
	if err := p.handle(); err != nil {
		return nil, err
	}
	p.srv = &p2p.Server{
		Name: s.Name, Transport: transport, ListenAddr: s.Listen, Logger: log,
		Protocols: []p2p.Protocol{p.mux.Protocol(), p.idle()},
		Policy:    p2p.OnDemand, Epoch: p.self.Generation,
	}
	if err := p.srv.Start(); err != nil {
		p.files.Close()
		return nil, err
	}
	return p, nil
}

// idle is a protocol of which the side that accepts reads nothing until the gate
// opens.
func (p *peer) idle() p2p.Protocol {
	return p2p.Protocol{Name: "lazy", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if peer.Inbound() {
			select {
			case <-p.gate:
			case <-peer.Session().Done():
			}
		} else {
			select {
			case p.lazy <- rw:
			default:
			}
		}
		for {
			if _, err := rw.ReadMsg(); err != nil {
				return err
			}
		}
	}}
}

func (p *peer) handle() error {
	wait := func(ctx context.Context) error {
		select {
		case <-p.gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	type handler = func(ctx context.Context, m *port.Message) ([]byte, error)
	for _, o := range []struct {
		number uint16
		name   string
		mode   port.Mode
		do     handler
	}{
		{portEcho, "echo", port.Request, func(_ context.Context, m *port.Message) ([]byte, error) { return m.Data, nil }},
		{portGate, "gate", port.Request, func(ctx context.Context, m *port.Message) ([]byte, error) {
			p.tally.count(m.Data)
			return m.Data, wait(ctx)
		}},
		{portCount, "count", port.Request, func(_ context.Context, m *port.Message) ([]byte, error) {
			p.tally.count(m.Data)
			return m.Data, nil
		}},
		{portStall, "stall", port.Send, func(ctx context.Context, _ *port.Message) ([]byte, error) { return nil, wait(ctx) }},
		{portGram, "gram", port.Unreliable, func(_ context.Context, m *port.Message) ([]byte, error) {
			p.tally.count(m.Data)
			return nil, nil
		}},
		{portPanic, "panic", port.Request, func(_ context.Context, m *port.Message) ([]byte, error) { panic(string(m.Data)) }},
		{portWall, "wall", port.Unreliable, func(ctx context.Context, m *port.Message) ([]byte, error) { return nil, wait(ctx) }},
	} {
		if err := p.mux.Handle(o.number, o.name, o.mode, port.HandlerFunc(o.do)); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) close() error {
	if err := p.srv.Close(); err != nil {
		return err
	}
	if err := p.mux.Close(); err != nil {
		return err
	}
	return p.files.Close()
}

// authority makes a directory with an authority and the certificates of nodes.
func authority(t testing.TB, names ...string) string {
	t.Helper()
	dir := cert.Dir{Path: t.TempDir()}
	if _, err := dir.CreateCA(cert.CAOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := dir.Issue(cert.NodeOptions{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return dir.Path
}

// startPeer starts one in this process, which only dials unless the setting says
// otherwise.
func startPeer(t testing.TB, s setting) (*peer, *logbook) {
	t.Helper()
	log := new(logbook)
	p, err := s.start(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Errorf("closing peer: %v", err)
		}
		if t.Failed() {
			t.Logf("log of %s in this process:\n%s", s.Name, log.end())
		}
	})
	return p, log
}

// A remote is a peer in a child.
type remote struct {
	*child
	node *node.Node
}

// startRemote starts a peer in a child, on a host of a lab if h is not nil. If
// the setting has no address it takes a free port.
func startRemote(t testing.TB, h *host, s setting) *remote {
	t.Helper()
	if s.Listen == "" {
		s.Listen = "127.0.0.1:0"
		if h != nil {
			s.Listen = fmt.Sprintf("%v:0", h.addr)
		}
	}
	r := &remote{child: launchRole(t, h, nil, "peer", s)}
	var at place
	r.read(&at)
	r.node = &node.Node{ID: at.ID, Hosts: []string{at.Addr}}
	return r
}

// connect is Connect that must succeed.
func (p *peer) connect(t testing.TB, n *node.Node, number uint16) *port.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, err := p.mux.Connect(ctx, p.srv, n, 0, number)
	if err != nil {
		t.Fatalf("Connect(%v, %d) = %v", n, number, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// echo is a request that must be answered with its own data.
func echo(t testing.TB, c *port.Client, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if got, err := c.Request(ctx, []byte(data)); err != nil || string(got) != data {
		t.Fatalf("Request(%q) = %q, %v", data, got, err)
	}
}

// carrier is what carries the session to a node.
func (p *peer) carrier(id node.ID) string {
	if q := p.srv.Peer(id); q != nil {
		return q.Stats().Carrier
	}
	return ""
}
