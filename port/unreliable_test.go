package port

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p/p2ptest"
)

func TestUnreliableMessagesArrive(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		got := make(chan []byte, 10)
		handle(t, m, 1, Unreliable, func(_ context.Context, m *Message) ([]byte, error) {
			got <- bytes.Clone(m.Data)
			return nil, nil
		})
		c := connect(m, 1)
		for _, n := range []int{0, 1, 64, 1024, MaxUnreliable} {
			if err := c.Send(within(t), pattern(n, n)); err != nil {
				t.Errorf("Send of %d bytes = %v", n, err)
			}
			equal(t, fmt.Sprint("message of ", n), <-got, pattern(n, n))
		}
		if want := t.Name() == "TestUnreliableMessagesArrive/direct"; c.Datagrams() != want {
			t.Errorf("Datagrams() = %v, want %v", c.Datagrams(), want)
		}
	})
}

// S8: too large is a typed error with the maximum, the same on all sessions.
func TestS8TooLargeForADatagram(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		handle(t, m, 1, Unreliable, echo)
		c := connect(m, 1)
		var large *TooLargeError
		err := c.Send(within(t), make([]byte, MaxUnreliable+1))
		if !errors.As(err, &large) || large.Limit != MaxUnreliable || large.Size != MaxUnreliable+1 {
			t.Errorf("Send of %d bytes = %v, want a TooLargeError", MaxUnreliable+1, err)
		}
		if c.MaxMessage() != MaxUnreliable {
			t.Errorf("MaxMessage() = %d, want %d", c.MaxMessage(), MaxUnreliable)
		}
	})
}

// S8: whatever is lost in our house is counted, and the sender never waits.
func TestS8EveryDropIsCounted(t *testing.T) {
	for _, carried := range []bool{true, false} {
		t.Run(fmt.Sprint("datagrams ", carried), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := &p2ptest.Network{NoDatagrams: !carried}
				r := newRig(t, net, new(Mux), new(Mux))
				release := make(chan struct{})
				var handled, last atomic.Int64
				handle(t, r.b, 1, Unreliable, func(_ context.Context, m *Message) ([]byte, error) {
					<-release
					handled.Add(1)
					n := int64(binary.BigEndian.Uint32(m.Data))
					for old := last.Load(); old < n && !last.CompareAndSwap(old, n); old = last.Load() {
					}
					return nil, nil
				})
				c := r.connect(t, 1)
				const n = 20_000
				began := time.Now()
				for i := range n {
					if err := c.Send(t.Context(), binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("the sender waited %v", took)
				}
				synctest.Wait()
				close(release)
				synctest.Wait()
				dropped := r.b.Ports()[0].Stats.Dropped + r.a.Stats().Dropped
				for _, p := range append(r.srvA.Peers(), r.srvB.Peers()...) {
					if carried {
						dropped += p.Stats().DatagramsDropped
					}
				}
				if carried { // those that the session refused we have counted too
					for _, p := range r.srvA.Peers() {
						dropped -= min(p.Stats().DatagramsDropped, r.a.Stats().Dropped)
					}
				}
				if got := uint64(handled.Load()) + dropped; got != n {
					t.Errorf("%d handled and %d dropped, want %d together", handled.Load(), dropped, n)
				}
				if most := int64(mostOut + 192 + gramQueue); !carried && handled.Load() > most {
					t.Errorf("%d were kept for a stuck handler, want at most %d", handled.Load(), most)
				}
				if !carried && last.Load() != n-1 {
					t.Errorf("the last message handled is %d, want %d: the oldest are dropped", last.Load(), n-1)
				}
			})
		})
	}
}

// Without a carrier a full session costs the oldest messages, and no time.
func TestS8TheOldestIsDropped(t *testing.T) {
	r, s := newRounds()
	r.full = true
	s.mode = Unreliable
	for i := range maxDatagrams + 44 {
		if err := s.sendUnreliable([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	r.write()
	if len(r.sent) != maxDatagrams || r.first[0] != 44 || r.link.mux.Stats().Dropped != 44 {
		t.Errorf("%d sent, the first is %d, %d dropped; want %d, 44 and 44", len(r.sent), r.first[0], r.link.mux.Stats().Dropped, maxDatagrams)
	}
}

// UDP that does not get through costs Connect a few seconds once, and nothing
// more.
func TestWithoutUDPConnectWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(p2ptest.Network)
		r := newRig(t, net, new(Mux), new(Mux))
		net.SetDatagrams(false)
		got := make(chan string, 1)
		handle(t, r.b, 1, Unreliable, func(_ context.Context, m *Message) ([]byte, error) {
			got <- string(m.Data)
			return nil, nil
		})
		began := time.Now()
		c := r.connect(t, 1)
		if took := time.Since(began); took > carrierWait {
			t.Errorf("Connect took %v, want at most %v", took, carrierWait)
		}
		if err := c.Send(t.Context(), []byte("hi")); err != nil || <-got != "hi" {
			t.Errorf("Send = %v", err)
		}
		began = time.Now()
		r.connect(t, 1)
		if took := time.Since(began); took != 0 {
			t.Errorf("the second Connect took %v, want none", took)
		}
		if c.Datagrams() || r.a.Stats().NoDatagram != 1 {
			t.Errorf("Datagrams() = %v, Stats %+v", c.Datagrams(), r.a.Stats())
		}
		net.SetDatagrams(true)
		time.Sleep(carrierRest + time.Second)
		if d := r.connect(t, 1); !d.Datagrams() || !c.Datagrams() || r.a.Stats().Datagrams != 1 {
			t.Error("UDP is back, but not in use")
		}
	})
}

// The session ends: the next message finds another, and if there is none says so.
func TestUnreliableAfterTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
		got := make(chan string, 1)
		handle(t, r.b, 1, Unreliable, func(_ context.Context, m *Message) ([]byte, error) {
			got <- string(m.Data)
			return nil, nil
		})
		c := r.connect(t, 1)
		r.srvB.Close()
		time.Sleep(time.Second)
		if err := c.Send(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "port: send to 1 at ") {
			t.Errorf("Send to nobody = %v", err)
		}
		time.Sleep(time.Minute) // the Server's back-off
		r.srvB = r.start(t, "b", r.b)
		if err := c.Send(t.Context(), []byte("again")); err != nil || <-got != "again" {
			t.Errorf("Send = %v", err)
		}
	})
}
