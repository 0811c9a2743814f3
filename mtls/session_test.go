package mtls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

func TestMessagesOverLoopback(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	n, sessions := listen(t, b)
	dialled := dialTo(t, a, n)
	accepted := <-sessions
	defer closeBoth(dialled, accepted)
	if dialled.Remote() != b.ID() || accepted.Remote() != a.ID() {
		t.Errorf("Remote() = %v and %v, want %v and %v", dialled.Remote(), accepted.Remote(), b.ID(), a.ID())
	}
	if dialled.LocalAddr() != accepted.RemoteAddr() || dialled.RemoteAddr() != accepted.LocalAddr() {
		t.Errorf("addresses %v-%v and %v-%v do not agree", dialled.LocalAddr(), dialled.RemoteAddr(), accepted.LocalAddr(), accepted.RemoteAddr())
	}
	as, bs := openBoth(t, dialled, accepted, twoChannels)
	testTraffic(t, as, bs)
	if st := dialled.Stats(); st.Carrier != "tcp" || st.MsgsOut != trafficMsgs || st.MsgsIn != trafficMsgs || st.BytesOut < trafficMsgs {
		t.Errorf("Stats() = %+v, want %d messages each way on tcp", st, trafficMsgs)
	}
}

const trafficMsgs = 2 * 40

// testTraffic sends messages of many sizes both ways on all channels at once.
func testTraffic(t *testing.T, as, bs []p2p.MsgReadWriter) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range as {
		for dir, pair := range [][2]p2p.MsgReadWriter{{as[i], bs[i]}, {bs[i], as[i]}} {
			seed := uint64(i*2 + dir)
			wg.Go(func() { sendAll(t, pair[0], seed) })
			wg.Go(func() { receiveAll(t, pair[1], seed) })
		}
	}
	wg.Wait()
}

func trafficMsg(rnd *rand.Rand) p2p.Msg {
	size := []int{0, 1, 64, 1000, maxPayload - 1, maxPayload, maxPayload + 1, 100_000, 1 << 20}[rnd.IntN(9)]
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(rnd.Uint32())
	}
	return p2p.Msg{Code: rnd.Uint64N(16), Payload: payload}
}

func sendAll(t *testing.T, w p2p.MsgWriter, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range trafficMsgs / 2 {
		m := trafficMsg(rnd)
		if err := w.WriteMsg(m); err != nil {
			t.Errorf("WriteMsg(%d bytes) = %v", len(m.Payload), err)
			return
		}
		clear(m.Payload) // WriteMsg must have copied it
	}
}

func receiveAll(t *testing.T, r p2p.MsgReader, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range trafficMsgs / 2 {
		want := trafficMsg(rnd)
		got, err := r.ReadMsg()
		if err != nil {
			t.Errorf("ReadMsg() = %v", err)
			return
		}
		if got.Code != want.Code || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("message %d: code %d with %d bytes, want code %d with %d", i, got.Code, len(got.Payload), want.Code, len(want.Payload))
			return
		}
	}
}

func TestHelloCarriesFields(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	n, sessions := listen(t, b)
	dialled := dialTo(t, a, n)
	accepted := <-sessions
	defer closeBoth(dialled, accepted)
	ours := p2p.Hello{Name: "älice", Version: [3]uint16{1, 2, 3}, Caps: []p2p.Cap{{Name: "x", Version: 2}, {Name: "y", Version: 1}}, ListenPort: 99, Epoch: 1 << 60}
	var wg sync.WaitGroup
	wg.Go(func() {
		theirs, err := accepted.Hello(t.Context(), p2p.Hello{Name: "b", Version: [3]uint16{1, 9, 9}}, func(h p2p.Hello) error {
			want := ours
			want.You = accepted.LocalAddr()
			if fmt.Sprint(h) != fmt.Sprint(want) {
				t.Errorf("hello = %v, want %v", h, want)
			}
			return nil
		})
		if err != nil || theirs.Name != "älice" {
			t.Errorf("Hello() = %v, %v", theirs, err)
		}
	})
	theirs, err := dialled.Hello(t.Context(), ours, accept)
	if err != nil || theirs.Name != "b" || theirs.You != dialled.LocalAddr() {
		t.Errorf("Hello() = %v, %v, want b's, with our address %v", theirs, err, dialled.LocalAddr())
	}
	wg.Wait()
}

func TestHelloRefusal(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ours    [3]uint16
		decideA error
		decideB error
		reason  p2p.DiscReason
	}{
		{"acceptor refuses", [3]uint16{}, nil, fmt.Errorf("%w: 7 of 7", p2p.DiscTooManyPeers), p2p.DiscTooManyPeers},
		{"dialler refuses", [3]uint16{}, p2p.DiscAlreadyConnected, nil, p2p.DiscAlreadyConnected},
		{"another major version", [3]uint16{1, 0, 0}, nil, nil, p2p.DiscIncompatibleVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := pipe(t, w.transport("a"), w.transport("b"))
				var errB error
				var wg sync.WaitGroup
				wg.Go(func() {
					_, errB = b.Hello(t.Context(), p2p.Hello{}, func(p2p.Hello) error { return tt.decideB })
					if errB == nil {
						rws, _ := b.Open(twoChannels)
						_, errB = rws[0].ReadMsg()
						b.Close(nil)
					}
				})
				_, errA := a.Hello(t.Context(), p2p.Hello{Version: tt.ours}, func(p2p.Hello) error { return tt.decideA })
				wg.Wait()
				if !errors.Is(errA, tt.reason) || !errors.Is(errB, tt.reason) {
					t.Errorf("Hello() = %v and %v, want %v on both sides", errA, errB, tt.reason)
				}
				t.Log(errA, "|", errB)
			})
		})
	}
}

func TestCloseTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		as, bs := openBoth(t, a, b, twoChannels)
		if err := as[1].WriteMsg(p2p.Msg{Code: 3, Payload: []byte("last words")}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		a.Close(fmt.Errorf("%w: nobody asked", p2p.DiscIdle))
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want no time when the peer listens", took)
		}
		if m, err := bs[1].ReadMsg(); err != nil || string(m.Payload) != "last words" {
			t.Errorf("ReadMsg() = %q, %v, want what was written before Close", m.Payload, err)
		}
		_, err := bs[1].ReadMsg()
		if d, ok := errors.AsType[*p2p.DisconnectError](err); !ok || d.Reason != p2p.DiscIdle || !d.Remote {
			t.Errorf("ReadMsg() = %v, want the peer's reason", err)
		}
		<-b.Done()
		if !errors.Is(b.Err(), p2p.DiscIdle) || !errors.Is(a.Err(), p2p.DiscIdle) {
			t.Errorf("Err() = %v and %v, want idle", a.Err(), b.Err())
		}
		if err := as[0].WriteMsg(p2p.Msg{}); !errors.Is(err, p2p.DiscIdle) {
			t.Errorf("WriteMsg after Close = %v, want why it was closed", err)
		}
	})
}

func TestCloseWaitsASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		greetBoth(t, a, b)
		if _, err := a.Open(twoChannels); err != nil {
			t.Fatal(err)
		}
		start := time.Now() // b is never opened, so nobody reads there
		a.Close(nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v, want 1s", took)
		}
		b.Close(nil)
	})
}

// A pulled cable: nothing comes and nothing goes, and no error tells.
func TestSilentPeerIsDeadAfterSevenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cut, ca, cb := newWire()
		a, b := handshake(t, w.transport("a"), w.transport("b"), ca, cb)
		as, bs := openBoth(t, a, b, twoChannels)
		time.Sleep(time.Minute)
		if a.Err() != nil || b.Err() != nil {
			t.Fatalf("Err() = %v and %v after an idle minute, want none", a.Err(), b.Err())
		}
		if rtt := a.Stats().RTT; rtt <= 0 {
			t.Errorf("Stats().RTT = %v, want one", rtt)
		}
		cut.pulled.Store(true)
		var wg sync.WaitGroup
		for s, rws := range map[*session][]p2p.MsgReadWriter{a: as, b: bs} {
			wg.Go(func() {
				last := s.began.Add(time.Duration(s.rate.heard.Load()))
				_, err := rws[0].ReadMsg()
				if took := time.Since(last); took != 7*time.Second {
					t.Errorf("dead %v after the last sign of life, want 7s", took)
				}
				if !errors.Is(err, p2p.DiscReadTimeout) {
					t.Errorf("ReadMsg() = %v, want %v", err, p2p.DiscReadTimeout)
				}
				<-s.Done()
			})
		}
		wg.Wait()
		closeBoth(a, b)
	})
}

func TestDirect(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	n, sessions := listen(t, b)
	dialled := dialTo(t, a, n)
	accepted := <-sessions
	defer closeBoth(dialled, accepted)
	as, bs := openBoth(t, dialled, accepted, twoChannels)
	const each = 5000
	done := make(chan bool)
	next := 0
	bs[0].(p2p.Direct).Attach(func(batch []p2p.Msg) {
		for _, m := range batch {
			if want := fmt.Sprintf("head %d body", next); string(m.Payload) != want {
				t.Errorf("message %q, want %q", m.Payload, want)
			}
			next++
		}
		if next == 2*each {
			close(done)
		}
	}, func(func(uint64, []byte, []byte) bool) {})
	d := as[0].(p2p.Direct)
	sent := each
	d.Attach(func([]p2p.Msg) {}, func(put func(uint64, []byte, []byte) bool) {
		for sent < 2*each && put(1, fmt.Appendf(nil, "head %d ", sent), []byte("body")) {
			sent++
		}
	})
	for i := range each {
		if err := d.Post(1, fmt.Appendf(nil, "head %d ", i), []byte("body")); err != nil {
			t.Fatal(err)
		}
	}
	d.Wake()
	<-done
	if err := d.Post(16, nil, nil); !errors.Is(err, p2p.ErrBadCode) {
		t.Errorf("Post of code 16 = %v, want %v", err, p2p.ErrBadCode)
	}
	if err := d.Post(1, nil, make([]byte, d.MaxPost()+1)); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("Post of too much = %v, want %v", err, p2p.ErrTooLarge)
	}
}

// What comes before Attach is not lost.
func TestAttachGetsWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		as, bs := openBoth(t, a, b, twoChannels)
		for i := range 3 {
			if err := as[0].WriteMsg(p2p.Msg{Code: uint64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var got []uint64
		bs[0].(p2p.Direct).Attach(func(batch []p2p.Msg) {
			for _, m := range batch {
				got = append(got, m.Code)
			}
		}, nil)
		if err := as[0].WriteMsg(p2p.Msg{Code: 3}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if fmt.Sprint(got) != "[0 1 2 3]" {
			t.Errorf("delivered codes %v, want 0 to 3 in order", got)
		}
		closeBoth(a, b)
	})
}

func TestHelloTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		start := time.Now()
		_, err := b.Hello(t.Context(), p2p.Hello{}, accept)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Second {
			t.Errorf("Hello() = %v after %v, want a timeout after 5s", err, took)
		}
		a.Close(nil)
	})
}
