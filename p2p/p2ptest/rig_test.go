package p2ptest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kith/p2p"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accept dials from a to b and gives both ends after the handshake.
func accept(t testing.TB, a, b *Transport) (dialled, accepted p2p.Session) {
	t.Helper()
	l, err := b.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	came := make(chan p2p.Session, 1)
	go func() {
		defer close(came)
		if p, err := l.Accept(); err == nil {
			if s, err := p.Handshake(context.Background()); err == nil {
				came <- s
			}
		}
	}()
	nd := b.Node(portOf(l))
	dialled, err = a.Dial(t.Context(), nd)
	if err != nil {
		t.Fatalf("Dial(%v) = %v", nd, err)
	}
	accepted = <-came
	if accepted == nil {
		t.Fatal("Handshake failed")
	}
	return dialled, accepted
}

func portOf(l p2p.Listener) uint16 { return l.(*listener).addr.Port() }

func hello(name string) p2p.Hello {
	return p2p.Hello{Name: name, Caps: []p2p.Cap{{Name: "echo", Version: 1}}, ListenPort: 7, Epoch: 42}
}

func agree(p2p.Hello) error { return nil }

// greet says hello on both ends.
func greet(t testing.TB, a, b p2p.Session) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := b.Hello(context.Background(), hello("acceptor"), agree)
		done <- err
	}()
	if _, err := a.Hello(t.Context(), hello("dialler"), agree); err != nil {
		t.Fatalf("dialler's Hello = %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("acceptor's Hello = %v", err)
	}
}

func channels(n int) (out []p2p.Channel) {
	for i := range n {
		out = append(out, p2p.Channel{Cap: p2p.Cap{Name: fmt.Sprint("p", i), Version: 1}, Length: 16})
	}
	return out
}

type end struct {
	p2p.Session
	rw []p2p.MsgReadWriter
}

// connect gives both ends of an open session with n channels.
func connect(t testing.TB, net *Network, from, to string, n int) (a, b end) {
	t.Helper()
	a.Session, b.Session = accept(t, net.Transport(from), net.Transport(to))
	greet(t, a, b)
	for _, e := range []*end{&a, &b} {
		var err error
		if e.rw, err = e.Open(channels(n)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func write(t testing.TB, w p2p.MsgWriter, code uint64, text string) {
	t.Helper()
	if err := w.WriteMsg(p2p.Msg{Code: code, Payload: []byte(text)}); err != nil {
		t.Errorf("WriteMsg(%d, %.20q) = %v", code, text, err)
	}
}

func took(t testing.TB, began time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(began); d != want {
		t.Errorf("it took %v, want %v", d, want)
	}
}
