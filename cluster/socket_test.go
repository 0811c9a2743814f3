package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/cert"
	"kith/cluster"
	"kith/gossip"
	"kith/node"
	"kith/port"
)

// patience is for what happens on real sockets: no machine is that slow.
const patience = 30 * time.Second

// pki has an authority and certificates of both common kinds for a, b and c.
func pki(t *testing.T) cert.Dir {
	t.Helper()
	dir := cert.Dir{Path: t.TempDir()}
	if _, err := dir.CreateCA(cert.CAOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]cert.Kind{"a": cert.Ed25519, "b": cert.P256, "c": cert.Ed25519} {
		if _, err := dir.Issue(cert.NodeOptions{Name: name, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onSockets is a node with real certificates that listens on any port of addr.
func onSockets(dir cert.Dir, name, addr string, seeds ...string) *cluster.Node {
	return &cluster.Node{
		CA: dir.CAPath(), Cert: dir.CertPath(name), Key: dir.KeyPath(name),
		ListenAddr: net.JoinHostPort(addr, "0"), Seeds: seeds, Logger: quiet(),
	}
}

func portOf(n *cluster.Node) string {
	_, p, _ := net.SplitHostPort(n.Addr().String())
	return p
}

// needsIPv6 skips a test on a machine without it.
func needsIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("SKIP IPv6: ", err)
	}
	l.Close()
}

func TestThreeOnSockets(t *testing.T) {
	dir := pki(t)
	handlers := func(n *cluster.Node) *cluster.Node {
		n.Handle(8080, "echo", port.Request, echo)
		return start(t, n)
	}
	a := handlers(onSockets(dir, "a", "127.0.0.1"))
	seed := "localhost:" + portOf(a) // a name, looked up at each dial
	b, c := handlers(onSockets(dir, "b", "127.0.0.1", seed)), handlers(onSockets(dir, "c", "127.0.0.1", seed))
	for _, n := range []*cluster.Node{a, b, c} {
		eventually(t, patience, "all three are there", func() bool { return alive(n) == 3 && n.Joined() })
	}
	if m, _ := a.Member(b.ID().ID); m.Name != "b" || len(m.Addresses) != 1 || m.Addresses[0] != b.Addr().String() {
		t.Errorf("a knows b as %q at %v", m.Name, m.Addresses)
	}
	client, err := c.Connect(t.Context(), b.ID(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	big := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	if out, err := client.Request(t.Context(), big); err != nil || !bytes.Equal(out, big) {
		t.Errorf("a request of 10 MiB: %d bytes back, %v", len(out), err)
	}
	if took, err := c.Ping(t.Context(), node.Ref{ID: a.ID().ID}); err != nil || took <= 0 {
		t.Errorf("Ping = %v, %v", took, err)
	}
	if leaf, err := a.Certificate(); err != nil || leaf.Subject.CommonName != "a" {
		t.Errorf("Certificate = %v, %v", leaf, err)
	}
	for _, n := range []*cluster.Node{a, b} { // c has called b and pinged a
		if leaf, _ := n.Certificate(); !leaf.Equal(c.PeerCertificate(n.ID().ID)) {
			t.Errorf("PeerCertificate(%s) is not what it holds", leaf.Subject)
		}
	}
	if leaf := c.PeerCertificate(c.ID().ID); leaf != nil {
		t.Errorf("PeerCertificate of ourselves = %v", leaf.Subject)
	}
	if err := a.Reload(t.Context()); err != nil {
		t.Errorf("Reload: %v", err)
	}
	addr := b.Addr().String()
	b.Close()
	eventually(t, patience, "b left", func() bool { return state(a, b) == gossip.Left })
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port is not free after Close: %v", err)
	}
	l.Close()
}

// Mode 3 on sockets rides on datagrams, once QUIC is there.
func TestUnreliableOnSockets(t *testing.T) {
	dir := pki(t)
	a := onSockets(dir, "a", "127.0.0.1")
	got := make(chan string, 1)
	a.Handle(8080, "toss", port.Unreliable, port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
		select {
		case got <- string(m.Data):
		default:
		}
		return nil, nil
	}))
	start(t, a)
	b := start(t, onSockets(dir, "b", "127.0.0.1", a.Addr().String()))
	eventually(t, patience, "they know each other", func() bool { return alive(b) == 2 })
	c, err := b.Connect(t.Context(), a.ID(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, patience, "a datagram carrier", c.Datagrams)
	eventually(t, patience, "a message", func() bool {
		if err := c.Send(t.Context(), []byte("hi")); err != nil {
			t.Fatal(err)
		}
		return len(got) > 0
	})
	if m := <-got; m != "hi" {
		t.Errorf("a took %q", m)
	}
	if p := b.Server().Peer(a.ID().ID); p == nil || p.Stats().DatagramCarrier != "quic" {
		t.Error("the session does not say that its datagrams ride on QUIC")
	}
}

// Who listens on all addresses tells others the ones that they see.
func TestAdvertisedAddresses(t *testing.T) {
	for name, any := range map[string]string{"IPv4": "0.0.0.0", "IPv6": "::"} {
		t.Run(name, func(t *testing.T) {
			loopback := "127.0.0.1"
			if name == "IPv6" {
				needsIPv6(t)
				loopback = "::1"
			}
			dir := pki(t)
			a := start(t, onSockets(dir, "a", any))
			seed := net.JoinHostPort(loopback, portOf(a))
			b, c := start(t, onSockets(dir, "b", any, seed)), start(t, onSockets(dir, "c", any, seed))
			all := []*cluster.Node{a, b, c}
			for _, n := range all {
				for _, of := range all {
					want := net.JoinHostPort(loopback, portOf(of))
					eventually(t, patience, "an address for all", func() bool {
						m, ok := n.Member(of.ID().ID)
						return ok && len(m.Addresses) > 0 && m.Addresses[0] == want
					})
				}
			}
			b.Handle(8080, "echo", port.Request, echo)
			client, err := c.Connect(t.Context(), b.ID(), 8080)
			if err != nil {
				t.Fatal(err)
			}
			client.Close()
		})
	}
}

func TestExplicitAddress(t *testing.T) {
	dir := pki(t)
	n := onSockets(dir, "a", "0.0.0.0")
	n.Advertise = []string{"a.example:38080", "192.0.2.7:38080"}
	start(t, n)
	eventually(t, patience, "the addresses", func() bool {
		m, _ := n.Member(n.ID().ID)
		return len(m.Addresses) == 2 && m.Addresses[0] == "a.example:38080"
	})
}

// A log that can be read while it is written.
type notes struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notes) has(words ...string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range strings.Lines(n.b.String()) {
		ok := true
		for _, w := range words {
			ok = ok && strings.Contains(line, w)
		}
		if ok {
			return true
		}
	}
	return false
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

func TestWhoAnswersAtASeed(t *testing.T) {
	dir := pki(t)
	a := start(t, onSockets(dir, "a", "127.0.0.1"))
	here := "127.0.0.1:" + portOf(a)
	pinned := func(id node.ID) string { return (&node.Node{ID: id, Hosts: []string{here}}).String() }
	for _, test := range []struct {
		name string
		set  func(n *cluster.Node)
		want string // in the log; empty: it joins
	}{
		{"anybody", func(n *cluster.Node) { n.Seeds = []string{here} }, ""},
		{"the right id", func(n *cluster.Node) { n.Seeds = []string{pinned(a.ID().ID)} }, ""},
		{"the right name", func(n *cluster.Node) { n.Seeds, n.SeedName = []string{here}, "a" }, ""},
		{"another id", func(n *cluster.Node) { n.Seeds = []string{pinned(node.ID{7})} }, "seed does not answer"},
		{"another name", func(n *cluster.Node) { n.Seeds, n.SeedName = []string{here}, "z" }, "seed does not answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := new(notes)
			n := onSockets(dir, "b", "127.0.0.1")
			n.Logger = log.logger()
			test.set(n)
			start(t, n)
			if test.want == "" {
				eventually(t, patience, "b joins", func() bool { return n.Joined() && alive(n) >= 2 })
			} else {
				eventually(t, patience, "b is told why not", func() bool { return log.has(test.want) })
				if n.Joined() || alive(n) != 1 {
					t.Error("b has joined all the same")
				}
				t.Log(log.text())
			}
			n.Close()
		})
	}
}

// A node of another authority stays outside, and both sides say why.
func TestStrangersAreRefused(t *testing.T) {
	ours, theirs := pki(t), pki(t)
	inside, outside := new(notes), new(notes)
	a := onSockets(ours, "a", "127.0.0.1")
	a.Logger = inside.logger()
	start(t, a)
	n := onSockets(theirs, "b", "127.0.0.1", a.Addr().String())
	n.Logger = outside.logger()
	start(t, n)
	defer func() { t.Logf("inside: %s\noutside: %s", inside.text(), outside.text()) }()
	eventually(t, patience, "both say why", func() bool {
		return inside.has("refused", "bad certificate") && outside.has("seed does not answer", "unknown authority")
	})
	if alive(a) != 1 || alive(n) != 1 {
		t.Error("they know each other")
	}
}

// T2: without good files nothing listens, and the error lists all problems.
func TestBadFiles(t *testing.T) {
	dir := pki(t)
	garbage := filepath.Join(dir.Path, "garbage")
	if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		shape func(n *cluster.Node)
		want  int
	}{
		{"missing", func(n *cluster.Node) { n.CA, n.Cert, n.Key = "no.pem", "no.crt", "no.key" }, 3},
		{"garbage", func(n *cluster.Node) { n.CA, n.Cert, n.Key = garbage, garbage, garbage }, 3},
		{"another's key", func(n *cluster.Node) { n.Key = dir.KeyPath("b") }, 1},
		{"no such revocation list", func(n *cluster.Node) { n.CRL = "no.crl" }, 1},
	} {
		n := onSockets(dir, "a", "127.0.0.1")
		good := n.ListenAddr
		test.shape(n)
		err := n.Start()
		var le *cert.LoadError
		if !errors.As(err, &le) || len(le.Problems) != test.want {
			t.Errorf("%s: Start = %v, want a LoadError with %d problems", test.name, err, test.want)
		}
		if test.name == "missing" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Start = %v, want fs.ErrNotExist within", err)
		}
		if n.Addr() != nil || n.ListenAddr != good {
			t.Errorf("%s: it listens on %v", test.name, n.Addr())
		}
		n.Close()
	}
}

// The generation rises from run to run even if the clock does not.
func TestGenerationIsKept(t *testing.T) {
	dir := pki(t)
	state := dir.KeyPath("a") + ".state"
	if err := os.WriteFile(state, []byte("4102444800000\n"), 0o600); err != nil { // the year 2100
		t.Fatal(err)
	}
	for i := range uint64(3) {
		n := start(t, onSockets(dir, "a", "127.0.0.1"))
		if got := n.ID().Generation; got != 4102444800001+i {
			t.Errorf("run %d has generation %d", i, got)
		}
		n.Close()
	}
	// A directory that cannot be written is no reason not to start, unless asked for.
	n := onSockets(dir, "a", "127.0.0.1")
	n.StateFile = filepath.Join(dir.Path, "no", "such", "directory")
	if err := n.Start(); err == nil {
		t.Error("Start with a state file that cannot be written succeeds")
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil { // now it cannot
		t.Fatal(err)
	}
	log := new(notes)
	n = onSockets(dir, "a", "127.0.0.1")
	n.Logger = log.logger()
	start(t, n)
	if !log.has("WARN", "generation") {
		t.Errorf("no warning: %s", log.text())
	}
}

// A renewed certificate comes into force; another node's key does not.
func TestReload(t *testing.T) {
	dir := pki(t)
	log := new(notes)
	a := onSockets(dir, "a", "127.0.0.1")
	a.Logger = log.logger()
	start(t, a)
	old, _ := a.Certificate()
	if _, err := dir.Renew("a", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if leaf, err := a.Certificate(); err != nil || leaf.Equal(old) {
		t.Errorf("after Renew and Reload: the certificate %v, %v", leaf.NotAfter, err)
	}
	renewed, _ := a.Certificate()
	for from, to := range map[string]string{dir.KeyPath("c"): dir.KeyPath("a"), dir.CertPath("c"): dir.CertPath("a")} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Reload(t.Context()); !errors.Is(err, cluster.ErrOtherKey) {
		t.Errorf("Reload with c's files = %v, want ErrOtherKey", err)
	}
	if leaf, err := a.Certificate(); !errors.Is(err, cluster.ErrOtherKey) || !leaf.Equal(renewed) {
		t.Errorf("with c's files: the certificate of %s, %v", leaf.Subject.CommonName, err)
	}
	b := start(t, onSockets(dir, "b", "127.0.0.1", a.Addr().String()))
	eventually(t, patience, "b joins", func() bool { return alive(b) == 2 })
	if m, _ := b.Member(a.ID().ID); m.Name != "a" {
		t.Errorf("b knows %q", m.Name)
	}
	if !log.has("ERROR", "another node") {
		t.Errorf("the log does not say so: %s", log.text())
	}
}

// What a renewed certificate calls us is told to all.
func TestANewNameIsTold(t *testing.T) {
	dir := pki(t)
	a := start(t, onSockets(dir, "a", "127.0.0.1"))
	b := start(t, onSockets(dir, "b", "127.0.0.1", a.Addr().String()))
	eventually(t, patience, "b joins", func() bool { return alive(b) == 2 && alive(a) == 2 })
	ca, err := dir.CA()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir.KeyPath("a"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := cert.DecodeKey(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{{"alpha", "alpha"}, {strings.Repeat("é", 64), strings.Repeat("é", 32)}, {"a", "a"}} {
		pair, err := ca.Issue(cert.NodeOptions{Name: c.name, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir.CertPath("a"), cert.EncodeCerts(pair.Cert), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "b knows the name "+c.want, func() bool { m, _ := b.Member(a.ID().ID); return m.Name == c.want })
	}
}

// M8 on sockets: the older of two with one key ends by itself.
func TestTheNewerRunWinsOnSockets(t *testing.T) {
	dir := pki(t)
	a := start(t, onSockets(dir, "a", "127.0.0.1"))
	older := start(t, onSockets(dir, "b", "127.0.0.1", a.Addr().String()))
	eventually(t, patience, "they know each other", func() bool { return alive(a) == 2 && alive(older) == 2 })
	newer := start(t, onSockets(dir, "b", "127.0.0.1", a.Addr().String()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-older.Done():
	case <-ctx.Done():
		t.Fatal("the older one does not end")
	}
	if err := older.Err(); !errors.Is(err, cluster.ErrSuperseded) {
		t.Errorf("Err() = %v, want ErrSuperseded", err)
	}
	eventually(t, patience, "a knows the newer one", func() bool {
		m, _ := a.Member(newer.ID().ID)
		return m.State == gossip.Alive && m.Generation == newer.ID().Generation
	})
}
