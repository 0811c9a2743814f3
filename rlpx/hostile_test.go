package rlpx

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"kith/crypto"
)

// Closing takes a second at most, whatever the peer does and wherever the session
// is in its life.
func TestCloseTakesASecondAtMost(t *testing.T) {
	written := func(a *Session, as []*Channel) {
		go func() {
			for as[0].WriteMsg(Msg{1, noise(100_000)}) == nil {
			}
		}()
	}
	for name, tt := range map[string]struct {
		peer func(c net.Conn) // what it does after the hellos
		ours func(a *Session, as []*Channel)
	}{
		"reads nothing, nothing to say": {func(net.Conn) {}, func(*Session, []*Channel) {}},
		"reads nothing, much to say":    {func(net.Conn) {}, written},
		"reads and stays":               {func(c net.Conn) { io.Copy(io.Discard, c) }, written},
		"writes without end": {func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}, written},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := pair(t)
				a, b := NewSession(ca), NewSession(cb)
				greetBoth(t, a, b)
				as, err := a.Open([]Protocol{{Length: 8}})
				if err != nil {
					t.Fatal(err)
				}
				tt.ours(a, as)
				time.Sleep(100 * time.Millisecond)
				go tt.peer(cb.conn)
				start := time.Now()
				a.Close(nil)
				if took := time.Since(start); took > farewellTime {
					t.Errorf("Close() took %v, want %v at most", took, farewellTime)
				}
				cb.Close()
				b.Close(nil)
				time.Sleep(time.Second)
			})
		})
	}
}

// A tape keeps what was written to a connection.
type tape struct {
	net.Conn
	sent []byte
}

func (c *tape) Write(b []byte) (int, error) {
	c.sent = append(c.sent, b...)
	return c.Conn.Write(b)
}

// Whoever says again what another has said gets as far as the hello, and no
// further: nothing of what comes then is heard.
func TestAReplayedHandshakeProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		victim := &tape{Conn: x}
		a, b := shake(t, victim, y)
		sa, sb := NewSession(a), NewSession(b)
		greetBoth(t, sa, sb)
		closeBoth(sa, sb)

		mine, theirs := net.Pipe()
		defer mine.Close()
		go mine.Write(victim.sent)
		go io.Copy(io.Discard, mine)
		c, err := Accept(context.Background(), theirs, testKey(t, 2))
		if err != nil {
			t.Fatal(err)
		}
		if !c.Remote().Equal(testKey(t, 1).Public()) {
			t.Fatal("this test has become pointless: the handshake itself refuses what was said before")
		}
		s := NewSession(c)
		_, err = s.Hello(context.Background(), helloNamed("b"), func(Hello) error {
			t.Error("a replayed hello is believed")
			return nil
		})
		if !errors.Is(err, ProtocolError) {
			t.Errorf("Hello() = %v, want %v", err, ProtocolError)
		}
	})
}

// Who knows our key can answer a dial that was meant for another, but then has
// not what it takes to say hello.
func TestAnAnswerOfAnotherProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			readPacket(theirs) // for a key that the forger does not have
			once, err := crypto.GenerateKey()
			if err != nil {
				t.Error(err)
				return
			}
			forged := ack{ephemeral: once.Public()}
			packet, err := sealPacket(testKey(t, 1).Public(), forged.append(nil))
			if err != nil {
				t.Error(err)
				return
			}
			theirs.Write(packet)
			go io.Copy(io.Discard, theirs)
			theirs.Write(noise(1000))
			time.Sleep(time.Second)
		}()
		c, err := Initiate(context.Background(), ours, testKey(t, 1), testKey(t, 2).Public())
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewSession(c).Hello(context.Background(), helloNamed("a"), func(Hello) error {
			t.Error("a forged hello is believed")
			return nil
		})
		if !errors.Is(err, ProtocolError) {
			t.Errorf("Hello() = %v, want %v", err, ProtocolError)
		}
		time.Sleep(2 * time.Second)
	})
}

// A message that is too large, written when much waits, holds up nobody.
func TestTooLargeAmongManyHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		got := make(chan int)
		go func() {
			n := 0
			for {
				if _, err := bs[0].ReadMsg(); err != nil {
					got <- n
					return
				}
				n++
				time.Sleep(time.Millisecond)
			}
		}()
		const writers, each = 8, 8
		large := noise(maxData) // too large when it is compressed
		start := time.Now()
		for i := range writers {
			go func() {
				for range each {
					if i%2 == 0 {
						if err := as[0].WriteMsg(Msg{1, large}); !errors.Is(err, ErrTooLarge) {
							t.Errorf("WriteMsg() = %v, want %v", err, ErrTooLarge)
						}
					}
					if err := as[0].WriteMsg(Msg{1, noise(100_000)}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		time.Sleep(firstPing - time.Millisecond) // a ping would free who is stuck
		synctest.Wait()
		closeBoth(a, b)
		if n := <-got; n != writers*each {
			t.Errorf("%d messages have come in %v, want %d", n, time.Since(start), writers*each)
		}
	})
}

// Who is to write for all and cannot write its own message still writes for all.
func TestTooLargeWritesForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		a.mu.Lock()
		a.buf, _ = appendMessage(a.buf, firstCode, []byte("for others"), a.compress) // as if another were writing
		a.mu.Unlock()
		if err := as[0].WriteMsg(Msg{1, noise(maxData)}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("WriteMsg() = %v, want %v", err, ErrTooLarge)
		}
		start := time.Now()
		if m, err := bs[0].ReadMsg(); err != nil || string(m.Payload) != "for others" || time.Since(start) > 0 {
			t.Errorf("ReadMsg() = %q, %v after %v; want it at once", m.Payload, err, time.Since(start))
		}
		closeBoth(a, b)
	})
}
