package mtls

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// A world is an authority that makes nodes for a test.
type world struct {
	t  testing.TB
	ca *cert.CA
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := cert.CreateCA(cert.CAOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, ca}
}

func (w *world) snapshot(o cert.NodeOptions) *cert.Snapshot {
	w.t.Helper()
	pair, err := w.ca.Issue(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.material(pair, w.ca)
}

// material is what a node holds that has the certificate pair and believes in
// the authority trusted, be it good or not.
func (w *world) material(pair *cert.Pair, trusted *cert.CA) *cert.Snapshot {
	w.t.Helper()
	key, err := cert.EncodeKey(pair.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := cert.Material{CA: cert.EncodeCerts(trusted.Cert), Cert: cert.EncodeCerts(pair.Cert), Key: key}.Parse()
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) transport(name string) *Transport {
	w.t.Helper()
	return &Transport{Credentials: w.snapshot(cert.NodeOptions{Name: name}), Logger: quiet()}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (t *Transport) mustConfig(tb testing.TB) *config {
	tb.Helper()
	cfg, err := t.config()
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// pipe makes two sessions over a connection in memory; a is the one that
// dialled.
func pipe(tb testing.TB, a, b *Transport) (*session, *session) {
	tb.Helper()
	_, ca, cb := newWire()
	return handshake(tb, a, b, ca, cb)
}

func handshake(tb testing.TB, a, b *Transport, ca, cb net.Conn) (*session, *session) {
	tb.Helper()
	var accepted p2p.Session
	var acceptErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		accepted, acceptErr = (&tcpPending{b, b.mustConfig(tb), cb}).Handshake(context.Background())
	})
	dialled, err := a.greetTCP(context.Background(), a.mustConfig(tb), ca, want{id: b.ID()})
	wg.Wait()
	if err != nil || acceptErr != nil {
		tb.Fatalf("handshake: dialled %v, accepted %v", err, acceptErr)
	}
	return dialled, accepted.(*session)
}

func accept(p2p.Hello) error { return nil }

// greetBoth says hello on both sides.
func greetBoth(tb testing.TB, a, b p2p.Session) {
	tb.Helper()
	var wg sync.WaitGroup
	for _, s := range []p2p.Session{a, b} {
		wg.Go(func() {
			if _, err := s.Hello(context.Background(), p2p.Hello{Name: "test"}, accept); err != nil {
				tb.Errorf("Hello = %v", err)
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
}

var twoChannels = []p2p.Channel{{Cap: p2p.Cap{Name: "one", Version: 1}, Length: 16}, {Cap: p2p.Cap{Name: "two", Version: 1}, Length: 16}}

// openBoth gives the channels of both sides.
func openBoth(tb testing.TB, a, b p2p.Session, channels []p2p.Channel) (as, bs []p2p.MsgReadWriter) {
	tb.Helper()
	greetBoth(tb, a, b)
	as, err := a.Open(channels)
	if err != nil {
		tb.Fatal(err)
	}
	bs, err = b.Open(channels)
	if err != nil {
		tb.Fatal(err)
	}
	return as, bs
}

func closeBoth(a, b p2p.Session) {
	var wg sync.WaitGroup
	wg.Go(func() { a.Close(nil) })
	wg.Go(func() { b.Close(nil) })
	wg.Wait()
}

// listen starts a transport on loopback; its sessions come out of the channel.
func listen(t testing.TB, tr *Transport) (*node.Node, <-chan p2p.Session) {
	t.Helper()
	ln, err := tr.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sessions := make(chan p2p.Session, 16)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			p, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if s, err := p.Handshake(context.Background()); err == nil {
					sessions <- s
				}
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return &node.Node{ID: tr.ID(), Hosts: []string{ln.Addr().String()}}, sessions
}

func dialTo(t testing.TB, tr *Transport, n *node.Node) p2p.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := tr.Dial(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
