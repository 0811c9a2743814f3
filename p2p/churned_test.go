package p2p_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// Passive peers fill all places. Those who come later find room with
// ChurnInterval, and those who say something stay.
func TestChurnLetsOthersFindRoom(t *testing.T) {
	for _, every := range []time.Duration{0, time.Minute} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			chat := wait()
			chat.Run = func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
				for {
					if err := rw.WriteMsg(p2p.Msg{}); err != nil {
						return err
					}
					time.Sleep(10 * time.Second)
				}
			}
			a := server(t, nw, "a", func(s *p2p.Server) { s.Policy, s.MaxPeers, s.ChurnInterval = p2p.Fill, 3, every })
			busy := server(t, nw, "busy", func(s *p2p.Server) { s.Policy, s.Protocols = p2p.Fill, []p2p.Protocol{chat} })
			var passive []*p2p.Server
			for i := range 2 {
				passive = append(passive, server(t, nw, fmt.Sprintf("passive%d", i), fill))
			}
			for _, s := range append(passive, busy) {
				if err := s.AddPeer(a.Self()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			late := server(t, nw, "late", fill)
			if err := late.AddPeer(a.Self()); err != nil {
				t.Fatal(err)
			}
			var met bool
			for range 20 {
				time.Sleep(30 * time.Second)
				met = met || a.Peer(late.Self().ID) != nil
				if a.Peer(busy.Self().ID) == nil {
					t.Fatal("the one that talks has left")
				}
			}
			if met != (every > 0) {
				t.Errorf("ChurnInterval %v: the late one found room: %v", every, met)
			}
			if n := len(a.Peers()); n > 3 {
				t.Errorf("%d peers, want at most 3", n)
			}
		})
	}
}

// Who had to make room is told why, and does not take it again at once.
func TestWhoMadeRoomIsRefusedForAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", func(s *p2p.Server) { s.Policy, s.MaxPeers, s.ChurnInterval = p2p.Fill, 1, time.Minute })
		b := server(t, nw, "b", fill)
		l, err := b.Dial(t.Context(), at(nw, "a"))
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		<-l.Peer().Done()
		const words = "peer said: too many peers: others shall find a place"
		if err := l.Peer().Err(); !errors.Is(err, p2p.DiscTooManyPeers) || err.Error() != words {
			t.Errorf("b was told %v, want %q", err, words)
		}
		if _, err := b.Dial(t.Context(), at(nw, "a")); !errors.Is(err, p2p.DiscTooManyPeers) || !strings.HasSuffix(err.Error(), words) {
			t.Errorf("b comes again: %v, want %q", err, words)
		}
		time.Sleep(36 * time.Second)
		if _, err := b.Dial(t.Context(), at(nw, "a")); err != nil {
			t.Errorf("b comes after 36s: %v", err)
		}
		if len(a.Peers()) != 1 {
			t.Errorf("%d peers, want b", len(a.Peers()))
		}
	})
}

// The slots of a Discovery are churned too.
func TestChurnFindsOthersToDial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := &finder{nodes: make(chan *node.Node)}
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.MaxPeers, s.DialRatio, s.ChurnInterval, s.Discovery = p2p.Fill, 3, 3, time.Minute, []p2p.Discovery{f}
		})
		server(t, nw, "one", fill)
		server(t, nw, "two", fill)
		f.nodes <- at(nw, "one")
		time.Sleep(time.Second)
		done := a.Peers()[0].Done()
		began := time.Now()
		f.nodes <- at(nw, "two")
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("the next one was pulled after %v, want the end of the second interval", took)
		}
		<-done
		time.Sleep(time.Second)
		if a.Peer(at(nw, "two").ID) == nil {
			t.Error("the other one is not connected")
		}
	})
}
