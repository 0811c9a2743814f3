package interop

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"kith/interop/puppet"
)

var foo = []byte{0xc4, 0x83, 'f', 'o', 'o'}

// targets are who is struck. What geth and ethereumjs do is what people are used
// to; where we do otherwise a test says so.
var targets = []kind{ours, geth}

// fine is for what ends nothing.
const fine = -2

// serves shows that a node still does its work.
func serves(t *testing.T, p *process) {
	t.Helper()
	s := strike(t, p.urls[0], newKey(t))
	s.greet(t, s.honest())
	s.send(t, firstCode, foo)
	if bar := s.expect(t, firstCode); string(bar) != "\xc4\x83bar" {
		t.Errorf("%s answered foo with %x", p.kind, bar)
	}
}

// TestVersions speaks other versions of the base protocol: those before 5 have no
// snappy.
func TestVersions(t *testing.T) {
	for _, k := range append(targets, js) {
		p := start(t, k, 1)
		for _, version := range []uint64{4, 5, 6, 100} {
			t.Run(fmt.Sprint(k, " ", version), func(t *testing.T) {
				s := strike(t, p.urls[0], newKey(t))
				ours := s.honest()
				ours.Version = version
				s.greet(t, ours)
				s.send(t, firstCode, foo)
				if bar := s.expect(t, firstCode); string(bar) != "\xc4\x83bar" {
					t.Errorf("foo was answered with %x", bar)
				}
				s.send(t, pingCode, []byte{0xc0})
				if pong := s.expect(t, pongCode); string(pong) != "\xc0" {
					t.Errorf("ping was answered with %x", pong)
				}
			})
		}
	}
}

// TestPlainBig sends the largest message without snappy, and has it dialled too.
func TestPlainBig(t *testing.T) {
	for _, k := range targets {
		t.Run(string(k), func(t *testing.T) {
			p := start(t, k, 1)
			url, came := ambush(t)
			p.order(puppet.Order{Do: "dial", Enode: url})
			s := <-came
			if s == nil {
				t.Fatal("nobody came")
			}
			ours := s.honest()
			ours.Version, ours.Caps = 4, []capability{{"MyProtocol", 1}, {"blob", 1}}
			s.greet(t, ours)
			payload := make([]byte, largest(4, true))
			rand.Read(payload)
			s.send(t, firstCode+1+1, payload)
			id := crypto.Keccak256(ours.ID)
			got := p.await("blob", puppet.Event{Event: puppet.Got, Peer: hex.EncodeToString(id), Proto: puppet.Blob})
			if got.Size != len(payload) {
				t.Errorf("got %d bytes, want %d", got.Size, len(payload))
			}
			p.order(puppet.Order{Do: "blob", Peer: hex.EncodeToString(id), Size: len(payload), Noise: true})
			if back := s.expect(t, firstCode+1+1); len(back) != len(payload) {
				t.Errorf("%d bytes came back, want %d", len(back), len(payload))
			}
		})
	}
}

// TestHellos sends hellos in which something is wrong, and some that are only odd.
func TestHellos(t *testing.T) {
	rows := []struct {
		name       string
		change     func(t *testing.T, h *hello)
		ours, geth int
	}{
		{"no capability in common", func(_ *testing.T, h *hello) { h.Caps = []capability{{"MyProtocol", 2}} }, 3, 3},
		{"no capability at all", func(_ *testing.T, h *hello) { h.Caps = nil }, 3, 3},
		{"another's id", func(t *testing.T, h *hello) { h.ID = crypto.FromECDSAPub(&newKey(t).PublicKey)[1:] }, 9, 9},
		{"an id of zeros", func(_ *testing.T, h *hello) { h.ID = make([]byte, 64) }, 9, silent},
		{"a short id", func(_ *testing.T, h *hello) { h.ID = h.ID[:63] }, 7, silent},
		{"more fields", func(_ *testing.T, h *hello) { h.Rest = []rlp.RawValue{{0x01}, {0xc0}, {0x82, 1, 2}} }, fine, fine},
		{"an unknown capability beside", func(_ *testing.T, h *hello) { h.Caps = append(h.Caps, capability{"Zoo", 7}) }, fine, fine},
		{"unsorted capabilities", func(_ *testing.T, h *hello) {
			h.Caps = []capability{{"flood", 1}, {"MyProtocol", 1}, {"blob", 1}}
		}, fine, fine},
		{"the same capability twice", func(_ *testing.T, h *hello) { h.Caps = append(h.Caps, h.Caps...) }, fine, fine},
		{"an empty name", func(_ *testing.T, h *hello) { h.Name = "" }, fine, fine},
		{"a name that is no UTF-8", func(_ *testing.T, h *hello) { h.Name = "\xff\x00\x1b[2J" }, fine, fine},
		{"over 2 KiB", func(_ *testing.T, h *hello) { h.Name = strings.Repeat("x", 2048) }, 2, silent},
	}
	for _, k := range targets {
		p := start(t, k, 1)
		for _, row := range rows {
			t.Run(string(k)+" "+row.name, func(t *testing.T) {
				s := strike(t, p.urls[0], newKey(t))
				h := s.honest()
				row.change(t, &h)
				want := row.ours
				if k == geth {
					want = row.geth
				}
				if want == fine {
					s.greet(t, h)
					s.send(t, firstCode, foo)
					s.expect(t, firstCode)
					return
				}
				s.send(t, helloCode, encode(t, h))
				if got := s.firstEnd(t); got != want {
					t.Errorf("ended with reason %d, want %d", got, want)
				}
			})
		}
		serves(t, p)
	}
}

// firstEnd reads to the end of a connection whose other side may send its hello
// before it is through with ours, and then compress.
func (s *striker) firstEnd(t *testing.T) int {
	t.Helper()
	for {
		code, data, _, err := s.Read()
		switch {
		case err != nil:
			return silent
		case code == helloCode:
			s.SetSnappy(true)
		case code == discCode:
			return discReason(t, data)
		}
	}
}

// TestSelfAndTwice connects with the node's own key, and twice with one key.
func TestSelfAndTwice(t *testing.T) {
	for _, k := range targets {
		t.Run(string(k), func(t *testing.T) {
			own := newKey(t)
			p := start(t, k, 1, "-key", hex.EncodeToString(crypto.FromECDSA(own)))
			self := strike(t, p.urls[0], own)
			self.send(t, helloCode, encode(t, self.honest()))
			if got := self.firstEnd(t); got != 0x0a {
				t.Errorf("with its own key: reason %d, want 10", got)
			}
			key := newKey(t)
			first := strike(t, p.urls[0], key)
			first.greet(t, first.honest())
			first.send(t, firstCode, foo)
			first.expect(t, firstCode)
			second := strike(t, p.urls[0], key)
			second.send(t, helloCode, encode(t, second.honest()))
			if got := second.firstEnd(t); got != 5 {
				t.Errorf("twice with one key: reason %d, want 5", got)
			}
			first.send(t, firstCode, foo)
			first.expect(t, firstCode)
		})
	}
}

// TestGarbageBeforeTheKey sends what is no auth packet.
func TestGarbageBeforeTheKey(t *testing.T) {
	noise := make([]byte, 4096)
	rand.Read(noise)
	sized := func(claim uint16, n int) []byte {
		return append(binary.BigEndian.AppendUint16(nil, claim), noise[:n]...)
	}
	rows := map[string][]byte{
		"a wrong packet":        sized(400, 400),
		"a point on no curve":   append(sized(400, 0), append([]byte{4}, noise[:399]...)...),
		"zeros":                 make([]byte, 600),
		"the old format":        noise[:307],
		"too small to be one":   sized(96, 96),
		"a size of 0":           sized(0, 400),
		"a claim of 65535":      sized(65535, 300),
		"half of it":            sized(400, 100),
		"one byte":              {1},
		"another protocol":      []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + strings.Repeat(" ", 300)),
		"nothing and then shut": nil,
	}
	for _, k := range targets {
		p := start(t, k, 1)
		for name, data := range rows {
			t.Run(string(k)+" "+name, func(t *testing.T) {
				t.Parallel() // some end by a timeout of five seconds
				w := dialWire(t, p.urls[0])
				if _, err := w.Conn.Write(data); err != nil {
					t.Fatal(err)
				}
				if err := w.drain(); err != nil {
					t.Error(err)
				}
			})
		}
		t.Cleanup(func() { serves(t, p) })
	}
}

// TestFrames sends frames that are wrong, once the hellos are through.
func TestFrames(t *testing.T) {
	rows := []struct {
		name       string
		do         func(t *testing.T, s *striker)
		ours, geth int
	}{
		{"a flipped bit in the header", func(t *testing.T, s *striker) { s.spoilt(t, -1, 5) }, 2, silent},
		{"a flipped bit in the header's MAC", func(t *testing.T, s *striker) { s.spoilt(t, -1, 16*8+3) }, 2, silent},
		{"a flipped bit in the body", func(t *testing.T, s *striker) { s.spoilt(t, -1, 33*8) }, 2, silent},
		{"a flipped bit in the body's MAC", func(t *testing.T, s *striker) { s.spoilt(t, -1, 48*8+7) }, 2, silent},
		{"half a frame, and then another", func(t *testing.T, s *striker) {
			s.spoilt(t, 40, -1)
			s.send(t, firstCode, foo)
		}, 2, silent},
		{"an unknown code of the base protocol", func(t *testing.T, s *striker) { s.send(t, 7, []byte{0xc0}) }, fine, fine},
		{"a code that nobody has", func(t *testing.T, s *striker) { s.send(t, 99, []byte{0xc0}) }, 2, silent},
		{"a code that needs eight bytes", func(t *testing.T, s *striker) { s.send(t, 1<<63, []byte{0xc0}) }, 2, silent},
		{"what snappy cannot read", func(t *testing.T, s *striker) {
			s.SetSnappy(false)
			s.send(t, firstCode, []byte{0x05, 0xff, 0xff})
			s.SetSnappy(true)
		}, 2, silent},
		{"a snappy bomb", func(t *testing.T, s *striker) {
			s.SetSnappy(false)
			s.send(t, firstCode, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0})
			s.SetSnappy(true)
		}, 2, silent},
		{"one byte more than fits, unpacked", func(t *testing.T, s *striker) {
			s.SetSnappy(false)
			s.send(t, firstCode, []byte{0x80, 0x80, 0x80, 0x08, 0, 0})
			s.SetSnappy(true)
		}, 2, silent},
		{"an empty message", func(t *testing.T, s *striker) {
			s.SetSnappy(false)
			s.send(t, firstCode, nil)
			s.SetSnappy(true)
		}, 2, silent},
	}
	for _, k := range targets {
		p := start(t, k, 1)
		for _, row := range rows {
			t.Run(string(k)+" "+row.name, func(t *testing.T) {
				s := strike(t, p.urls[0], newKey(t))
				s.greet(t, s.honest())
				s.send(t, firstCode, foo)
				s.expect(t, firstCode)
				row.do(t, s)
				want := row.ours
				if k == geth {
					want = row.geth
				}
				if want == fine {
					s.send(t, firstCode, foo)
					s.expect(t, firstCode)
					return
				}
				if got := s.end(t); got != want {
					t.Errorf("ended with reason %d, want %d", got, want)
				}
			})
		}
		serves(t, p)
	}
}

func (s *striker) spoilt(t *testing.T, cut, flip int) {
	t.Helper()
	s.wire.spoil(cut, flip)
	s.send(t, firstCode, foo)
}

// TestDisconnectForms sends the reason in the forms that are about.
func TestDisconnectForms(t *testing.T) {
	rows := []struct {
		name    string
		data    []byte
		plain   bool // not compressed, as ethereumjs does it
		ours    int
		another int // geth's
	}{
		{"a list", []byte{0xc1, 0x04}, false, 4, 4},
		{"a number", []byte{0x04}, false, 4, 4},
		{"a list of two", []byte{0xc2, 0x04, 0x05}, false, 4, 4},
		{"an empty list", []byte{0xc0}, false, 0, puppet.NoReason},
		{"no bytes", nil, false, 0, puppet.NoReason},
		{"an unknown reason", []byte{0xc1, 0x2a}, false, 0x2a, puppet.NoReason},
		{"a number, not compressed", []byte{0x08}, true, 8, puppet.NoReason},
		{"zero, not compressed", []byte{0x80}, true, 0, puppet.NoReason},
		{"a list, not compressed", []byte{0xc1, 0x08}, true, 8, puppet.NoReason},
	}
	for _, k := range targets {
		p := start(t, k, 1)
		for _, row := range rows {
			t.Run(string(k)+" "+row.name, func(t *testing.T) {
				s := strike(t, p.urls[0], newKey(t))
				s.greet(t, s.honest())
				s.SetSnappy(!row.plain)
				s.send(t, discCode, row.data)
				id := hex.EncodeToString(crypto.Keccak256(s.honest().ID))
				e := p.await("end", puppet.Event{Event: puppet.Down, Peer: id})
				want := row.ours
				if k == geth {
					want = row.another
				}
				if e.Reason != want {
					t.Errorf("%s saw reason %d (%s), want %d", k, e.Reason, e.Why, want)
				}
			})
		}
	}
}

// TestPings sends one ping, which is answered, and then many before it reads: those
// who send more than they read need not get every answer, but the rest goes on.
func TestPings(t *testing.T) {
	const n = 1000
	for _, k := range append(targets, js) {
		t.Run(string(k), func(t *testing.T) {
			p := start(t, k, 1)
			s := strike(t, p.urls[0], newKey(t))
			s.greet(t, s.honest())
			s.send(t, pingCode, []byte{0xc0})
			if pong := s.expect(t, pongCode); string(pong) != "\xc0" {
				t.Errorf("ping was answered with %x", pong)
			}
			for range n {
				s.send(t, pingCode, []byte{0xc0})
			}
			s.expect(t, pongCode)
			s.send(t, firstCode, foo)
			s.expect(t, firstCode)
		})
	}
}

// TestClaims has many connections announce the largest frame and send little of
// it: before the hellos, and after.
func TestClaims(t *testing.T) {
	const conns, most = 24, 64 << 20 // bytes by which memory may grow; the claims are 400 MB
	p := start(t, ours, 1, "-max", "200")
	serves(t, p)
	before := memory(t, p)
	payload := bytes.Repeat([]byte{7}, 1<<24-2)
	for i := range conns {
		s := strike(t, p.urls[0], newKey(t))
		if i%2 == 0 {
			s.greet(t, s.honest())
			s.SetSnappy(false)
		}
		s.wire.spoil(32+1024, -1)
		s.send(t, firstCode, payload)
	}
	serves(t, p)
	if grown := memory(t, p) - before; grown > most {
		t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, most>>20)
	}
}

// memory is the most that the process has had in RAM.
func memory(t *testing.T, p *process) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("SKIP memory: no /proc")
	}
	_, text, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(text, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
