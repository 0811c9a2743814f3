package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// A logbook keeps what is logged from a level on.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) logger(from slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: from}))
}

// silent connects and never says hello.
func silent(t *testing.T, nw *p2ptest.Network, from, to string) {
	t.Helper()
	if s, err := nw.Transport(from).Dial(t.Context(), at(nw, to)); err == nil {
		t.Cleanup(func() { s.Close(nil) })
	}
}

func TestOneAddressCannotHoldAllHandshakes(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		b := server(t, nw, "b", func(s *p2p.Server) { s.MaxPendingPeers = 4 })
		for range 10 {
			silent(t, nw, "slow", "b")
		}
		if st := b.Stats(); st.Pending != 4 || st.PendingFull != 6 {
			t.Errorf("%d pending, %d turned away; want 4, 6", st.Pending, st.PendingFull)
		}
		a := server(t, nw, "a", nil)
		start := time.Now()
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil || time.Since(start) > time.Second {
			t.Errorf("an honest node: %v after %v, want a session at once", err, time.Since(start))
		}
		synctest.Wait()
		if st := b.Stats(); st.Pending != 3 || st.PendingFull != 7 || st.Refused != 1 {
			t.Errorf("%d pending, %d turned away, %d refused; want 3, 7, 1", st.Pending, st.PendingFull, st.Refused)
		}
	})
}

func TestAFullHouseIsSeenAndHeldAgainstNobody(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		var log logbook
		b := server(t, nw, "b", func(s *p2p.Server) { s.MaxPeers, s.Logger = 1, log.logger(slog.LevelWarn) })
		if _, err := server(t, nw, "a", nil).Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		d := server(t, nw, "d", nil)
		for range 20 {
			d.Retry(b.Self().ID)
			if _, err := d.Dial(t.Context(), at(nw, "b")); !errors.Is(err, p2p.DiscTooManyPeers) || !strings.Contains(err.Error(), "too many peers: 1 of 1") {
				t.Fatalf("Dial = %v, want too many peers", err)
			}
		}
		if n := strings.Count(log.String(), "too many peers: 1 of 1"); n < 1 || n > 3 {
			t.Errorf("the log has %d lines about 20 refusals in 1.2s, want one a second", n)
		}
		if n := d.Conns(); n != 0 {
			t.Errorf("%d connections of the refused node are left", n)
		}
	})
}

// A stranger can connect as often as he likes: nobody shall have to read it.
func TestPeersOfAnOpenNetworkAreNoNews(t *testing.T) {
	for policy, want := range map[p2p.Policy]bool{p2p.Fill: false, p2p.OnDemand: true} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			var log logbook
			b := server(t, nw, "b", func(s *p2p.Server) { s.Policy, s.Logger = policy, log.logger(slog.LevelInfo) })
			a := server(t, nw, "a", nil)
			if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
				t.Fatal(err)
			}
			other := wait()
			other.Name = "other"
			server(t, nw, "c", func(s *p2p.Server) { s.Protocols = []p2p.Protocol{other} }).Dial(t.Context(), at(nw, "b"))
			a.Close()
			time.Sleep(time.Second)
			b.Close()
			if text := log.String(); strings.Contains(text, "peer connected") != want || (text != "") != want {
				t.Errorf("policy %d: the log is %q, want something: %v", policy, text, want)
			}
		})
	}
}

func TestTheEndOfAcceptingIsSaid(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		var log logbook
		server(t, nw, "a", func(s *p2p.Server) { s.Logger = log.logger(slog.LevelInfo) }).Close()
		if log.String() != "" {
			t.Errorf("Close logs %q", log.String())
		}
		server(t, nw, "b", func(s *p2p.Server) { s.Logger = log.logger(slog.LevelInfo) })
		nw.Kill("b") // its listener fails
		synctest.Wait()
		if !strings.Contains(log.String(), "no connections are accepted any more") {
			t.Errorf("the log is %q, want a line about the listener", log.String())
		}
	})
}

func TestStrangersOfAnOpenNetworkComeOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		b := server(t, nw, "b", func(s *p2p.Server) { s.Policy = p2p.Fill })
		const far = "203.0.113.7"
		for range 3 {
			silent(t, nw, far, "b")
		}
		if st := b.Stats(); st.Accepted != 3 || st.Throttled != 2 {
			t.Errorf("%d came, %d were throttled; want 3, 2", st.Accepted, st.Throttled)
		}
		time.Sleep(30 * time.Second)
		if _, err := server(t, nw, far, nil).Dial(t.Context(), at(nw, "b")); err != nil {
			t.Errorf("half a minute later: %v", err)
		}
	})
}

func TestWhoNeverProvesAnythingIsThrottled(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		nw.SetDelay(time.Second, 0)
		b := server(t, nw, "b", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // connected there, not yet here
		defer cancel()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { nw.Transport("scanner").Dial(ctx, at(nw, "b")) })
		}
		all.Wait()
		time.Sleep(2 * time.Second)
		silent(t, nw, "scanner", "b")
		if st := b.Stats(); st.Refused != 10 || st.Throttled != 1 {
			t.Errorf("%d refused, %d throttled; want 10, 1", st.Refused, st.Throttled)
		}
	})
}

// S11, for the core: what came and went has left nothing.
func TestS11ConnectsAndClosesLeaveNothing(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		const times = 10_000
		b := server(t, nw, "b", nil)
		a := server(t, nw, "a", nil)
		for i := range times {
			l, err := a.Dial(t.Context(), at(nw, "b"))
			if err != nil {
				t.Fatalf("after %d times: %v", i, err)
			}
			l.Peer().Disconnect(nil)
			l.Release()
			time.Sleep(20 * time.Millisecond) // until b knows
		}
		synctest.Wait()
		for _, s := range []*p2p.Server{a, b} {
			if st := s.Stats(); st.Connected != times {
				t.Errorf("%d were connected, want %d", st.Connected, times)
			}
			if held := s.Held(); held != 0 {
				t.Errorf("%d are still held", held)
			}
		}
	})
}

func TestCloseWhileStarting(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		f := new(finder)
		s := &p2p.Server{Transport: nw.Transport("a"), ListenAddr: "a:1", Discovery: []p2p.Discovery{slowFinder{f}}, Logger: quiet()}
		var closing sync.WaitGroup
		closing.Go(func() {
			time.Sleep(time.Second / 2)
			s.Close()
		})
		if err := s.Start(); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("Start = %v, want ErrClosed", err)
		}
		closing.Wait()
		if n := f.closes.Load(); n != 1 {
			t.Errorf("the Discovery was closed %d times, want 1", n)
		}
		if l, err := nw.Transport("a").Listen(context.Background(), "a:1"); err != nil {
			t.Errorf("the address is not free: %v", err)
		} else {
			l.Close()
		}
	})
}

// A slowFinder takes a second to start.
type slowFinder struct{ *finder }

func (slowFinder) Start(*node.Local) error { time.Sleep(time.Second); return nil }

func TestEventsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", nil)
		server(t, nw, "b", func(s *p2p.Server) { s.Epoch = 1 })
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		quick, slow, begun := a.Events(ctx), a.Events(ctx), a.Peers()
		var got []string
		var reading sync.WaitGroup
		reading.Go(func() {
			for e := range quick {
				got = append(got, fmt.Sprintf("%v %d %v", e.Kind, e.Peer.Ref().Generation, e.Err))
			}
		})
		run := server(t, nw, "b", func(s *p2p.Server) { s.Epoch, s.ListenAddr = 2, "b:2" })
		if _, err := run.Dial(t.Context(), at(nw, "a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for e := range slow { // only the last, and what is true
			if e.Kind != p2p.PeerUp || e.Peer.Ref().Generation != 2 {
				t.Errorf("a slow reader is told last: %v of generation %d", e.Kind, e.Peer.Ref().Generation)
			}
			break
		}
		if n := a.Readers(); n != 1 {
			t.Errorf("%d readers, want the quick one", n)
		}
		stop()
		start := time.Now()
		reading.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("a reader goes on for %v after the end of ctx", took)
		}
		if len(begun) != 1 || got[len(got)-1] != "up 2 <nil>" || len(got) > 1 && got[0] != "down 1 superseded by a newer generation" {
			t.Errorf("after %d peers: %q, want the old one down if it is told, the new one up", len(begun), got)
		}
		for range quick {
			t.Error("a second range gives something")
		}
	})
}
