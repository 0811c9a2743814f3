package probe_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"kith/cmd/kith/internal/probe"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/rlpx"
)

func key(t *testing.T) *crypto.PrivateKey {
	t.Helper()
	k, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// answering runs a node that does what serve says with who dials it.
func answering(t *testing.T, serve func(net.Conn, *crypto.PrivateKey)) *node.Node {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k, done := key(t), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn, k)
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return node.NewV4(k.Public(), ln.Addr().String())
}

var caps = []p2p.Cap{{Name: "eth", Version: 68}, {Name: "eth", Version: 69}}

// greeted exchanges hellos as the node that was dialled.
func greeted(t *testing.T, conn net.Conn, k *crypto.PrivateKey, decide func(rlpx.Hello) error) *rlpx.Conn {
	c, err := rlpx.Accept(context.Background(), conn, k)
	if err != nil {
		t.Errorf("Accept: %v", err)
		return nil
	}
	ours := rlpx.Hello{Name: "other", ListenPort: 7, Caps: []rlpx.Cap{{Name: "eth", Version: 68}, {Name: "eth", Version: 69}}}
	if _, err := rlpx.NewSession(c).Hello(context.Background(), ours, decide); err != nil {
		return nil
	}
	c.SetSnappy(true)
	return c
}

func anybody(rlpx.Hello) error { return nil }

func dial(t *testing.T, n *node.Node, patience time.Duration, ping func(*probe.Answer) bool) (*probe.Answer, error) {
	t.Helper()
	return (&probe.Caller{Key: key(t), Name: "probe", Caps: caps[:1]}).Dial(t.Context(), n, patience, ping)
}

func TestWhoItIsAndHowFar(t *testing.T) {
	n := answering(t, func(conn net.Conn, k *crypto.PrivateKey) {
		c := greeted(t, conn, k, func(h rlpx.Hello) error {
			if h.Name != "probe" || len(h.Caps) != 1 || h.Caps[0].Name != "eth" {
				t.Errorf("hello of %q with %v", h.Name, h.Caps)
			}
			return nil
		})
		if c == nil {
			return
		}
		_ = c.WriteMsg(0x10, []byte{0xc0}) // a protocol's message, which is none of its business
		_ = c.WriteMsg(0x02, []byte{0xc0}) // and a ping
		for {
			code, _, err := c.ReadMsg()
			switch {
			case err != nil:
				return
			case code == 0x02:
				_ = c.WriteMsg(0x03, []byte{0xc0})
			case code == 0x01:
				return
			}
		}
	})
	pings := 0
	a, err := dial(t, n, time.Minute, func(a *probe.Answer) bool {
		pings++
		return pings < 3
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "other" || a.Version != 5 || a.Port != 7 || len(a.Caps) != 2 || a.Caps[1] != caps[1] || a.Address != n.Hosts[0] {
		t.Errorf("Dial = %+v", a)
	}
	if pings != 3 || a.RTT <= 0 || a.Connect <= 0 || a.Handshake <= 0 || a.Left != nil {
		t.Errorf("%d pings, RTT %v, connected in %v, handshake in %v, left %v", pings, a.RTT, a.Connect, a.Handshake, a.Left)
	}
}

// Others say who they are before they hang up.
func TestItHangsUpAfterItsHello(t *testing.T) {
	for _, test := range []struct {
		name string
		data []byte
		want p2p.DiscReason
	}{
		{"list", []byte{0xc1, 0x03}, p2p.DiscUselessPeer},
		{"number", []byte{0x04}, p2p.DiscTooManyPeers},
		{"zero", []byte{0xc1, 0x80}, p2p.DiscRequested},
		{"nothing", nil, p2p.DiscRequested},
		{"nonsense", []byte{0x82, 1}, p2p.DiscUnreadable},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := answering(t, func(conn net.Conn, k *crypto.PrivateKey) {
				if c := greeted(t, conn, k, anybody); c != nil {
					_ = c.WriteMsg(0x01, test.data)
					_, _, _ = c.ReadMsg() // let it be read
				}
			})
			a, err := dial(t, n, time.Minute, func(*probe.Answer) bool { t.Error("a ping was answered"); return false })
			if err != nil {
				t.Fatal(err)
			}
			if a.Name != "other" || a.RTT != 0 || !errors.Is(a.Left, test.want) {
				t.Errorf("Dial = %+v, want it to have left for %v", a, test.want)
			}
		})
	}
}

func TestItRefuses(t *testing.T) {
	n := answering(t, func(conn net.Conn, k *crypto.PrivateKey) {
		greeted(t, conn, k, func(rlpx.Hello) error { return rlpx.TooManyPeers })
	})
	var gone *p2p.DisconnectError
	if a, err := dial(t, n, time.Minute, nil); !errors.As(err, &gone) || gone.Reason != p2p.DiscTooManyPeers || !gone.Remote {
		t.Errorf("Dial = %+v, %v; want too many peers", a, err)
	}
	other := *n
	other.Key = key(t).Public()
	n = answering(t, func(conn net.Conn, k *crypto.PrivateKey) {
		_, _ = rlpx.Accept(context.Background(), conn, k) // what it is told is not for its key
	})
	other.Hosts = n.Hosts
	if a, err := dial(t, &other, time.Minute, nil); err == nil {
		t.Errorf("Dial with another key = %+v", a)
	}
}

func TestItIsSilent(t *testing.T) {
	for _, when := range []string{"from the first", "after its hello"} {
		t.Run(when, func(t *testing.T) {
			end := make(chan struct{})
			n := answering(t, func(conn net.Conn, k *crypto.PrivateKey) {
				if when == "after its hello" {
					greeted(t, conn, k, anybody)
				}
				<-end
			})
			t.Cleanup(func() { close(end) })
			patience := 100 * time.Millisecond
			if when == "after its hello" {
				patience = 2 * time.Second // the handshake must pass
			}
			a, err := dial(t, n, patience, nil)
			if err == nil {
				err = a.Left
			}
			var ne net.Error
			if !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &ne) || !ne.Timeout()) {
				t.Errorf("Dial = %+v, %v; want a timeout", a, err)
			}
		})
	}
}

func TestNoAddress(t *testing.T) {
	if a, err := dial(t, node.NewV4(key(t).Public()), time.Minute, nil); !errors.Is(err, p2p.ErrNoAddress) {
		t.Errorf("Dial = %+v, %v; want ErrNoAddress", a, err)
	}
}
