package mtls

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"kith/p2p"
)

var goldenHello = hello{
	Hello: p2p.Hello{
		Name: "alice", Version: [3]uint16{0, 1, 0}, Caps: []p2p.Cap{{Name: "gossip", Version: 1}, {Name: "port", Version: 1}},
		ListenPort: 38080, Epoch: 1766000000000, You: netip.MustParseAddrPort("[2001:db8::1]:40000"),
	},
	low: 1, high: 1, maxMessage: 16 << 20,
}

// goldenFrames are all frames there are, each with the name of its line in
// testdata/frames.txt. That file only grows: what it holds is on the wire.
func goldenFrames() map[string][]byte {
	eight := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	return map[string][]byte{
		"hello":      appendFrame(nil, kindHello, goldenHello.append(nil)),
		"refused":    appendFrame(nil, kindRefused, []byte("certificate of b signed by unknown authority CN=x")),
		"disconnect": appendFrame(nil, kindDisconnect, farewell(p2p.DiscTooManyPeers, "7 of 7")),
		"ping":       appendFrame(nil, kindPing, eight),
		"pong":       appendFrame(nil, kindPong, eight),
		"message":    frameOf(kindMessage, 1, 0x0203, []byte("payload")...),
		"first":      frameOf(kindFirst, 1, 0x0203, append([]byte{0, 1, 0, 0}, "begins"...)...),
		"more":       frameOf(kindMore, 1, 0, []byte("goes on")...),
		"credit":     frameOf(kindCredit, 1, 0, 0, 2, 0, 0),
		"ask":        appendFrame(nil, kindAsk),
		"none":       appendFrame(nil, kindNone, []byte("QUIC is off")),
		"attach":     appendFrame(nil, kindAttach, bytes.Repeat([]byte{0xaa}, 16), bytes.Repeat([]byte{0xbb}, 32)),
		"attached":   appendFrame(nil, kindAttached),
		"renewed":    appendFrame(nil, kindRenewed, []byte{0x30, 0x03, 0x02, 0x01, 0x05}),
	}
}

func TestGoldenFrames(t *testing.T) {
	data, err := os.ReadFile("testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		golden[name] = text
	}
	frames := goldenFrames()
	for name, b := range frames {
		if got := hex.EncodeToString(b); got != golden[name] {
			t.Errorf("%s is\n%s, want\n%s", name, got, golden[name])
		}
		if h := parseHeader(b); h.check() != nil || h.length != len(b)-headerSize {
			t.Errorf("%s: header %+v: %v", name, h, h.check())
		}
	}
	if len(golden) != len(frames) {
		t.Errorf("testdata has %d frames, want %d", len(golden), len(frames))
	}
	h, err := parseHello(frames["hello"][headerSize:])
	if err != nil || !reflect.DeepEqual(*h, goldenHello) {
		t.Errorf("parseHello() = %+v, %v, want %+v", h, err, goldenHello)
	}
}

func TestHelloParsing(t *testing.T) {
	good := goldenHello.append(nil)
	unknown := appendField(bytes.Clone(good), 200, []byte("from the future"))
	if h, err := parseHello(unknown); err != nil || !reflect.DeepEqual(*h, goldenHello) {
		t.Errorf("with an unknown field: %+v, %v", h, err)
	}
	for _, tt := range []struct {
		name, text string
		b          []byte
	}{
		{"empty", `does not begin with "kith"`, nil},
		{"other magic", `does not begin with "kith"`, []byte("nope\x01\x01")},
		{"cut", "ends within a field", append(bytes.Clone(good), 1, 0)},
		{"long claim", "claims 65535 bytes, 1 are left", append(bytes.Clone(good), 1, 0xff, 0xff, 0)},
		{"bad version", "field 2 of hello has 5 bytes", appendField(bytes.Clone(good), fieldVersion, make([]byte, 5))},
		{"nameless capability", "field 3 of hello has 4 bytes", appendField(bytes.Clone(good), fieldCap, make([]byte, 4))},
		{"long capability", "field 3 of hello has 69 bytes", appendField(bytes.Clone(good), fieldCap, make([]byte, 69))},
		{"bad address", "field 6 of hello has 5 bytes", appendField(bytes.Clone(good), fieldYou, make([]byte, 5))},
	} {
		if h, err := parseHello(tt.b); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: parseHello() = %v, %v, want %q", tt.name, h, err, tt.text)
		}
	}
	h, err := parseHello(appendField(bytes.Clone(good), fieldName, []byte("bad\x1b[31m\nname\xff")))
	if err != nil || h.Name != "bad?[31m?name\uFFFD" && h.Name != "bad?[31m?name?" {
		t.Errorf("a name with control characters is %q, %v", h.Name, err)
	}
}

func TestVersionsMeet(t *testing.T) {
	for _, tt := range []struct {
		ours, theirs hello
		text         string
	}{
		{hello{low: 1, high: 1}, hello{low: 1, high: 3}, ""},
		{hello{low: 1, high: 2}, hello{low: 2, high: 3}, ""},
		{hello{low: 1, high: 1}, hello{low: 2, high: 3}, "frames of version 1 to 1 meet those of version 2 to 3"},
		{hello{low: 2, high: 3}, hello{low: 1, high: 1}, "frames of version 2 to 3 meet those of version 1 to 1"},
		{hello{Hello: p2p.Hello{Version: [3]uint16{0, 1, 0}}}, hello{Hello: p2p.Hello{Version: [3]uint16{0, 9, 7}}}, ""},
		{hello{Hello: p2p.Hello{Version: [3]uint16{1, 2, 3}}}, hello{Hello: p2p.Hello{Version: [3]uint16{0, 1, 0}}}, "version 1.2.3 cannot talk to version 0.1.0"},
	} {
		err := compatible(&tt.ours, &tt.theirs)
		if tt.text == "" && err != nil || tt.text != "" && (err == nil || err.Error() != tt.text) {
			t.Errorf("compatible(%+v, %+v) = %v, want %q", tt.ours, tt.theirs, err, tt.text)
		}
	}
}
