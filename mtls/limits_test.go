package mtls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
)

// halfOpen is a session in memory whose dialler writes frames as it likes.
func halfOpen(t *testing.T) (raw *session, s *session, rws []p2p.MsgReadWriter) {
	t.Helper()
	w := newWorld(t)
	raw, s = pipe(t, w.transport("a"), w.transport("b"))
	greetBoth(t, raw, s)
	rws, err := s.Open(twoChannels)
	if err != nil {
		t.Fatal(err)
	}
	return raw, s, rws
}

func frameOf(k kind, channel uint8, code uint16, payload ...byte) []byte {
	return append(header{k, channel, code, len(payload)}.append(nil), payload...)
}

// S6: a message over the limit and a claim of 4 GiB cost nothing, and the
// session serves the next.
func TestTooLongIsRefusedAndTheSessionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, s, rws := halfOpen(t)
		raw.conn.Write(frameOf(kindFirst, 0, 1, 0xff, 0xff, 0xff, 0xff, 'x'))
		for range 100 {
			raw.conn.Write(frameOf(kindMore, 0, 0, make([]byte, maxPayload)...))
		}
		raw.conn.Write(frameOf(kindMessage, 1, 2, 'h', 'i'))
		m, err := rws[1].ReadMsg()
		if err != nil || m.Code != 2 || string(m.Payload) != "hi" {
			t.Errorf("ReadMsg() = %v, %v after a claim of 4 GiB, want the next message", m, err)
		}
		c := s.channels[0]
		if c.part != nil || c.head != len(c.queue) {
			t.Errorf("something was kept of a message that was refused")
		}
		s.Close(nil)
		raw.Close(nil)
	})
}

// A sender is told by its own side, with the limit of whoever takes less.
func TestWriteMsgKnowsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		x, y := w.transport("a"), w.transport("b")
		y.MaxMessage = 100_000
		a, b := pipe(t, x, y)
		as, bs := openBoth(t, a, b, twoChannels)
		err := as[0].WriteMsg(p2p.Msg{Payload: make([]byte, 100_001)})
		if !errors.Is(err, p2p.ErrTooLarge) || !strings.Contains(err.Error(), "message of 100001 bytes, at most 100000") {
			t.Errorf("WriteMsg over their limit = %v", err)
		}
		if err := bs[0].WriteMsg(p2p.Msg{Payload: make([]byte, 100_001)}); !errors.Is(err, p2p.ErrTooLarge) {
			t.Errorf("WriteMsg over our limit = %v", err)
		}
		if err := as[0].WriteMsg(p2p.Msg{Code: 16}); !errors.Is(err, p2p.ErrBadCode) {
			t.Errorf("WriteMsg of code 16 of 16 = %v", err)
		}
		go as[0].WriteMsg(p2p.Msg{Code: 15, Payload: make([]byte, 100_000)})
		if m, err := bs[0].ReadMsg(); err != nil || m.Code != 15 || len(m.Payload) != 100_000 {
			t.Errorf("ReadMsg() = code %d with %d bytes, %v", m.Code, len(m.Payload), err)
		}
		closeBoth(a, b)
	})
}

// A protocol may take less than its transport. Who sends more breaks it.
func TestAProtocolsOwnLimit(t *testing.T) {
	const most = 100
	bounded := []p2p.Channel{{Cap: p2p.Cap{Name: "one", Version: 1}, Length: 16, MaxMessage: most}}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		as, bs := openBoth(t, a, b, bounded)
		d, long := as[0].(p2p.Direct), make([]byte, most+1)
		if err := as[0].WriteMsg(p2p.Msg{Payload: long}); !errors.Is(err, p2p.ErrTooLarge) || !strings.Contains(err.Error(), "message of 101 bytes, at most 100") {
			t.Errorf("WriteMsg over the limit = %v", err)
		}
		if err := d.Post(0, long[:1], long[1:]); !errors.Is(err, p2p.ErrTooLarge) || d.TryPost(0, long, nil) || d.MaxPost() != most {
			t.Errorf("Post over the limit = %v, or TryPost takes it, or MaxPost is %d", err, d.MaxPost())
		}
		go as[0].WriteMsg(p2p.Msg{Payload: long[1:]})
		if m, err := bs[0].ReadMsg(); err != nil || len(m.Payload) != most {
			t.Errorf("ReadMsg() = %d bytes, %v; want %d", len(m.Payload), err, most)
		}
		closeBoth(a, b)
	})
	for name, direct := range map[string]bool{"ReadMsg": false, "Direct": true} {
		for _, frame := range [][]byte{
			frameOf(kindMessage, 0, 0, make([]byte, most+1)...),
			frameOf(kindFirst, 0, 0, 0, 0, 0, most+1, 'x'),
		} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				raw, s := pipe(t, w.transport("a"), w.transport("b"))
				greetBoth(t, raw, s)
				rws, err := s.Open(bounded)
				if err != nil {
					t.Fatal(err)
				}
				if direct {
					rws[0].(p2p.Direct).Attach(func([]p2p.Msg) { t.Error("it is delivered") }, nil)
				}
				go io.Copy(io.Discard, raw.conn)
				raw.conn.Write(frame)
				time.Sleep(farewellTime)
				raw.Close(nil)
				<-s.Done()
				if err := s.Err(); !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), "a message of 101 bytes on one/1, at most 100") {
					t.Errorf("%s: the session ends with %v", name, err)
				}
				s.Close(nil)
			})
		}
	}
}

// Memory grows with what has arrived, not with what is claimed.
func TestClaimsAreNotAllocated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, s, _ := halfOpen(t)
		claim := binary.BigEndian.AppendUint32(nil, defaultMaxMessage)
		raw.conn.Write(frameOf(kindFirst, 0, 1, append(claim, make([]byte, 1000)...)...))
		synctest.Wait()
		if c := cap(s.channels[0].part.data); c > 64<<10 {
			t.Errorf("%d bytes were made ready for 1000 that came", c)
		}
		s.Close(nil)
		raw.Close(nil)
	})
}

// What breaks the protocol ends the session, and who broke it is told how.
func TestBreaches(t *testing.T) {
	claim := func(total uint32, n int) []byte {
		return append(binary.BigEndian.AppendUint32(nil, total), make([]byte, n)...)
	}
	overflow := bytes.Repeat(frameOf(kindMessage, 0, 0, make([]byte, 1000)...), firstWindow/(1000+overhead)+1)
	for _, tt := range []struct {
		name, text string
		frames     []byte
	}{
		{"unknown kind", "frame of unknown kind 99", frameOf(99, 0, 0)},
		{"too long", "with 16379 bytes, want 0 to 16378", header{kindMessage, 0, 0, maxPayload + 1}.append(nil)},
		{"long ping", "frame of kind 4 with 9 bytes, want 8 to 8", frameOf(kindPing, 0, 0, make([]byte, 9)...)},
		{"no such channel", "frame for protocol 2 of 2", frameOf(kindMessage, 2, 0)},
		{"no such code", "code 16 on one/1, which has 16", frameOf(kindMessage, 0, 16)},
		{"credit for no channel", "frame for protocol 7 of 2", frameOf(kindCredit, 7, 0, 0, 0, 0, 1)},
		{"more of nothing", "that has not begun", frameOf(kindMore, 0, 0, 'x')},
		{"more than claimed", "than it claimed", append(frameOf(kindFirst, 0, 0, claim(10, 4)...), frameOf(kindMore, 0, 0, make([]byte, 7)...)...)},
		{"first is all", "a message of 4 bytes on one/1 begins with 4", frameOf(kindFirst, 0, 0, claim(4, 4)...)},
		{"message within another", "begins on one/1 within another", append(frameOf(kindFirst, 0, 0, claim(10, 4)...), frameOf(kindMessage, 0, 0)...)},
		{"second hello", "frame of kind 1 after hello", frameOf(kindHello, 0, 0)},
		{"window", "more sent on one/1 than its window allows", overflow},
		{"long message to who does his own queueing", "a long message on two/1, which takes none", frameOf(kindFirst, 1, 0, claim(1<<20, 4)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw, s, rws := halfOpen(t)
				rws[1].(p2p.Direct).Attach(func([]p2p.Msg) {}, nil)
				raw.conn.Write(tt.frames)
				var h header
				var payload []byte
				for h.kind != kindDisconnect { // pings and credits come before
					var err error
					if h, payload, err = raw.in.frame(raw.conn); err != nil {
						t.Fatal(err)
					}
				}
				err := parseFarewell(payload)
				if !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("the peer was told %v, want %q", err, tt.text)
				}
				raw.fail(errors.New("over"))
				<-s.Done()
				if !errors.Is(s.Err(), p2p.DiscProtocolError) || !strings.Contains(s.Err().Error(), tt.text) {
					t.Errorf("Err() = %v, want %q", s.Err(), tt.text)
				}
			})
		})
	}
}

// A long message that has begun before Attach ends there.
func TestLongMessageBeforeAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, s, rws := halfOpen(t)
		raw.conn.Write(frameOf(kindFirst, 0, 0, append(binary.BigEndian.AppendUint32(nil, 1<<20), 'x')...))
		synctest.Wait()
		rws[0].(p2p.Direct).Attach(func([]p2p.Msg) {}, nil)
		raw.conn.Write(frameOf(kindMore, 0, 0, make([]byte, 1000)...))
		synctest.Wait()
		if err := s.cause(); !errors.Is(err, p2p.DiscProtocolError) || !strings.Contains(err.Error(), "which takes none") {
			t.Errorf("cause() = %v, want a breach", err)
		}
		raw.Close(nil)
		s.Close(nil)
	})
}

// A kind from 0x80 on is for the future.
func TestUnknownOptionalFrameIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, s, rws := halfOpen(t)
		raw.conn.Write(append(frameOf(0x80, 200, 7, 'x', 'y'), frameOf(kindMessage, 0, 3)...))
		if m, err := rws[0].ReadMsg(); err != nil || m.Code != 3 {
			t.Errorf("ReadMsg() = %v, %v, want the message behind the unknown frame", m, err)
		}
		s.Close(nil)
		raw.Close(nil)
	})
}

// S7: who does not read costs a window, and stops its own channel only. Nothing
// is lost when it reads again.
func TestStalledReader(t *testing.T) {
	for _, size := range []int{64, 1000, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := pipe(t, w.transport("a"), w.transport("b"))
				as, bs := openBoth(t, a, b, twoChannels)
				total := max(4*firstWindow/size, 4)
				var sent atomic.Int64
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range total {
						payload := bytes.Repeat([]byte{byte(i)}, size)
						if err := as[0].WriteMsg(p2p.Msg{Payload: payload}); err != nil {
							t.Errorf("WriteMsg() = %v", err)
							return
						}
						sent.Add(1)
					}
				})
				synctest.Wait()
				c := b.channels[0]
				c.mu.Lock()
				held := 0
				for _, q := range c.queue[c.head:] {
					held += len(q.msg.Payload) + overhead
				}
				if c.part != nil {
					held += cap(c.part.data)
				}
				c.mu.Unlock()
				if held > 2*firstWindow {
					t.Errorf("%d bytes are held for a reader that does not read", held)
				}
				if int(sent.Load()) == total {
					t.Error("the sender was never stopped")
				}
				go as[1].WriteMsg(p2p.Msg{Code: 7})
				if m, err := bs[1].ReadMsg(); err != nil || m.Code != 7 {
					t.Errorf("ReadMsg() on the other channel = %v, %v", m, err)
				}
				for i := range total {
					m, err := bs[0].ReadMsg()
					if err != nil || !bytes.Equal(m.Payload, bytes.Repeat([]byte{byte(i)}, size)) {
						t.Fatalf("ReadMsg() %d = %d bytes, %v", i, len(m.Payload), err)
					}
				}
				wg.Wait()
				closeBoth(a, b)
			})
		})
	}
}

// A reader that never comes does not keep a sender from being told the end.
func TestCloseFreesSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := pipe(t, w.transport("a"), w.transport("b"))
		as, _ := openBoth(t, a, b, twoChannels)
		var wg sync.WaitGroup
		for i, send := range []func() error{
			func() error { return as[0].WriteMsg(p2p.Msg{Payload: make([]byte, 1<<20)}) },
			func() error { return as[0].WriteMsg(p2p.Msg{Payload: make([]byte, 10)}) },
			func() error { return as[1].(p2p.Direct).Post(1, nil, make([]byte, 1000)) },
		} {
			wg.Go(func() {
				for {
					if err := send(); err != nil {
						if !errors.Is(err, p2p.DiscQuitting) {
							t.Errorf("sender %d: %v, want %v", i, err, p2p.DiscQuitting)
						}
						return
					}
				}
			})
		}
		synctest.Wait()
		a.Close(p2p.DiscQuitting)
		wg.Wait()
		b.Close(nil)
	})
}

// A slowWire is a carrier that hands over what is written one round at a time.
type slowWire struct {
	tape
	rounds chan []byte
	closed chan struct{}
	once   sync.Once
}

func (w *slowWire) Read([]byte) (int, error) { <-w.closed; return 0, io.EOF }

func (w *slowWire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *slowWire) together(b []byte) error {
	select {
	case w.rounds <- bytes.Clone(b):
		return nil
	case <-w.closed:
		return io.ErrClosedPipe
	}
}

// A short message waits for two rounds at most, however much another channel has
// to send and may send: the one that is being written, and the one after.
func TestChannelsTakeTurns(t *testing.T) {
	w := newWorld(t)
	wire := &slowWire{rounds: make(chan []byte), closed: make(chan struct{})}
	s := newSession(&Transport{}, w.transport("a").mustConfig(t), wire, true, nil, node.ID{1}, netip.AddrPort{}, netip.AddrPort{})
	s.theirMax = defaultMaxMessage
	rws, err := s.Open(twoChannels)
	if err != nil {
		t.Fatal(err)
	}
	s.addCredit(s.channels[0], unlimited)
	var wg sync.WaitGroup
	wg.Go(func() { rws[0].WriteMsg(p2p.Msg{Payload: make([]byte, 8<<20)}) })
	var before []byte
	for len(before) < maxFrame { // a ping may come first
		before = append(before, <-wire.rounds...)
	}
	if err := rws[1].WriteMsg(p2p.Msg{Code: 5}); err != nil {
		t.Fatal(err)
	}
	short := frameOf(kindMessage, 1, 5)
	for range 2 {
		b := <-wire.rounds
		before = append(before, b...)
		if bytes.HasPrefix(b, short) {
			break
		}
	}
	if !bytes.Contains(before, short) {
		t.Error("the short message was not in the second round after it was sent")
	}
	if most := 3 * (writeRound + maxFrame); len(before) > most {
		t.Errorf("%d bytes were written before a short message, want at most %d", len(before), most)
	}
	s.fail(io.EOF)
	wg.Wait()
	<-s.Done()
}

// A fast reader over a slow line is given a wider window, up to the limit; a
// slow reader is not.
func TestWindowGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &session{cfg: w.transport("a").mustConfig(t)}
		s.rate.rtt.Store(int64(20 * time.Millisecond))
		c := newChannel(s, 0, twoChannels[0])
		eat := func() int {
			c.eaten += c.window / 2
			return c.grantLocked()
		}
		eat()
		for want := 2 * firstWindow; want <= defaultMaxWindow; want *= 2 {
			time.Sleep(30 * time.Millisecond)
			if grant := eat(); c.window != want || grant != want/4+want/2 {
				t.Errorf("window %d with a grant of %d, want %d with %d", c.window, grant, want, want/4+want/2)
			}
		}
		if eat(); c.window != defaultMaxWindow {
			t.Errorf("window %d is over its limit", c.window)
		}
		c.window = firstWindow
		time.Sleep(50 * time.Millisecond)
		if eat(); c.window != firstWindow {
			t.Errorf("window %d for a slow reader, want %d", c.window, firstWindow)
		}
	})
}
