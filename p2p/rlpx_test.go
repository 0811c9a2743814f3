package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"kith/crypto"
	"kith/node"
	"kith/p2p"
)

// rlpxKey is the same key in every run for the same number.
func rlpxKey(t testing.TB, n byte) *crypto.PrivateKey {
	t.Helper()
	k, err := crypto.ParseKey(append(make([]byte, 31), n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// open starts a server of an open network on loopback that is closed when the
// test ends.
func open(t testing.TB, n byte, edit func(*p2p.Server)) *p2p.Server {
	t.Helper()
	s := &p2p.Server{PrivateKey: rlpxKey(t, n), ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{wait()}, Logger: quiet()}
	if edit != nil {
		edit(s)
	}
	if err := s.Start(); err != nil {
		t.Fatalf("start %d: %v", n, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// echoing answers each message with itself.
func echoing(version uint) p2p.Protocol {
	return p2p.Protocol{Name: "echo", Version: version, Length: 4, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for {
			m, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			if err := rw.WriteMsg(m); err != nil {
				return err
			}
		}
	}}
}

func TestServersMeetOverRLPx(t *testing.T) {
	got := make(chan string, 1)
	ask := p2p.Protocol{Name: "echo", Version: 2, Length: 4, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		if err := rw.WriteMsg(p2p.Msg{Code: 3, Payload: []byte("before anybody reads")}); err != nil {
			return err
		}
		m, err := rw.ReadMsg()
		got <- fmt.Sprint(m.Code, string(m.Payload), err)
		<-t.Context().Done()
		return nil
	}}
	b := open(t, 2, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{echoing(1), echoing(2), wait()} })
	a := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{ask} })
	lease, err := a.Dial(limited(t), b.Self())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	if text, want := <-got, "3before anybody reads<nil>"; text != want {
		t.Errorf("ReadMsg() = %s, want %s", text, want)
	}
	peer := a.Peer(b.Self().ID)
	if peer == nil {
		t.Fatal("Peer() = nil")
	}
	if peer.ID() != node.V4ID(rlpxKey(t, 2).Public()) {
		t.Errorf("ID() = %v", peer.ID())
	}
}

func TestDialErrorsOverRLPx(t *testing.T) {
	b := open(t, 2, func(s *p2p.Server) { s.MaxPeers = 1 })
	a := open(t, 1, nil)
	if _, err := a.Dial(limited(t), b.Self()); err != nil {
		t.Fatal(err)
	}
	c := open(t, 3, nil)
	if _, err := c.Dial(limited(t), b.Self()); !errors.Is(err, p2p.DiscTooManyPeers) {
		t.Errorf("Dial() of a full server = %v, want %v", err, p2p.DiscTooManyPeers)
	}
	other := open(t, 4, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{echoing(1)} })
	if _, err := a.Dial(limited(t), other.Self()); !errors.Is(err, p2p.DiscUselessPeer) {
		t.Errorf("Dial() without a common protocol = %v, want %v", err, p2p.DiscUselessPeer)
	}
	wrong := b.Self()
	wrong.Key = rlpxKey(t, 9).Public()
	wrong.ID = node.V4ID(wrong.Key)
	if _, err := c.Dial(limited(t), wrong); err == nil {
		t.Error("Dial() with another key = nil")
	}
	if _, err := c.Dial(limited(t), &node.Node{Scheme: node.V4, Hosts: b.Self().Hosts}); err == nil {
		t.Error("Dial() without a key = nil")
	}
}
