package rlpx

import (
	"bytes"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A peer that pings as fast as it can and takes no pong costs one goroutine and a
// few bytes.
func TestPingsAreAnsweredWithoutAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		as, err := a.Open([]Protocol{{Length: 8}})
		if err != nil {
			t.Fatal(err)
		}
		before := runtime.NumGoroutine()
		cb.SetSnappy(true)
		for range 2000 {
			if err := cb.WriteMsg(codePing, []byte{0xc0}); err != nil {
				t.Fatal(err)
			}
		}
		if err := cb.WriteMsg(0x10, []byte("after")); err != nil {
			t.Fatal(err)
		}
		if m, err := as[0].ReadMsg(); err != nil || string(m.Payload) != "after" {
			t.Errorf("ReadMsg() = %q, %v", m.Payload, err)
		}
		if more := runtime.NumGoroutine() - before; more > 1 {
			t.Errorf("%d goroutines more", more)
		}
		a.mu.Lock()
		if cap(a.buf)+cap(a.spare) > 4096 || a.pongs > maxPongs {
			t.Errorf("buffers of %d and %d bytes, %d pongs", cap(a.buf), cap(a.spare), a.pongs)
		}
		a.mu.Unlock()
		pongs := 0
		go func() {
			time.Sleep(time.Second)
			cb.conn.Close()
		}()
		for {
			code, _, err := cb.ReadMsg()
			if err != nil {
				break
			}
			if code == codePong {
				pongs++
			}
		}
		if pongs == 0 || pongs > 2*maxPongs {
			t.Errorf("%d pongs", pongs)
		}
		closeBoth(a, b)
	})
}

// Each ping of a peer that waits for the answer is answered.
func TestEveryPingIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		if _, err := a.Open([]Protocol{{Length: 8}}); err != nil {
			t.Fatal(err)
		}
		cb.SetSnappy(true)
		for i := range 100 {
			if err := cb.WriteMsg(codePing, []byte{0xc0}); err != nil {
				t.Fatal(err)
			}
			if code, data, err := cb.ReadMsg(); err != nil || code != codePong || !bytes.Equal(data, []byte{0xc0}) {
				t.Fatalf("%d: ReadMsg() = %#x %x, %v; want a pong", i, code, data, err)
			}
		}
		closeBoth(a, b)
	})
}
