package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"kith/p2p"
	"kith/rlp"
	"kith/rlpx"
)

// A rawPeer is one that says whatever it likes in valid frames.
type rawPeer struct {
	*rlpx.Conn
	t *testing.T
}

// approach connects to s and shakes hands as key n.
func approach(t *testing.T, s *p2p.Server, n byte) rawPeer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := rlpx.Initiate(context.Background(), conn, rlpxKey(t, n), s.Self().Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return rawPeer{c, t}
}

// sayHello sends a hello with these capabilities, and compresses what follows.
func (s rawPeer) sayHello(n byte, caps ...p2p.Cap) {
	s.t.Helper()
	hello, err := rlp.Marshal(struct {
		Version    uint64
		Name       string
		Caps       []p2p.Cap
		ListenPort uint64
		Key        [64]byte
		More       []string
	}{5, "stranger", caps, 0, rlpxKey(s.t, n).Public().Bytes(), []string{"of", "a", "later", "version"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.say(0, hello)
}

func (s rawPeer) say(code uint64, data []byte) {
	s.t.Helper()
	if err := s.WriteMsg(code, data); err != nil {
		s.t.Fatalf("WriteMsg(%#x) = %v", code, err)
	}
}

// hear reads up to a message with this code and returns what it holds.
func (s rawPeer) hear(code uint64) []byte {
	s.t.Helper()
	for {
		got, data, err := s.ReadMsg()
		if err != nil {
			s.t.Fatalf("ReadMsg() = %v, want message %#x", err, code)
		}
		if got == code {
			return data
		}
	}
}

// greet exchanges hellos.
func greet(t *testing.T, s *p2p.Server, n byte, caps ...p2p.Cap) rawPeer {
	t.Helper()
	c := approach(t, s, n)
	c.sayHello(n, caps...)
	c.hear(0)
	c.SetSnappy(true)
	return c
}

// telling is a protocol that tells how each of its Runs ended.
func telling(ends chan error) p2p.Protocol {
	p := wait()
	run := p.Run
	p.Run = func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		err := run(peer, rw)
		ends <- err
		return err
	}
	return p
}

func TestR8UnknownCodes(t *testing.T) {
	ends := make(chan error, 1)
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{telling(ends)} }) // one message: 0x10
	for n, code := range []uint64{0x11, 0x20, 1<<64 - 1} {
		c := greet(t, s, byte(10+n), p2p.Cap{Name: "wait", Version: 1})
		c.say(0x10, nil)
		c.say(code, []byte("for nobody"))
		if got := c.hear(1); fmt.Sprintf("%x", got) != "c102" {
			t.Errorf("after message %#x the peer is told %x, want breach of protocol", code, got)
		}
		c.Close()
		if err := <-ends; !errors.Is(err, p2p.DiscProtocolError) {
			t.Errorf("after message %#x Run ended with %v, want %v", code, err, p2p.DiscProtocolError)
		}
	}
}

func TestR8OurCodesOutOfRange(t *testing.T) {
	result := make(chan error, 3)
	p := wait()
	p.Run = func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for _, code := range []uint64{1, 1 << 60, 0} {
			result <- rw.WriteMsg(p2p.Msg{Code: code})
		}
		_, err := rw.ReadMsg()
		return err
	}
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{p} })
	c := greet(t, s, 2, p2p.Cap{Name: "wait", Version: 1})
	for range 2 {
		if err := <-result; !errors.Is(err, p2p.ErrBadCode) {
			t.Errorf("WriteMsg() = %v, want %v", err, p2p.ErrBadCode)
		}
	}
	if err := <-result; err != nil {
		t.Errorf("WriteMsg() = %v: the session should go on", err)
	}
	c.hear(0x10)
}

// A protocol may take less than a frame can hold.
func TestR8MessagesLongerThanTheProtocolTakes(t *testing.T) {
	ends, result := make(chan error, 1), make(chan error, 2)
	p := telling(ends)
	p.MaxMessage = 100
	run := p.Run
	p.Run = func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		result <- rw.WriteMsg(p2p.Msg{Payload: make([]byte, 101)})
		result <- rw.WriteMsg(p2p.Msg{Payload: make([]byte, 100)})
		return run(peer, rw)
	}
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{p} })
	c := greet(t, s, 2, p2p.Cap{Name: "wait", Version: 1})
	if long, fits := <-result, <-result; !errors.Is(long, p2p.ErrTooLarge) || fits != nil {
		t.Errorf("WriteMsg() of 101 bytes = %v, of 100 %v; want %v, nil", long, fits, p2p.ErrTooLarge)
	}
	c.say(0x10, make([]byte, 100))
	c.say(0x10, make([]byte, 101))
	if got := c.hear(1); fmt.Sprintf("%x", got) != "c102" {
		t.Errorf("after a message of 101 bytes the peer is told %x, want breach of protocol", got)
	}
	c.Close()
	if err := <-ends; !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), "message of 101 bytes, at most 100") {
		t.Errorf("Run ended with %v", err)
	}
}

// A peer may send all at once: what comes before a Run has begun is read by it.
func TestR8MessagesBeforeRun(t *testing.T) {
	const n = 100
	got := make(chan error, 1)
	p := p2p.Protocol{Name: "early", Version: 1, Length: n, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for code := range uint64(n) {
			if m, err := rw.ReadMsg(); err != nil || m.Code != code || len(m.Payload) != int(code) {
				err = fmt.Errorf("message %d is %d with %d bytes, %w", code, m.Code, len(m.Payload), err)
				got <- err
				return err
			}
		}
		got <- nil
		return nil
	}}
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{p} })
	c := approach(t, s, 2)
	c.sayHello(2, p2p.Cap{Name: "early", Version: 1})
	c.SetSnappy(true)
	for code := range uint64(n) {
		c.say(0x10+code, make([]byte, code))
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// Lists that claim more than they hold take no memory, wherever the claim is.
func TestR8LyingItemCounts(t *testing.T) {
	payloads := [][]byte{
		{0xfb, 0xff, 0xff, 0xff, 0xff},
		{0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0xbb, 0xff, 0xff, 0xff, 0xff},
		{0xc6, 0xfb, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0xc2, 0xb8, 0xff},
	}
	type result struct {
		err  error
		took uint64
	}
	results := make(chan result, len(payloads))
	p := p2p.Protocol{Name: "lists", Version: 1, Length: 1, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for {
			m, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var lists [][]uint64
			err = m.Decode(&lists)
			runtime.ReadMemStats(&after)
			results <- result{err, after.TotalAlloc - before.TotalAlloc}
		}
	}}
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{p} })
	c := greet(t, s, 2, p2p.Cap{Name: "lists", Version: 1})
	for _, b := range payloads {
		c.say(0x10, b)
	}
	for _, b := range payloads {
		if r := <-results; r.err == nil || r.took > 1<<20 {
			t.Errorf("Decode(%x) = %v, with %d bytes of memory", b, r.err, r.took)
		}
	}
}

// However a peer writes its goodbye, the reason is understood.
func TestGoodbyesInAllForms(t *testing.T) {
	ends := make(chan error, 1)
	s := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{telling(ends)} })
	for n, tt := range []struct {
		data     string
		compress bool
		want     p2p.DiscReason
	}{
		{"\xc1\x04", true, p2p.DiscTooManyPeers},
		{"\xc1\x04", false, p2p.DiscTooManyPeers},
		{"\x04", true, p2p.DiscTooManyPeers},
		{"\x04", false, p2p.DiscTooManyPeers},
		{"", false, p2p.DiscRequested},
		{"\xc1\x80", true, p2p.DiscRequested},
		{"\xc1\x77", true, p2p.DiscReason(0x77)},
		{"\xf9\xff", true, p2p.DiscUnreadable},
	} {
		c := greet(t, s, byte(10+n), p2p.Cap{Name: "wait", Version: 1})
		c.SetSnappy(tt.compress)
		c.say(1, []byte(tt.data))
		var d *p2p.DisconnectError
		if err := <-ends; !errors.As(err, &d) || d.Reason != tt.want || !d.Remote {
			t.Errorf("goodbye %x, compressed %v: %v, want %v", tt.data, tt.compress, err, tt.want)
		}
		c.Close()
	}
}

// Whoever goes silent within the hello is let go within five seconds, and one who
// says something else is told that it broke the protocol.
func TestOddHellosOverRLPx(t *testing.T) {
	s := open(t, 1, nil)
	for name, tt := range map[string]struct {
		say  func(c rawPeer)
		want string
	}{
		"ping first":         {func(c rawPeer) { c.say(2, []byte{0xc0}) }, "c102"},
		"a hello of 64 KiB":  {func(c rawPeer) { c.say(0, make([]byte, 64<<10)) }, "c102"},
		"another's key":      {func(c rawPeer) { c.sayHello(99, p2p.Cap{Name: "wait", Version: 1}) }, "c109"},
		"no common protocol": {func(c rawPeer) { c.sayHello(2, p2p.Cap{Name: "wait", Version: 2}) }, "c103"},
		"no protocol at all": {func(c rawPeer) { c.sayHello(2) }, "c103"},
	} {
		t.Run(name, func(t *testing.T) {
			c := approach(t, s, 2)
			tt.say(c)
			if got := c.hear(1); fmt.Sprintf("%x", got) != tt.want {
				t.Errorf("the answer is %x, want %s", got, tt.want)
			}
		})
	}
}

// With Policy OnDemand too, strangers of an open network are no news.
func TestStrangersAreNoNewsOnDemand(t *testing.T) {
	var log logbook
	s := open(t, 1, func(s *p2p.Server) { s.Policy, s.Logger = p2p.OnDemand, log.logger(slog.LevelInfo) })
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(make([]byte, 400)) // no handshake
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	conn.Read(make([]byte, 1))
	conn.Close()
	c := approach(t, s, 2)
	c.sayHello(2)
	c.hear(1) // no protocol is shared
	greet(t, s, 3, p2p.Cap{Name: "wait", Version: 1}).Close()
	s.Close()
	if text := log.String(); text != "" || s.Stats().Refused < 2 {
		t.Errorf("%d were refused, want 2 or 3; the log is %q", s.Stats().Refused, text)
	}
}
