package rlpx

import (
	"errors"
	"runtime"
	"testing"
)

// A million pings from a peer that takes no pong: they cost nothing but time, and
// what is sent after them arrives.
func TestR8AMillionPings(t *testing.T) {
	pings := 1_000_000
	if testing.Short() || race {
		pings = 20_000
	}
	ca, cb := tcpPair(t)
	a, b := NewSession(ca), NewSession(cb)
	greetBoth(t, a, b)
	as, err := a.Open([]Protocol{{Length: 8}})
	if err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var some []byte
	for sent := 0; sent < pings; sent += 1000 {
		some = some[:0]
		for range 1000 {
			some, _ = appendMessage(some, codePing, emptyList, true)
		}
		if err := cb.write(some); err != nil {
			t.Fatal(err)
		}
		if more := runtime.NumGoroutine() - goroutines; more > 1 {
			t.Fatalf("%d goroutines more after %d pings", more, sent)
		}
	}
	cb.SetSnappy(true)
	if err := cb.WriteMsg(0x10, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if m, err := as[0].ReadMsg(); err != nil || string(m.Payload) != "after" {
		t.Errorf("ReadMsg() = %q, %v", m.Payload, err)
	}
	runtime.ReadMemStats(&after)
	// Each pong that is sent costs a little, and no more are sent than the peer's
	// buffers take; the pings themselves cost nothing.
	if took := after.HeapAlloc - min(after.HeapAlloc, before.HeapAlloc); took > 8<<20 {
		t.Errorf("%d bytes of memory more", took)
	}
	a.mu.Lock()
	queued := len(a.buf)
	a.mu.Unlock()
	if queued > maxPongs*80 {
		t.Errorf("%d bytes are queued", queued)
	}
	cb.Close()
	<-a.Done()
	if !errors.Is(a.Err(), NetworkError) {
		t.Errorf("Err() = %v, want %v", a.Err(), NetworkError)
	}
	closeBoth(a, b)
}
