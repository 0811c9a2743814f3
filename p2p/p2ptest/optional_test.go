package p2ptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

func TestWhatIsOffered(t *testing.T) {
	for _, tt := range []struct{ noDirect, noDatagrams bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		net := &Network{NoDirect: tt.noDirect, NoDatagrams: tt.noDatagrams}
		a, _ := connect(t, net, "a", "b", 1)
		if _, ok := a.rw[0].(p2p.Direct); ok == tt.noDirect {
			t.Errorf("%+v: Direct is offered: %t", tt, ok)
		}
		if _, ok := a.rw[0].(p2p.Datagrams); ok == tt.noDatagrams {
			t.Errorf("%+v: Datagrams are offered: %t", tt, ok)
		}
		net.Close()
	}
}

func TestDirectDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 2)
		var got []uint64
		var kept [][]byte
		write(t, a.rw[0], 1, "before Attach")
		synctest.Wait()
		time.Sleep(2 * ms)
		nothing := func(func(uint64, []byte, []byte) bool) {}
		b.rw[0].(p2p.Direct).Attach(func(batch []p2p.Msg) {
			for _, m := range batch {
				got = append(got, m.Code)
				kept = append(kept, m.Payload)
			}
		}, nothing)
		d := a.rw[0].(p2p.Direct)
		if err := d.Post(2, []byte("head"), []byte("body")); err != nil {
			t.Errorf("Post = %v", err)
		}
		if !d.TryPost(3, nil, nil) {
			t.Error("TryPost on an empty queue = false")
		}
		if err := d.Post(2, make([]byte, d.MaxPost()), []byte{1}); !errors.Is(err, p2p.ErrTooLarge) {
			t.Errorf("Post(too much) = %v, want ErrTooLarge", err)
		}
		time.Sleep(2 * ms)
		synctest.Wait()
		if want := []uint64{1, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
		if !bytes.Equal(kept[1], bytes.Repeat([]byte{0xdb}, 8)) {
			t.Errorf("a payload kept after deliver = %q, want it spoilt", kept[1])
		}
		b.Close(nil)
		time.Sleep(2 * ms)
		if d.TryPost(3, nil, nil) || d.Post(3, nil, nil) == nil {
			t.Error("Post after the end succeeded")
		}
	})
}

// A filler sends numbers until it has sent all.
type filler struct{ next, last uint32 }

func (f *filler) fill(put func(uint64, []byte, []byte) bool) {
	for f.next < f.last {
		if !put(0, binary.BigEndian.AppendUint32(nil, f.next), make([]byte, 1000)) {
			return
		}
		f.next++
	}
}

func TestFillIsCalledAgainWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 2)
		f := &filler{last: 2000}
		d := a.rw[0].(p2p.Direct)
		d.Attach(func([]p2p.Msg) {}, f.fill)
		d.Wake()
		synctest.Wait()
		if f.next < 200 || f.next > 300 {
			t.Errorf("fill sent %d messages of 1 KB to a reader that stalls, want about 256", f.next)
		}
		write(t, a.rw[1], 0, "other")
		ExpectMsg(t, b.rw[1], 0, []byte("other"))
		for i := range f.last {
			m, err := b.rw[0].ReadMsg()
			if err != nil || binary.BigEndian.Uint32(m.Payload) != i {
				t.Fatalf("message %d = %x, %v", i, brief(m.Payload), err)
			}
		}
		synctest.Wait()
		f.last++ // nobody reads it: fill is not called without a Wake
		time.Sleep(10 * ms)
		synctest.Wait()
		if f.next != 2000 {
			t.Error("fill was called without a Wake")
		}
		d.Wake()
		ExpectMsg(t, b.rw[0], 0, append(binary.BigEndian.AppendUint32(nil, 2000), make([]byte, 1000)...))
	})
}

// A gramLog notes what datagrams arrive.
type gramLog struct {
	mu  sync.Mutex
	got []int
}

func (g *gramLog) on(b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, int(binary.BigEndian.Uint32(b)))
}

func (g *gramLog) seen() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.got)
}

// openDatagrams opens datagrams from a to b on channel 0.
func openDatagrams(t *testing.T, a, b end) (p2p.Datagrams, *gramLog) {
	t.Helper()
	log := new(gramLog)
	b.rw[0].(p2p.Datagrams).OnDatagram(log.on)
	d := a.rw[0].(p2p.Datagrams)
	if err := d.OpenDatagrams(t.Context()); err != nil {
		t.Fatalf("OpenDatagrams = %v", err)
	}
	return d, log
}

func sendDatagrams(t *testing.T, d p2p.Datagrams, n int, gap time.Duration) {
	t.Helper()
	for i := range n {
		if !d.SendDatagram(binary.BigEndian.AppendUint32(nil, uint32(i)), []byte("body")) {
			t.Errorf("SendDatagram %d = false", i)
		}
		time.Sleep(gap)
	}
	time.Sleep(time.Second)
}

func TestDatagrams(t *testing.T) {
	for _, tt := range []struct {
		name     string
		net      *Network
		min, max int
		sorted   bool
	}{
		{"as they come", &Network{Delay: ms}, 1000, 1000, true},
		{"lost", &Network{Seed: 1, Delay: ms, Loss: 0.2}, 750, 850, true},
		{"reordered", &Network{Seed: 1, Delay: ms, Reorder: 0.1}, 1000, 1000, false},
		{"late", &Network{Seed: 1, Delay: ms, Jitter: 9 * ms}, 1000, 1000, false},
		{"doubled", &Network{Seed: 1, Delay: ms, Duplicate: 0.1}, 1050, 1150, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := tt.net
				defer net.Close()
				a, b := connect(t, net, "a", "b", 1)
				d, log := openDatagrams(t, a, b)
				sendDatagrams(t, d, 1000, 500*time.Microsecond)
				got := log.seen()
				if n := len(got); n < tt.min || n > tt.max {
					t.Errorf("%d of 1000 came, want %d to %d", n, tt.min, tt.max)
				}
				if slices.IsSorted(got) != tt.sorted {
					t.Errorf("in order: %t, want %t", slices.IsSorted(got), tt.sorted)
				}
				if s := b.Stats(); s.DatagramsIn != uint64(len(got)) || s.DatagramCarrier != "memory" {
					t.Errorf("Stats() = %+v, want %d datagrams in", s, len(got))
				}
			})
		})
	}
}

func TestTooManyDatagramsDropTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		d, log := openDatagrams(t, a, b)
		for i := range 1000 { // all arrive together
			d.SendDatagram(binary.BigEndian.AppendUint32(nil, uint32(i)), nil)
		}
		time.Sleep(2 * ms)
		if got := log.seen(); len(got) != maxArrived || got[0] != 1000-maxArrived {
			t.Errorf("of 1000 at once came %v, want the last %d", got, maxArrived)
		}
		if n := b.Stats().DatagramsDropped; n != 1000-maxArrived {
			t.Errorf("DatagramsDropped = %d, want %d", n, 1000-maxArrived)
		}
		for range maxFlying {
			d.SendDatagram(nil, nil)
		}
		if d.SendDatagram(nil, nil) || a.Stats().DatagramsDropped != 1 {
			t.Errorf("more datagrams than can fly were taken; dropped = %d", a.Stats().DatagramsDropped)
		}
	})
}

func TestDatagramsHaveNoWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		da, db := a.rw[0].(p2p.Datagrams), b.rw[0].(p2p.Datagrams)
		if da.HaveDatagrams() || da.SendDatagram([]byte("x"), nil) {
			t.Error("there is a carrier before anybody opened one")
		}
		net.SetDatagrams(false)
		if err := da.OpenDatagrams(t.Context()); err == nil || da.HaveDatagrams() {
			t.Errorf("OpenDatagrams without a way = %v", err)
		}
		if s := a.Stats(); s.DatagramCarrier != "" || s.DatagramCarrierLost == "" {
			t.Errorf("Stats() = %+v", s)
		}
		net.SetDatagrams(true)
		began := time.Now()
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- da.OpenDatagrams(t.Context()) }()
		}
		if err := errors.Join(<-errs, <-errs); err != nil || !da.HaveDatagrams() || !db.HaveDatagrams() {
			t.Errorf("OpenDatagrams twice = %v", err)
		}
		took(t, began, 2*ms)
		if da.SendDatagram(make([]byte, da.MaxDatagram()), []byte{1}) {
			t.Error("a datagram that is too large was sent")
		}
		net.SetDatagrams(false)
		if da.HaveDatagrams() || db.HaveDatagrams() {
			t.Error("the carrier is still there")
		}
		net.SetDatagrams(true)
		net.Cut("a", "b")
		if err := da.OpenDatagrams(t.Context()); !errors.Is(err, p2p.DiscReadTimeout) {
			t.Errorf("OpenDatagrams in a partition = %v, want what ended the session", err)
		}
	})
}

func TestAFillThatPutsWhatMayNotBeSent(t *testing.T) {
	for _, bad := range []struct {
		code uint64
		body int
	}{{16, 0}, {0, maxPost + 1}} {
		net := new(Network)
		a, b := connect(t, net, "a", "b", 1)
		d := a.rw[0].(p2p.Direct)
		d.Attach(func([]p2p.Msg) {}, func(put func(uint64, []byte, []byte) bool) {
			if put(bad.code, nil, make([]byte, bad.body)) {
				t.Errorf("put(%+v) = true", bad)
			}
		})
		d.Wake()
		<-a.Done()
		<-b.Done()
		if !errors.Is(a.Err(), p2p.DiscProtocolError) || !errors.Is(b.Err(), p2p.DiscProtocolError) {
			t.Errorf("after put(%+v) Err() = %v and %v", bad, a.Err(), b.Err())
		}
		net.Close()
	}
}

func TestADatagramIsOnlyLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: ms, Duplicate: 1}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		var kept [][]byte
		b.rw[0].(p2p.Datagrams).OnDatagram(func(p []byte) {
			if string(p) != "headbody" {
				t.Errorf("a datagram is %q", p)
			}
			kept = append(kept, p)
		})
		d := a.rw[0].(p2p.Datagrams)
		if err := d.OpenDatagrams(t.Context()); err != nil {
			t.Fatal(err)
		}
		head := []byte("head")
		d.SendDatagram(head, []byte("body"))
		clear(head)
		time.Sleep(2 * ms)
		synctest.Wait()
		if len(kept) != 2 || string(kept[0]) == "headbody" || string(kept[1]) == "headbody" {
			t.Errorf("kept after OnDatagram: %q, want two that are spoilt", kept)
		}
	})
}

func TestDatagramsDoNotOutliveAPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * ms}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		d, log := openDatagrams(t, a, b)
		net.Cut("a", "b")
		d.SendDatagram([]byte{0, 0, 0, 1}, nil)
		time.Sleep(time.Second)
		net.Heal()
		d.SendDatagram([]byte{0, 0, 0, 2}, nil)
		time.Sleep(time.Second)
		if got := log.seen(); !slices.Equal(got, []int{2}) {
			t.Errorf("arrived %v, want [2]", got)
		}
	})
}
