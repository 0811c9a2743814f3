package rlpx

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// What an idle session costs: its buffers are small and it has one goroutine.
func TestIdleSessionsAreSmall(t *testing.T) {
	const pairs = 100
	type both struct{ a, b *Session }
	var conns [pairs][2]*Conn
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for i := range conns {
		conns[i][0], conns[i][1] = pair(t)
	}
	var all [pairs]both
	for i, c := range conns {
		a, b, as, bs := openBoth(t, c[0], c[1])
		for range 3 {
			as[0].WriteMsg(Msg{1, noise(100)})
			bs[0].ReadMsg()
			bs[0].WriteMsg(Msg{1, noise(100)})
			as[0].ReadMsg()
		}
		all[i] = both{a, b}
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := runtime.NumGoroutine() - goroutines; more != 2*pairs {
		t.Errorf("%d goroutines for %d sessions", more, 2*pairs)
	}
	heap, stack := (after.HeapAlloc-before.HeapAlloc)/(2*pairs), (int64(after.StackInuse)-int64(before.StackInuse))/(2*pairs)
	t.Logf("%d bytes of heap and %d of stack", heap, stack)
	if heap > 8<<10 || stack > 8<<10 {
		t.Errorf("an idle session has %d bytes of heap and %d of stack, want 8192 of each at most", heap, stack)
	}
	for _, s := range all {
		go s.a.Close(nil)
		s.b.Close(nil)
		<-s.a.Done()
	}
}

// What a burst has made large is small again a while later.
func TestBuffersGoWhenABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		for range 4 {
			for range 200 {
				if err := as[0].WriteMsg(Msg{1, noise(1000)}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			for range 200 {
				if _, err := bs[0].ReadMsg(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var reader sync.WaitGroup
		reader.Go(func() { bs[0].ReadMsg() })
		synctest.Wait()
		size := func() int {
			a.mu.Lock()
			defer a.mu.Unlock()
			c := bs[0]
			c.mu.Lock()
			defer c.mu.Unlock()
			return cap(a.buf) + cap(a.spare) + int(unsafe.Sizeof(Msg{}))*(cap(c.queue)+cap(c.spare)+cap(c.taken))
		}
		if n := size(); n < 10<<10 {
			t.Errorf("a burst takes %d bytes: this test has become pointless", n)
		}
		time.Sleep(3 * time.Minute)
		if n := size(); n > 1<<10 {
			t.Errorf("three minutes after a burst there are %d bytes", n)
		}
		closeBoth(a, b)
		reader.Wait()
		if n := cap(b.conn.in.buf); n > 1<<10 {
			t.Errorf("three minutes after a burst the reader's buffer has %d bytes", n)
		}
	})
}
