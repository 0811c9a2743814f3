package rlpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the order of calls, nothing hangs or panics and Close has the last
// word.
func TestSessionCallOrders(t *testing.T) {
	hello := func(s *Session) { s.Hello(context.Background(), helloNamed("a"), accepting) }
	open := func(s *Session) { s.Open([]Protocol{{Length: 8}}) }
	closing := func(s *Session) { s.Close(nil) }
	fail := func(s *Session) { s.fail(errors.New("cut")) }
	for name, calls := range map[string][]func(*Session){
		"close":                    {closing},
		"close twice":              {closing, closing},
		"open, close":              {open, closing},
		"close, open":              {closing, open, closing},
		"close, hello":             {closing, hello},
		"hello, close":             {hello, closing},
		"hello, open, close":       {hello, open, closing},
		"open twice":               {hello, open, open, closing, open},
		"fail, close":              {fail, closing},
		"open, fail, close":        {hello, open, fail, closing},
		"fail, hello, open, close": {fail, hello, open, closing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := pair(t)
				a, b := NewSession(ca), NewSession(cb)
				go func() {
					hello(b)
					b.Open([]Protocol{{Length: 8}})
				}()
				for _, call := range calls {
					call(a)
				}
				select {
				case <-a.Done():
				default:
					t.Error("Done() is open after Close")
				}
				if a.Err() == nil {
					t.Error("Err() = nil after Close")
				}
				if channels, err := a.Open([]Protocol{{Length: 8}}); err == nil {
					t.Errorf("Open() after Close = %v", channels)
				}
				a.Stats()
				b.Close(nil)
			})
		})
	}
}

func TestCloseFromManySides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, _ := sessions(t)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { a.Close(Quitting) })
			all.Go(func() { b.Close(TooManyPeers) })
			all.Go(func() {
				for as[0].WriteMsg(Msg{1, make([]byte, 1000)}) == nil {
				}
			})
		}
		all.Wait()
	})
}

// What the peer sends between hello and Open is given to who reads after it.
func TestEarlyMessagesAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		as, err := a.Open([]Protocol{{Length: 8}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for code := range uint64(8) {
				as[0].WriteMsg(Msg{Code: code})
			}
		}()
		time.Sleep(time.Second)
		bs, err := b.Open([]Protocol{{Length: 8}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for code := range uint64(8) {
			if m, err := bs[0].ReadMsg(); err != nil || m.Code != code {
				t.Errorf("ReadMsg() = %v, %v; want %d", m, err, code)
			}
		}
		closeBoth(a, b)
	})
}

// Writers wait when the peer does not read, memory stays bounded, and the session
// ends when the peer has made no room for 20 seconds.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, _ := sessions(t)
		start := time.Now()
		data := noise(10_000)
		var sent atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for {
					if err := as[0].WriteMsg(Msg{1, data}); err != nil {
						if !errors.Is(err, NetworkError) {
							t.Errorf("WriteMsg() = %v, want %v", err, NetworkError)
						}
						return
					}
					sent.Add(1)
				}
			})
		}
		time.Sleep(10 * time.Second)
		// Two buffers here, and over there the reader's and a channel's queue.
		if most := int64(2*maxQueued+batchBuffer+maxUnread)/10_000 + 18; sent.Load() > most {
			t.Errorf("%d messages were taken, want at most %d", sent.Load(), most)
		}
		a.mu.Lock()
		queued := len(a.buf)
		a.mu.Unlock()
		if queued > maxQueued+len(data)+128 {
			t.Errorf("%d bytes are queued", queued)
		}
		all.Wait()
		<-a.Done()
		if took := time.Since(start); took < writeTime-time.Second || took > writeTime+2*time.Second {
			t.Errorf("the session ended after %v, want about %v", took, writeTime)
		}
		closeBoth(a, b)
	})
}

// Who does not read one channel holds up the other, as there is one stream; but
// the end of the session is noticed.
func TestFullChannelHoldsUpTheReader(t *testing.T) {
	for name, end := range map[string]func(a, b *Session){
		"closed here":  func(_, b *Session) { b.Close(Quitting) },
		"closed there": func(a, _ *Session) { a.Close(Quitting) },
		"cut":          func(a, _ *Session) { a.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, as, bs := sessions(t)
				go func() {
					for as[0].WriteMsg(Msg{1, noise(1000)}) == nil {
					}
				}()
				time.Sleep(5 * time.Second)
				bs[0].mu.Lock()
				got := len(bs[0].queue)
				bs[0].mu.Unlock()
				if got == 0 || got > maxUnread/1000 {
					t.Errorf("%d messages are in the queue", got)
				}
				end(a, b)
				time.Sleep(40 * time.Second)
				for _, s := range []*Session{a, b} {
					select {
					case <-s.Done():
					default:
						t.Error("a session has not ended after 40s")
					}
				}
				n := 0
				for ; ; n++ {
					if _, err := bs[0].ReadMsg(); err != nil {
						break
					}
				}
				if n == 0 {
					t.Error("what was in the queue is lost")
				}
				closeBoth(a, b)
			})
		})
	}
}

// A slow reader is no silent peer: the session lives as long as messages are taken
// at all.
func TestSlowReaderIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		const n = 60
		go func() {
			for range n {
				if err := as[0].WriteMsg(Msg{1, noise(100_000)}); err != nil {
					t.Errorf("WriteMsg() = %v", err)
					return
				}
			}
		}()
		for i := range n {
			time.Sleep(4 * time.Second)
			if _, err := bs[0].ReadMsg(); err != nil {
				t.Fatalf("ReadMsg() %d = %v", i, err)
			}
		}
		closeBoth(a, b)
	})
}

// A frame that does not come to its end within 30 seconds ends the session, though
// bytes come all the time.
func TestSlowFrameEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		if _, err := a.Open([]Protocol{{Length: 8}}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var all sync.WaitGroup
		defer all.Wait()
		go io.Copy(io.Discard, cb.conn)
		all.Go(func() {
			frame, _ := appendMessage(nil, 0x10, make([]byte, 1000), false)
			cb.out.seal(frame, len(frame))
			for _, one := range frame {
				if _, err := cb.conn.Write([]byte{one}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		<-a.Done()
		if took := time.Since(start); took < silenceTime || took > silenceTime+2*time.Second {
			t.Errorf("ended after %v, want %v", took, silenceTime)
		}
		if !errors.Is(a.Err(), ReadTimeout) {
			t.Errorf("Err() = %v, want %v", a.Err(), ReadTimeout)
		}
		closeBoth(a, b)
	})
}

// What the base protocol does not know is let pass, what no protocol has is not.
func TestUnknownMessages(t *testing.T) {
	for code, want := range map[uint64]error{0x04: nil, 0x05: nil, 0x0f: nil, 0x00: nil, 0x20: ProtocolError, 1 << 40: ProtocolError, 1<<64 - 1: ProtocolError} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := pair(t)
				a, b := NewSession(ca), NewSession(cb)
				greetBoth(t, a, b)
				if _, err := a.Open([]Protocol{{Length: 8}, {Length: 8}}); err != nil {
					t.Fatal(err)
				}
				cb.SetSnappy(true)
				var writer sync.WaitGroup
				writer.Go(func() {
					cb.WriteMsg(code, []byte{0xc0})
					cb.WriteMsg(codePing, []byte{0xc0})
				})
				got, data, err := cb.ReadMsg()
				switch {
				case err != nil:
					t.Errorf("ReadMsg() = %v", err)
				case want == nil && got != codePong:
					t.Errorf("the answer is %#x, want a pong", got)
				case want != nil && (got != codeDisconnect || parseReason(data) != want):
					t.Errorf("the answer is %#x %x, want a disconnect for %v", got, data, want)
				}
				cb.Close()
				writer.Wait()
				<-a.Done()
				if want != nil && !errors.Is(a.Err(), want) {
					t.Errorf("Err() = %v, want %v", a.Err(), want)
				}
				closeBoth(a, b)
			})
		})
	}
}
