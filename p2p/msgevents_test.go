package p2p_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

// talk is a protocol where the side that has dialled sends "a" and "bc" with code
// 1, and directly something with 2 and 3 as well.
func talk(direct bool) p2p.Protocol {
	run := func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
		for _, text := range []string{"a", "bc"} {
			if p.Inbound() {
				break
			}
			if err := rw.WriteMsg(p2p.Msg{Code: 1, Payload: []byte(text)}); err != nil {
				return err
			}
		}
		for {
			if _, err := rw.ReadMsg(); err != nil {
				return err
			}
		}
	}
	if direct {
		run = func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			d, filled := rw.(p2p.Direct), false
			d.Attach(func([]p2p.Msg) {}, func(put func(uint64, []byte, []byte) bool) {
				if !filled {
					filled = put(3, []byte("xy"), []byte("z"))
				}
			})
			if !p.Inbound() {
				d.Post(1, []byte("a"), nil)
				d.Post(1, nil, []byte("bc"))
				d.TryPost(2, []byte("12345"), nil)
				d.Wake()
			}
			<-p.Done()
			return nil
		}
	}
	return p2p.Protocol{Name: "talk", Version: 1, Length: 4, Run: run}
}

// Who reads at once is told of each message, who reads late of their sums, and
// both are told the same in all.
func TestMsgEvents(t *testing.T) {
	plain, all := []string{"talk/1 1: 2, 3 bytes"}, []string{"talk/1 1: 2, 3 bytes", "talk/1 2: 1, 5 bytes", "talk/1 3: 1, 3 bytes"}
	for _, tt := range []struct {
		name            string
		direct, enabled bool
		want            []string
	}{{"not asked for", false, false, nil}, {"read", false, true, plain}, {"direct", true, true, all}} {
		for _, late := range []bool{false, true} {
			bubble(t, func(t *testing.T, nw *p2ptest.Network) {
				edit := func(s *p2p.Server) {
					s.Protocols, s.EnableMsgEvents = []p2p.Protocol{talk(tt.direct)}, tt.enabled
				}
				a, b := server(t, nw, "a", edit), server(t, nw, "b", edit)
				var reading sync.WaitGroup
				var got [2][]string
				for i, s := range []*p2p.Server{a, b} {
					ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
					defer stop()
					events := s.Events(ctx)
					reading.Go(func() {
						if late {
							time.Sleep(time.Second)
						}
						got[i] = sums(t, events, []p2p.EventKind{p2p.MsgSent, p2p.MsgReceived}[i], late)
					})
				}
				synctest.Wait()
				if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
					t.Fatal(err)
				}
				reading.Wait()
				for i, kind := range []string{"sent", "received"} {
					if !slices.Equal(got[i], tt.want) {
						t.Errorf("%s, late %v: %s %q, want %q", tt.name, late, kind, got[i], tt.want)
					}
				}
			})
		}
	}
}

// sums adds up the events about messages until there are no more, sorted.
func sums(t *testing.T, events func(func(p2p.Event) bool), want p2p.EventKind, late bool) []string {
	var order []string
	counts, bytes := make(map[string]uint64), make(map[string]uint64)
	for e := range events {
		if e.Kind == p2p.PeerUp || e.Kind == p2p.PeerDown {
			continue
		}
		what := fmt.Sprintf("%v %d", e.Cap, e.Code)
		if e.Kind != want || e.Peer == nil || e.Err != nil || e.Missed != 0 {
			t.Errorf("event %v %s of %v, missed %d; want %v", e.Kind, what, e.Peer, e.Missed, want)
		}
		if !slices.Contains(order, what) {
			order = append(order, what)
		} else if late {
			t.Errorf("%s comes twice to a late reader", what)
		}
		counts[what] += e.Count
		bytes[what] += e.Bytes
	}
	slices.Sort(order)
	for i, what := range order {
		order[i] = fmt.Sprintf("%s: %d, %d bytes", what, counts[what], bytes[what])
	}
	return order
}

// A reader of events that never comes back costs a session nothing.
func TestMsgEventsNeverSlowASession(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		const messages = 10_000
		var heard int
		var last time.Time
		flood := p2p.Protocol{Name: "flood", Version: 1, Length: 1 << 16, Run: func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			for i := range uint64(messages) {
				if err := rw.WriteMsg(p2p.Msg{Code: i}); err != nil {
					return err
				}
			}
			_, err := rw.ReadMsg()
			return err
		}}
		sink := flood
		sink.Run = func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			for ; ; heard++ {
				if _, err := rw.ReadMsg(); err != nil {
					return err
				}
				last = time.Now()
			}
		}
		a := server(t, nw, "a", func(s *p2p.Server) { s.Protocols, s.EnableMsgEvents = []p2p.Protocol{flood}, true })
		b := server(t, nw, "b", func(s *p2p.Server) { s.Protocols, s.EnableMsgEvents = []p2p.Protocol{sink}, true })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		events := b.Events(ctx)
		begin := time.Now()
		if _, err := a.Dial(t.Context(), at(nw, "b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if took := last.Sub(begin); heard != messages || took > 100*time.Millisecond {
			t.Errorf("%d messages in %v, want %d in a few trips", heard, took, messages)
		}
		missed, count := 0, uint64(0)
		for e := range events {
			missed += e.Missed
			count += e.Count
			if count+uint64(missed) == messages {
				stop()
			}
		}
		if missed != messages-1024 || count != 1024 {
			t.Errorf("a late reader of so many kinds is told of %d and misses %d, want the last 1024", count, missed)
		}
	})
}
