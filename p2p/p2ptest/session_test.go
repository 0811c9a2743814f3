package p2ptest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
)

func TestMessagesArriveInOrderOnTheirChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Seed: 1, Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.2}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 2)
		for i := range 50 {
			write(t, a.rw[0], uint64(i%16), strings.Repeat("x", i))
			write(t, a.rw[1], 3, "other")
		}
		for i := range 50 {
			ExpectMsg(t, b.rw[0], uint64(i%16), bytes.Repeat([]byte("x"), i))
			ExpectMsg(t, b.rw[1], 3, []byte("other"))
		}
		if in, out := b.Stats().MsgsIn, a.Stats().MsgsOut; in != 100 || out != 100 {
			t.Errorf("MsgsIn, MsgsOut = %d, %d, want 100 each", in, out)
		}
		if in, out := b.Stats().BytesIn, a.Stats().BytesOut; in != out || in == 0 {
			t.Errorf("BytesIn = %d, BytesOut = %d", in, out)
		}
	})
}

func TestAProtocolsOwnLimit(t *testing.T) {
	const most = 100
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := accept(t, net.Transport("a"), net.Transport("b"))
		greet(t, a, b)
		free := channels(1)
		as, err := a.Open(free)
		if err != nil {
			t.Fatal(err)
		}
		free[0].MaxMessage = most
		bs, err := b.Open(free)
		if err != nil {
			t.Fatal(err)
		}
		d, long := bs[0].(p2p.Direct), make([]byte, most+1)
		if err := bs[0].WriteMsg(p2p.Msg{Payload: long}); !errors.Is(err, p2p.ErrTooLarge) {
			t.Errorf("WriteMsg over the limit = %v, want %v", err, p2p.ErrTooLarge)
		}
		if err := d.Post(0, long, nil); !errors.Is(err, p2p.ErrTooLarge) || d.TryPost(0, long, nil) || d.MaxPost() != most {
			t.Errorf("Post over the limit = %v, or TryPost takes it, or MaxPost is %d", err, d.MaxPost())
		}
		write(t, as[0], 1, string(long[1:]))
		ExpectMsg(t, bs[0], 1, long[1:])
		write(t, as[0], 1, string(long))
		if _, err := bs[0].ReadMsg(); !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), "message of 101 bytes, at most 100") {
			t.Errorf("ReadMsg() of a message over the limit = %v", err)
		}
		if _, err := as[0].ReadMsg(); !errors.Is(err, p2p.DiscProtocolError) {
			t.Errorf("the other side is told %v, want %v", err, p2p.DiscProtocolError)
		}
	})
}

func TestDelayIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 30 * time.Millisecond}
		defer net.Close()
		began := time.Now()
		a, b := accept(t, net.Transport("a"), net.Transport("b"))
		took(t, began, 120*time.Millisecond) // there and back for the connection, again for the ids
		if rtt := a.Stats().RTT; rtt != 60*time.Millisecond {
			t.Errorf("the dialler's RTT = %v, want 60ms", rtt)
		}
		if rtt := b.Stats().RTT; rtt != 60*time.Millisecond {
			t.Errorf("the acceptor's RTT = %v, want 60ms", rtt)
		}
		began = time.Now()
		greet(t, a, b)
		took(t, began, 60*time.Millisecond)
	})
}

func TestBothSeeWhoIsThere(t *testing.T) {
	net := new(Network)
	defer net.Close()
	a, b := accept(t, net.Transport("a"), net.Transport("b"))
	if a.Remote() != ID("b") || b.Remote() != ID("a") {
		t.Errorf("Remote() = %v and %v", a.Remote(), b.Remote())
	}
	if a.RemoteAddr() != b.LocalAddr() || a.LocalAddr() != b.RemoteAddr() {
		t.Errorf("addresses %v-%v and %v-%v do not match", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if got := a.RemoteAddr().Addr(); got != net.Addr("b") || !strings.HasPrefix(got.String(), "10.") {
		t.Errorf("b's address = %v, want %v in 10.x", got, net.Addr("b"))
	}
	var seen, told p2p.Hello
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Hello(context.Background(), hello("b"), func(h p2p.Hello) error { seen = h; return nil })
	}()
	told, err := a.Hello(t.Context(), hello("a"), agree)
	<-done
	if err != nil || told.Name != "b" || told.You != a.LocalAddr() || told.Epoch != 42 || len(told.Caps) != 1 {
		t.Errorf("the dialler's Hello = %+v, %v", told, err)
	}
	if seen.Name != "a" || seen.You != b.LocalAddr() || seen.ListenPort != 7 {
		t.Errorf("the acceptor was told %+v", seen)
	}
}

func TestARefusalReachesTheDiallersHello(t *testing.T) {
	refused := &p2p.DisconnectError{Reason: p2p.DiscRefused, Text: "not you"}
	version := hello("b")
	version.Version[0] = 9
	for _, tt := range []struct {
		name   string
		ours   p2p.Hello
		decide error
		want   error
		text   string
	}{
		{"by decide", hello("b"), refused, p2p.DiscRefused, "peer said: refused: not you"},
		{"by a reason", hello("b"), p2p.DiscTooManyPeers, p2p.DiscTooManyPeers, "peer said: too many peers"},
		{"by version", version, nil, p2p.DiscIncompatibleVersion, "peer said: the peer has version 0, we have 9: incompatible version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			net := new(Network)
			defer net.Close()
			a, b := accept(t, net.Transport("a"), net.Transport("b"))
			done := make(chan error, 1)
			go func() {
				_, err := b.Hello(context.Background(), tt.ours, func(p2p.Hello) error { return tt.decide })
				done <- err
			}()
			_, err := a.Hello(t.Context(), hello("a"), func(p2p.Hello) error { t.Error("decide was called"); return nil })
			if !errors.Is(err, tt.want) || err.Error() != tt.text {
				t.Errorf("the dialler's Hello = %v, want %s", err, tt.text)
			}
			if err := <-done; !errors.Is(err, tt.want) || tt.decide != nil && err != tt.decide {
				t.Errorf("the acceptor's Hello = %v, want %v", err, tt.decide)
			}
			<-a.Done()
			<-b.Done()
		})
	}
}

func TestTheReasonToCloseReachesThePeer(t *testing.T) {
	for _, tt := range []struct {
		reason error
		want   p2p.DisconnectError
	}{
		{nil, p2p.DisconnectError{Reason: p2p.DiscRequested}},
		{p2p.DiscQuitting, p2p.DisconnectError{Reason: p2p.DiscQuitting}},
		{io.ErrUnexpectedEOF, p2p.DisconnectError{Reason: p2p.DiscSubprotocolError, Text: "unexpected EOF"}},
		{&p2p.DisconnectError{Reason: p2p.DiscRefused, Text: "ü" + strings.Repeat("é", 600)}, p2p.DisconnectError{Reason: p2p.DiscRefused, Text: "ü" + strings.Repeat("é", 511)}},
	} {
		net := new(Network)
		a, b := connect(t, net, "a", "b", 1)
		write(t, a.rw[0], 1, "before")
		a.Close(tt.reason)
		a.Close(io.EOF) // comes too late to be the reason
		if err := a.Err(); !errors.Is(err, tt.want.Reason) {
			t.Errorf("after Close(%v) Err() = %v", tt.reason, err)
		}
		ExpectMsg(t, b.rw[0], 1, []byte("before"))
		_, err := b.rw[0].ReadMsg()
		tt.want.Remote = true
		if d, ok := err.(*p2p.DisconnectError); !ok || *d != tt.want {
			t.Errorf("after Close(%v) the peer's ReadMsg = %v, want %v", tt.reason, err, &tt.want)
		}
		<-b.Done()
		if err := b.rw[0].WriteMsg(p2p.Msg{}); err != b.Err() {
			t.Errorf("WriteMsg after the end = %v, want %v", err, b.Err())
		}
		if err := a.rw[0].WriteMsg(p2p.Msg{}); err != a.Err() {
			t.Errorf("WriteMsg after Close = %v, want %v", err, a.Err())
		}
		net.Close()
	}
}

func TestAStalledReaderHoldsUpItsChannelAlone(t *testing.T) {
	for _, attached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			net := &Network{Delay: time.Millisecond, NoDirect: !attached}
			defer net.Close()
			a, b := connect(t, net, "a", "b", 2)
			wrote := 0
			go func() {
				for a.rw[0].WriteMsg(p2p.Msg{Payload: make([]byte, 1015)}) == nil {
					wrote++
				}
			}()
			synctest.Wait()
			if wrote != windowSize>>10 {
				t.Errorf("%d messages of 1 KiB were written to a reader that stalls, want %d", wrote, windowSize>>10)
			}
			write(t, a.rw[1], 5, "other")
			ExpectMsg(t, b.rw[1], 5, []byte("other"))
			for range 10 {
				b.rw[0].ReadMsg()
			}
			synctest.Wait()
			if want := windowSize>>10 + 10; wrote != want {
				t.Errorf("%d were written after 10 were read, want %d", wrote, want)
			}
			a.Close(nil)
		})
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	net := new(Network)
	defer net.Close()
	a, b := connect(t, net, "a", "b", 1)
	if err := a.rw[0].WriteMsg(p2p.Msg{Code: 16}); !errors.Is(err, p2p.ErrBadCode) {
		t.Errorf("WriteMsg(code 16 of 16) = %v, want ErrBadCode", err)
	}
	if err := a.rw[0].WriteMsg(p2p.Msg{Payload: make([]byte, maxMessage+1)}); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("WriteMsg(too much) = %v, want ErrTooLarge", err)
	}
	big := bytes.Repeat([]byte("big"), maxMessage/3)
	write(t, a.rw[0], 0, string(big))
	ExpectMsg(t, b.rw[0], 0, big)
	b.Session.(*session).send(frame{kind: kindMsg, code: 16}.bytes())
	if _, err := a.rw[0].ReadMsg(); !errors.Is(err, p2p.DiscProtocolError) {
		t.Errorf("ReadMsg after code 16 of 16 = %v, want DiscProtocolError", err)
	}
	<-b.Done()
	if !errors.Is(b.Err(), p2p.DiscProtocolError) {
		t.Errorf("who sent it was told %v", b.Err())
	}
}

func TestWhatWasWrittenMayBeOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: time.Millisecond}
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		text := []byte("hello")
		write := func(f func() error) {
			if err := f(); err != nil {
				t.Fatal(err)
			}
			text[0] = 'j'
			m, err := b.rw[0].ReadMsg()
			if err != nil || string(m.Payload) != "hello" || cap(m.Payload) != 5 {
				t.Errorf("ReadMsg() = %q, %v", m.Payload, err)
			}
			text[0] = 'h'
		}
		write(func() error { return a.rw[0].WriteMsg(p2p.Msg{Payload: text}) })
		write(func() error { return a.rw[0].(p2p.Direct).Post(0, text[:1], text[1:]) })
	})
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &Network{Delay: 10 * time.Millisecond}
		net.Bandwidth = 1000 * (1000 + headerSize) // 1000 messages of 1000 bytes a second
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		time.Sleep(time.Second)
		began := time.Now()
		for range 100 {
			a.rw[0].WriteMsg(p2p.Msg{Payload: make([]byte, 1000)})
		}
		for range 100 {
			b.rw[0].ReadMsg()
		}
		took(t, began, 110*time.Millisecond)
	})
}

func TestSetDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := connect(t, net, "a", "b", 1)
		net.SetDelay(5*time.Millisecond, 0)
		net.SetDelay(30*time.Millisecond, 0, "a")
		began := time.Now()
		write(t, b.rw[0], 0, "x")
		ExpectMsg(t, a.rw[0], 0, []byte("x"))
		took(t, began, 30*time.Millisecond)
		net.SetDelay(5*time.Millisecond, 0)
		began = time.Now()
		write(t, b.rw[0], 0, "x")
		ExpectMsg(t, a.rw[0], 0, []byte("x"))
		took(t, began, 5*time.Millisecond)
	})
}

func TestAFullBacklogDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(Network)
		defer net.Close()
		a, b := net.Transport("a"), net.Transport("b")
		if _, err := b.Listen(t.Context(), "b:1"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		dial := func() { _, err := a.Dial(ctx, b.Node(1)); failed <- err }
		for range backlog {
			go dial()
		}
		synctest.Wait()
		if n := len(net.conns); n != backlog {
			t.Errorf("%d connections wait, want %d", n, backlog)
		}
		go dial()
		synctest.Wait()
		if n := len(net.conns); n != backlog {
			t.Errorf("%d connections wait after one more, want %d", n, backlog)
		}
		cancel()
		for range backlog + 1 {
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("Dial = %v, want Canceled", err)
			}
		}
	})
}

func BenchmarkMessages(b *testing.B) {
	net := new(Network)
	defer net.Close()
	x, y := connect(b, net, "a", "b", 1)
	go func() {
		for x.rw[0].WriteMsg(p2p.Msg{Payload: make([]byte, 64)}) == nil {
		}
	}()
	for b.Loop() {
		if _, err := y.rw[0].ReadMsg(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: 10 * time.Millisecond}
		defer n.Close()
		a, b := n.Transport("a"), n.Transport("b")
		l, err := b.Listen(t.Context(), "b:30303")
		if err != nil {
			t.Fatal(err)
		}
		l2, _ := b.Listen(t.Context(), "b:0") // nobody accepts here
		go func() {
			for {
				p, err := l.Accept()
				if err != nil {
					return
				}
				if _, err := p.Handshake(context.Background()); err != nil {
					t.Errorf("Handshake = %v", err)
				}
			}
		}()
		var dns *net.DNSError
		for _, tt := range []struct {
			name string
			nd   *node.Node
			want any
			took time.Duration
		}{
			{"no address", &node.Node{ID: ID("b")}, p2p.ErrNoAddress, 0},
			{"no such host", &node.Node{Hosts: []string{"c:1"}}, &dns, 0},
			{"no port", &node.Node{Hosts: []string{"b"}}, new(*net.AddrError), 0},
			{"nobody listens", b.Node(1), syscall.ECONNREFUSED, 20 * time.Millisecond},
			{"nobody has the address", &node.Node{Hosts: []string{"192.0.2.1:1"}}, os.ErrDeadlineExceeded, keepalive},
			{"nobody accepts", b.Node(portOf(l2)), os.ErrDeadlineExceeded, keepalive},
			{"somebody else", &node.Node{ID: ID("c"), Hosts: []string{"b:30303"}}, p2p.DiscUnexpectedIdentity, 40 * time.Millisecond},
		} {
			began := time.Now()
			_, err := a.Dial(t.Context(), tt.nd)
			ok := false
			if target, is := tt.want.(error); is {
				ok = errors.Is(err, target)
			} else {
				ok = errors.As(err, tt.want)
			}
			if !ok {
				t.Errorf("%s: Dial = %v, want %v", tt.name, err, tt.want)
			}
			took(t, began, tt.took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := a.Dial(ctx, &node.Node{Hosts: []string{"192.0.2.1:1", "b:30303"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial with a second = %v, want DeadlineExceeded", err)
		}
		took(t, began, time.Second)
		s, err := a.Dial(t.Context(), &node.Node{Hosts: []string{"b:1", "b:30303"}}) // the second one answers
		if err != nil || s.Remote() != ID("b") {
			t.Errorf("Dial of two hosts = %v", err)
		}
	})
}
