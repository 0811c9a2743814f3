package p2ptest

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"kith/p2p"
)

var update = flag.Bool("update", false, "write testdata/frames.golden anew")

var fullHello = p2p.Hello{
	Name: "kith", Version: [3]uint16{0, 1, 2}, ListenPort: 30303, Epoch: 1701161221917,
	Caps: []p2p.Cap{{Name: "echo", Version: 1}, {Name: "gossip", Version: 2}},
	You:  netip.MustParseAddrPort("10.1.2.3:49152"),
}

func helloBytes(t testing.TB, h p2p.Hello) []byte {
	t.Helper()
	b, err := appendHello(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frames are one of each kind.
func frames(t testing.TB) [][]byte {
	id := ID("a")
	v6 := fullHello
	v6.You, v6.Caps = netip.MustParseAddrPort("[2001:db8::1]:7"), nil
	return [][]byte{
		frame{kind: kindID, payload: id[:]}.bytes(),
		frame{kind: kindHello, payload: helloBytes(t, fullHello)}.bytes(),
		frame{kind: kindHello, payload: helloBytes(t, v6)}.bytes(),
		frame{kind: kindHello, payload: helloBytes(t, p2p.Hello{})}.bytes(),
		frame{kind: kindMsg, channel: 3, code: 15, payload: []byte("head")}.bytes([]byte("body")...),
		closing(p2p.DiscRefused, "not you"),
		frame{kind: kindReset}.bytes(),
		frame{kind: kindDatagram, channel: 1, payload: []byte("data")}.bytes(),
		frame{kind: kindAsk}.bytes(),
		frame{kind: kindAnswer, payload: []byte("no")}.bytes(),
	}
}

func TestFramesAreGolden(t *testing.T) {
	var got strings.Builder
	for _, b := range frames(t) {
		fmt.Fprintln(&got, hex.EncodeToString(b))
	}
	const name = "testdata/frames.golden"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || got.String() != string(want) {
		t.Errorf("frames are\n%swant (%v)\n%s", &got, err, want)
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	id := frame{kind: kindReset}.bytes()
	for name, b := range map[string][]byte{
		"empty":        nil,
		"short":        id[:8],
		"no kind":      append([]byte{0}, id[1:]...),
		"unknown kind": append([]byte{99}, id[1:]...),
		"cut":          frame{kind: kindMsg, payload: []byte("abc")}.bytes()[:11],
		"more":         append(bytes.Clone(id), 1),
	} {
		if f, err := parseFrame(b); err == nil {
			t.Errorf("%s: parseFrame = %+v", name, f)
		}
	}
	full := helloBytes(t, fullHello)
	for n := range full {
		if h, err := parseHello(full[:n]); err == nil {
			t.Errorf("parseHello of %d of %d bytes = %+v", n, len(full), h)
		}
	}
	if h, err := parseHello(append(full, 0)); err == nil {
		t.Errorf("parseHello with a byte more = %+v", h)
	}
	if _, err := appendHello(nil, p2p.Hello{Name: strings.Repeat("x", 256)}); err == nil {
		t.Error("a hello with a name of 256 bytes was encoded")
	}
}

func FuzzFrame(f *testing.F) {
	for _, b := range frames(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := parseFrame(b)
		if err != nil {
			return
		}
		if again := fr.bytes(); !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x", b, again)
		}
		switch fr.kind {
		case kindHello:
			h, err := parseHello(fr.payload)
			if err != nil {
				return
			}
			if again := helloBytes(t, h); !bytes.Equal(again, fr.payload) {
				t.Errorf("hello %x came back as %x", fr.payload, again)
			}
			if again, err := parseHello(helloBytes(t, h)); err != nil || !reflect.DeepEqual(again, h) {
				t.Errorf("%+v came back as %+v, %v", h, again, err)
			}
		case kindClose:
			d, err := parseClosing(fr.payload)
			if err != nil {
				return
			}
			if again := closing(d.Reason, d.Text); !bytes.Equal(again[headerSize:], fr.payload) {
				t.Errorf("closing %x came back as %x", fr.payload, again[headerSize:])
			}
		}
	})
}
