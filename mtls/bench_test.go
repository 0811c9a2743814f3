package mtls

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"kith/p2p"
)

// BenchmarkDirect posts messages that the other side counts: no allocation for
// each, whatever their size.
func BenchmarkDirect(b *testing.B) {
	for _, size := range []int{64, 1024, 16_000} {
		b.Run(fmt.Sprintf("post/%d", size), func(b *testing.B) { benchmarkDirect(b, size-8, post) })
		b.Run(fmt.Sprintf("fill/%d", size), func(b *testing.B) { benchmarkDirect(b, size-8, fill) })
	}
}

func benchmarkDirect(b *testing.B, size int, send func(b *testing.B, c *directEnd, body []byte)) {
	w := newWorld(b)
	x, y := w.transport("x"), w.transport("y")
	n, sessions := listen(b, y)
	dialled := dialTo(b, x, n)
	accepted := <-sessions
	defer closeBoth(dialled, accepted)
	xs, ys := openBoth(b, dialled, accepted, twoChannels)
	got, done := 0, make(chan bool, 1)
	ys[0].(p2p.Direct).Attach(func(batch []p2p.Msg) {
		if got += len(batch); got == b.N {
			done <- true
		}
	}, func(func(uint64, []byte, []byte) bool) {})
	c := &directEnd{Direct: xs[0].(p2p.Direct)}
	c.Attach(func([]p2p.Msg) {}, func(put func(uint64, []byte, []byte) bool) { c.fill(put) })
	body := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	send(b, c, body)
	<-done
}

// A directEnd is a user of p2p.Direct.
type directEnd struct {
	p2p.Direct
	fill func(put func(uint64, []byte, []byte) bool)
}

func post(b *testing.B, c *directEnd, body []byte) {
	var head [8]byte
	for range b.N {
		if err := c.Post(1, head[:], body); err != nil {
			b.Fatal(err)
		}
	}
}

func fill(b *testing.B, c *directEnd, body []byte) {
	head, sent := make([]byte, 8), 0
	c.fill = func(put func(uint64, []byte, []byte) bool) {
		for sent < b.N && put(1, head, body) {
			sent++
		}
	}
	c.Wake()
}

// BenchmarkPingPong is one message there and one back.
func BenchmarkPingPong(b *testing.B) {
	w := newWorld(b)
	x, y := w.transport("x"), w.transport("y")
	n, sessions := listen(b, y)
	dialled := dialTo(b, x, n)
	accepted := <-sessions
	defer closeBoth(dialled, accepted)
	xs, ys := openBoth(b, dialled, accepted, twoChannels)
	back := make(chan bool, 1)
	none := func(func(uint64, []byte, []byte) bool) {}
	echo, caller := ys[0].(p2p.Direct), xs[0].(p2p.Direct)
	echo.Attach(func(batch []p2p.Msg) {
		for _, m := range batch {
			echo.TryPost(m.Code, nil, m.Payload)
		}
	}, none)
	caller.Attach(func(batch []p2p.Msg) { back <- true }, none)
	body := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if err := caller.Post(1, nil, body); err != nil {
			b.Fatal(err)
		}
		<-back
	}
}

// BenchmarkDatagrams sends as fast as datagrams are taken, or with some under
// way.
func BenchmarkDatagrams(b *testing.B) {
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprintf("blast/%d", size), func(b *testing.B) { benchmarkDatagrams(b, size, 1<<30) })
		b.Run(fmt.Sprintf("flight64/%d", size), func(b *testing.B) { benchmarkDatagrams(b, size, 64) })
		b.Run(fmt.Sprintf("flight1024/%d", size), func(b *testing.B) { benchmarkDatagrams(b, size, 1024) })
	}
}

func benchmarkDatagrams(b *testing.B, size int, flight int64) {
	w := newWorld(b)
	dialled, accepted, xs, ys := both(b, w.transport("x"), w.transport("y"))
	from, to := xs[0].(p2p.Datagrams), ys[0].(p2p.Datagrams)
	if err := from.OpenDatagrams(b.Context()); err != nil {
		b.Fatal(err)
	}
	var got atomic.Int64
	half := make(chan struct{}, 1) // half a flight has come
	to.OnDatagram(func([]byte) {
		if got.Add(1)%(flight/2) == 0 {
			select {
			case half <- struct{}{}:
			default:
			}
		}
	})
	body := make([]byte, size)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range int64(b.N) {
		for lost := false; i-got.Load() >= flight && !lost; {
			select {
			case <-half:
			case <-time.After(20 * time.Millisecond):
				lost = true
			}
		}
		for !from.SendDatagram(nil, body) {
			runtime.Gosched()
		}
	}
	for dialled.Stats().DatagramsOut+dialled.Stats().DatagramsDropped < uint64(b.N) {
		time.Sleep(10 * time.Millisecond)
	}
	for last := uint64(1); last != accepted.Stats().DatagramsIn; time.Sleep(10 * time.Millisecond) {
		last = accepted.Stats().DatagramsIn
	}
	b.ReportMetric(100*(1-float64(accepted.Stats().DatagramsIn)/float64(b.N)), "%lost")
}
