package rlpx

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func accepting(Hello) error { return nil }

func helloNamed(name string) Hello {
	return Hello{Name: name, Caps: []Cap{{"foo", 1}}, ListenPort: 30303}
}

// greetBoth exchanges hellos.
func greetBoth(t testing.TB, a, b *Session) (theirsA, theirsB Hello) {
	t.Helper()
	done := make(chan error)
	go func() {
		var err error
		theirsB, err = b.Hello(context.Background(), helloNamed("b"), accepting)
		done <- err
	}()
	theirsA, err := a.Hello(context.Background(), helloNamed("a"), accepting)
	if other := <-done; err != nil || other != nil {
		t.Fatalf("Hello() = %v and %v", err, other)
	}
	return theirsA, theirsB
}

// sessions is two open sessions in memory, with two protocols of 8 messages.
func sessions(t testing.TB) (a, b *Session, as, bs []*Channel) {
	t.Helper()
	ca, cb := pair(t)
	return openBoth(t, ca, cb)
}

func openBoth(t testing.TB, ca, cb *Conn) (a, b *Session, as, bs []*Channel) {
	t.Helper()
	a, b = NewSession(ca), NewSession(cb)
	greetBoth(t, a, b)
	var err error
	if as, err = a.Open([]Protocol{{Length: 8}, {Length: 8}}); err != nil {
		t.Fatal(err)
	}
	if bs, err = b.Open([]Protocol{{Length: 8}, {Length: 8}}); err != nil {
		t.Fatal(err)
	}
	return a, b, as, bs
}

func closeBoth(a, b *Session) {
	a.Close(nil)
	b.Close(nil)
}

func TestHellosAreExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		fromB, fromA := greetBoth(t, a, b)
		if fromB.Name != "b" || fromB.Version != 5 || fromB.ListenPort != 30303 || len(fromB.Caps) != 1 || fromB.Caps[0] != (Cap{"foo", 1}) {
			t.Errorf("b said %+v", fromB)
		}
		if fromA.Key != testKey(t, 1).Public().Bytes() {
			t.Errorf("a said its key is %x", fromA.Key)
		}
		closeBoth(a, b)
	})
}

func TestMessagesGoToTheirChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		go func() {
			for code := range uint64(8) {
				as[1].WriteMsg(Msg{code, []byte("two")})
				as[0].WriteMsg(Msg{code, []byte("one")})
			}
		}()
		for i, want := range []string{"one", "two"} {
			for code := range uint64(8) {
				m, err := bs[i].ReadMsg()
				if err != nil || m.Code != code || string(m.Payload) != want {
					t.Fatalf("ReadMsg() on %d = %d %q, %v; want %d %q", i, m.Code, m.Payload, err, code, want)
				}
			}
		}
		if err := as[0].WriteMsg(Msg{Code: 8}); !errors.Is(err, ErrBadCode) {
			t.Errorf("WriteMsg(8) of 8 = %v, want %v", err, ErrBadCode)
		}
		if err := as[0].WriteMsg(Msg{Payload: make([]byte, 1<<24)}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("WriteMsg() of 16 MiB = %v, want %v", err, ErrTooLarge)
		}
		closeBoth(a, b)
	})
}

func TestCloseTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, as, bs := sessions(t)
		as[0].WriteMsg(Msg{3, []byte("last")})
		a.Close(TooManyPeers)
		<-b.Done()
		for _, s := range []*Session{a, b} {
			d, ok := errors.AsType[*DisconnectError](s.Err())
			if !ok || d.Reason != TooManyPeers || d.Remote != (s == b) {
				t.Errorf("Err() = %v", s.Err())
			}
		}
		if m, err := bs[0].ReadMsg(); err != nil || string(m.Payload) != "last" {
			t.Errorf("ReadMsg() = %q, %v; want what came before the end", m.Payload, err)
		}
		if _, err := bs[0].ReadMsg(); !errors.Is(err, TooManyPeers) {
			t.Errorf("ReadMsg() = %v, want %v", err, TooManyPeers)
		}
		if err := bs[0].WriteMsg(Msg{}); !errors.Is(err, TooManyPeers) {
			t.Errorf("WriteMsg() = %v, want %v", err, TooManyPeers)
		}
		b.Close(nil)
	})
}

func TestRefusalIsTheErrorOfTheOthersHello(t *testing.T) {
	for name, dialler := range map[string]bool{"by the side that was dialled": false, "by the dialler": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := pair(t)
				a, b := NewSession(ca), NewSession(cb)
				refuse := func(Hello) error { return UselessPeer }
				judgeA, judgeB := accepting, refuse
				if dialler {
					judgeA, judgeB = refuse, accepting
				}
				done := make(chan error)
				go func() {
					_, err := b.Hello(context.Background(), helloNamed("b"), judgeB)
					if err == nil { // it has said hello already, and hears of it when it reads
						b.Open([]Protocol{{Length: 1}})
						<-b.Done()
						err = b.Err()
					}
					done <- err
				}()
				_, errA := a.Hello(context.Background(), helloNamed("a"), judgeA)
				errB := <-done
				if !errors.Is(errA, UselessPeer) {
					t.Errorf("the dialler's Hello() = %v, want %v", errA, UselessPeer)
				}
				if !errors.Is(errB, UselessPeer) {
					t.Errorf("the other's error is %v, want %v", errB, UselessPeer)
				}
				closeBoth(a, b)
			})
		})
	}
}

func TestIdleSessionsPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _, _ := sessions(t)
		time.Sleep(10 * time.Minute)
		for _, s := range []*Session{a, b} {
			if err := s.Err(); err != nil {
				t.Errorf("after ten minutes: %v", err)
			}
			if s.Stats().RTT == 0 {
				t.Error("no round trip was measured")
			}
		}
		closeBoth(a, b)
	})
}

// The round trip is known soon, and looked at again now and then.
func TestTheFirstPingComesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		if _, err := a.Open([]Protocol{{Length: 8}}); err != nil {
			t.Fatal(err)
		}
		cb.SetSnappy(true)
		start := time.Now()
		for _, want := range []time.Duration{1 * time.Second, 16 * time.Second, 31 * time.Second} {
			if code, _, err := cb.ReadMsg(); err != nil || code != codePing || time.Since(start) != want {
				t.Errorf("message %#x, %v after %v; want a ping after %v", code, err, time.Since(start), want)
			}
			time.Sleep(20 * time.Millisecond)
			if err := cb.WriteMsg(codePong, []byte{0xc0}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if rtt := a.Stats().RTT; rtt != 20*time.Millisecond {
				t.Errorf("RTT = %v, want 20ms", rtt)
			}
		}
		closeBoth(a, b)
	})
}

func TestSilentPeerIsLeftAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		a, b := NewSession(ca), NewSession(cb)
		greetBoth(t, a, b)
		if _, err := a.Open([]Protocol{{Length: 8}}); err != nil {
			t.Fatal(err)
		}
		go func() { // takes all, and answers no ping
			for {
				if _, _, err := cb.ReadMsg(); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		<-a.Done()
		if took := time.Since(start); took != silenceTime {
			t.Errorf("ended after %v, want %v", took, silenceTime)
		}
		if !errors.Is(a.Err(), ReadTimeout) {
			t.Errorf("Err() = %v, want %v", a.Err(), ReadTimeout)
		}
		closeBoth(a, b)
	})
}

func TestDeadPeerOnTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ca, cb := shake(t, dialled, accepted)
	a, b, as, bs := openBoth(t, ca, cb)
	as[0].WriteMsg(Msg{1, []byte("hello")})
	if m, err := bs[0].ReadMsg(); err != nil || string(m.Payload) != "hello" {
		t.Errorf("ReadMsg() = %q, %v", m.Payload, err)
	}
	cb.Close()
	<-a.Done()
	if !errors.Is(a.Err(), NetworkError) {
		t.Errorf("Err() = %v, want %v", a.Err(), NetworkError)
	}
	closeBoth(a, b)
}
