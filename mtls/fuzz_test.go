package mtls

import (
	"bytes"
	"io"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

func FuzzHello(f *testing.F) {
	f.Add(goldenHello.append(nil))
	f.Add([]byte("kith\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxControl {
			return
		}
		h, err := parseHello(b)
		if err != nil {
			return
		}
		again, err := parseHello(h.append(nil))
		if err != nil || !reflect.DeepEqual(h, again) {
			t.Errorf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, b := range goldenFrames() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerSize {
			return
		}
		h := parseHeader(b)
		if again := h.append(nil); !bytes.Equal(again, b[:headerSize]) {
			t.Errorf("%x came back as %x", b[:headerSize], again)
		}
		if h.check() == nil && h.length > maxPayload {
			t.Errorf("a payload of %d bytes passes", h.length)
		}
	})
}

func FuzzPack(f *testing.F) {
	f.Add([]byte{0, 0, 1, 'x', 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		rest := b
		for len(rest) > 0 {
			c, gram, next, ok := nextGram(rest)
			if !ok {
				return
			}
			again = append(append(again, c, byte(len(gram)>>8), byte(len(gram))), gram...)
			rest = next
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x", b, again)
		}
	})
}

// A tape is a carrier that gives what is on it, a little at a time, and takes
// everything.
type tape struct {
	b    []byte
	step int
}

func (t *tape) Read(b []byte) (int, error) {
	if len(t.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, t.b[:min(len(t.b), t.step)])
	t.b = t.b[n:]
	return n, nil
}

func (t *tape) Write(b []byte) (int, error) { return len(b), nil }
func (t *tape) Close() error                { return nil }
func (t *tape) CloseWrite() error           { return nil }
func (t *tape) SetDeadline(time.Time) error { return nil }
func (t *tape) together([]byte) error       { return nil }
func (t *tape) counts() (in, out uint64)    { return 0, 0 }
func (t *tape) name() string                { return "tape" }

// FuzzSession feeds the reader: whatever comes, it ends, without a panic, and
// holds no more than the windows allow.
func FuzzSession(f *testing.F) {
	var all []byte
	for _, name := range []string{"ping", "pong", "message", "first", "more", "credit", "ask", "none"} {
		all = append(all, goldenFrames()[name]...)
		f.Add(goldenFrames()[name], uint16(3))
	}
	f.Add(all, uint16(100))
	w := newWorld(f)
	cfg := w.transport("a").mustConfig(f)
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		s := newSession(&Transport{}, cfg, &tape{b, int(step) + 1}, false, nil, node.ID{1}, netip.AddrPort{}, netip.AddrPort{})
		rws, err := s.Open(twoChannels)
		if err != nil {
			t.Fatal(err)
		}
		rws[1].(p2p.Direct).Attach(func(batch []p2p.Msg) {
			for _, m := range batch {
				if m.Code >= 16 {
					t.Errorf("code %d was let through", m.Code)
				}
			}
		}, func(func(uint64, []byte, []byte) bool) {})
		<-s.Done()
		held := 0
		for _, a := range s.channels[0].queue {
			held += len(a.msg.Payload)
		}
		if held > firstWindow {
			t.Errorf("%d bytes are held", held)
		}
		s.Close(nil)
	})
}

func FuzzRenewed(f *testing.F) {
	w := newWorld(f)
	pair := w.issue(cert.NodeOptions{Name: "a"})
	id, err := cert.ID(pair.Cert.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pair.Cert.Raw)
	f.Add(append(bytes.Clone(pair.Cert.Raw), w.ca.Cert.Raw...))
	s := &session{remote: id}
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for _, c := range s.parseChain(b) {
			again = append(again, c.Raw...)
		}
		if again != nil && !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x", b, again)
		}
	})
}
