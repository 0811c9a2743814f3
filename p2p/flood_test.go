package p2p_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// stranger is the nth of many hosts in the open.
func stranger(n int) string {
	return netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

// RELIABILITY.md R6: a thousand who connect and say nothing, from one address
// and from a thousand. An honest node connects in less than a second, and each of
// them is closed when its time is over.
func TestR6SlowLoris(t *testing.T) {
	const sockets = 1000
	for _, from := range []int{1, sockets} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			b := server(t, nw, "b", func(s *p2p.Server) { s.Policy, s.MaxPendingPeers = p2p.Fill, 50 })
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range sockets {
				name := "10.9.0.1" // private, so that no throttle spares us the trouble
				if from > 1 {
					name = stranger(i)
				}
				nw.Transport(name)
				all.Go(func() {
					if s, err := nw.Transport(name).Dial(ctx, at(nw, "b")); err == nil {
						<-ctx.Done()
						s.Close(nil)
					}
				})
			}
			time.Sleep(time.Second)
			began := time.Now()
			_, err := server(t, nw, "honest", fill).Dial(t.Context(), at(nw, "b"))
			if took := time.Since(began); err != nil || took > time.Second {
				t.Errorf("from %d addresses: an honest node = %v after %v", from, err, took)
			}
			time.Sleep(p2p.DefaultHandshakeTimeout)
			synctest.Wait()
			if n, peers := b.Handshakes(), len(b.Peers()); n != 0 || peers != 1 {
				t.Errorf("from %d addresses: %d handshakes, %d peers; want 0, 1", from, n, peers)
			}
			stop()
			all.Wait()
		})
	}
}

// RELIABILITY.md R7: a flood of connections never holds more of them than
// MaxPendingPeers and MaxPeers say, is throttled by address, and a trusted peer
// gets in through it, the second time at once.
func TestR7Flood(t *testing.T) {
	const pending, peers = 20, 10
	for name, source := range map[string]func(n int) string{
		"one address": func(int) string { return "203.0.113.7" },
		"many":        stranger,
	} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			trusted := at(nw, "198.51.100.1")
			b := server(t, nw, "b", func(s *p2p.Server) {
				s.Policy, s.MaxPendingPeers, s.MaxPeers = p2p.Fill, pending, peers
				s.TrustedNodes = []node.ID{trusted.ID}
			})
			for i := range peers { // the house is full
				if _, err := server(t, nw, fmt.Sprintf("10.0.0.%d", i+1), fill).Dial(t.Context(), at(nw, "b")); err != nil {
					t.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			var flood sync.WaitGroup
			defer flood.Wait()
			defer stop()
			most := 0
			flood.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					flood.Go(func() {
						if s, err := nw.Transport(source(n)).Dial(ctx, at(nw, "b")); err == nil {
							<-ctx.Done()
							s.Close(nil)
						}
					})
					time.Sleep(10 * time.Millisecond)
					most = max(most, b.Stats().Pending+b.Stats().Peers)
				}
			})
			time.Sleep(2 * time.Second)
			friend := server(t, nw, "198.51.100.1", fill)
			if err := friend.AddPeer(b.Self()); err != nil {
				t.Fatal(err)
			}
			var p *p2p.Peer
			for range 5 * 60 {
				if p = b.Peer(trusted.ID); p != nil {
					break
				}
				time.Sleep(time.Second)
			}
			if p == nil || !p.Trusted() {
				t.Fatalf("%s: five minutes later the trusted peer is %v", name, p)
			}
			time.Sleep(40 * time.Second) // a session that lasts
			p.Disconnect(nil)
			time.Sleep(time.Second)
			if b.Peer(trusted.ID) == nil {
				t.Errorf("%s: a second after its end the trusted peer is not back", name)
			}
			stop()
			flood.Wait()
			st := b.Stats()
			if most > pending+peers+1 {
				t.Errorf("%s: up to %d connections, want at most %d", name, most, pending+peers+1)
			}
			if name == "one address" && st.Throttled < st.Accepted*9/10 {
				t.Errorf("%s: %d of %d were throttled", name, st.Throttled, st.Accepted)
			}
		})
	}
}
