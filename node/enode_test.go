package node_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"kith/node"
)

// keyText is the key of newKey(1): the curve's generator.
const keyText = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
	"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"

func TestParseEnode(t *testing.T) {
	const at = "enode://" + keyText + "@"
	id := node.V4ID(newKey(t, 1).Public())
	for _, test := range []struct {
		text  string
		again string // if String gives another
		hosts []string
		udp   []string
	}{
		{text: "enode://" + keyText},
		{text: keyText, again: "enode://" + keyText},
		{text: at + "10.0.0.7:30303", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:30303"}},
		{text: at + "[2001:db8::7]:30303", hosts: []string{"[2001:db8::7]:30303"}, udp: []string{"[2001:db8::7]:30303"}},
		{text: at + "[fe80::7%25eth0]:1", hosts: []string{"[fe80::7%eth0]:1"}, udp: []string{"[fe80::7%eth0]:1"}},
		{text: at + "[fe80::7%eth0]:1", again: at + "[fe80::7%25eth0]:1", hosts: []string{"[fe80::7%eth0]:1"}, udp: []string{"[fe80::7%eth0]:1"}},
		{text: at + "boot-1.example.org:30303", hosts: []string{"boot-1.example.org:30303"}, udp: []string{"boot-1.example.org:30303"}},
		{text: at + "localhost:1", hosts: []string{"localhost:1"}, udp: []string{"localhost:1"}},
		{text: at + "10.0.0.7:30303?discport=30301", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:30301"}},
		{text: at + "10.0.0.7:30303?discport=0", hosts: []string{"10.0.0.7:30303"}},
		{text: at + "10.0.0.7:0?discport=30301", hosts: []string{"10.0.0.7:0"}, udp: []string{"10.0.0.7:30301"}},
		{text: at + "10.0.0.7:30303?discport=30303", again: at + "10.0.0.7:30303", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:30303"}},
		{text: at + "10.0.0.7:30303?", again: at + "10.0.0.7:30303", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:30303"}},
		{text: at + "10.0.0.7:30303/?x=1&discport=2#name", again: at + "10.0.0.7:30303?discport=2", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:2"}},
		{text: at + "[::ffff:10.0.0.7]:030303", again: at + "10.0.0.7:30303", hosts: []string{"10.0.0.7:30303"}, udp: []string{"10.0.0.7:30303"}},
		{text: "ENODE://0x" + strings.ToUpper(keyText) + "@10.0.0.7:1", again: at + "10.0.0.7:1", hosts: []string{"10.0.0.7:1"}, udp: []string{"10.0.0.7:1"}},
	} {
		n, err := node.Parse(test.text)
		if err != nil {
			t.Errorf("Parse(%s): %v", test.text, err)
			continue
		}
		if n.ID != id || n.Scheme != node.V4 || !n.Key.Equal(newKey(t, 1).Public()) || n.Record != nil {
			t.Errorf("Parse(%s) = %+v", test.text, n)
		}
		if !slices.Equal(n.Hosts, test.hosts) || !slices.Equal(n.UDPHosts(), test.udp) {
			t.Errorf("Parse(%s): Hosts %v, UDPHosts %v; want %v and %v", test.text, n.Hosts, n.UDPHosts(), test.hosts, test.udp)
		}
		want := test.again
		if want == "" {
			want = test.text
		}
		if got := n.String(); got != want {
			t.Errorf("Parse(%s).String() = %s, want %s", test.text, got, want)
		}
	}
}

func TestParseEnodeRefuses(t *testing.T) {
	const at = "enode://" + keyText + "@"
	for text, want := range map[string]string{
		"enode://":                              "a key of 0 digits, want 128",
		"enode://" + keyText[1:] + "@1.2.3.4:1": "a key of 127 digits",
		"enode://" + strings.Repeat("0", 128):   "crypto: ",
		"enode://" + strings.Repeat("g", 128):   "the key: ",
		strings.Repeat("g", 128):                "the key: ",
		strings.Repeat("a", 64) + "@1.2.3.4:1":  "it must start with enode://, enr: or kith://",
		at:                                      "missing port",
		at + "10.0.0.7":                         "missing port",
		at + "10.0.0.7:":                        `the port must be 0 to 65535, not ""`,
		at + "10.0.0.7:65536":                   `the port must be 0 to 65535, not "65536"`,
		at + "10.0.0.7:x":                       `not "x"`,
		at + "10.0.0.7:0":                       "the port is 0, and so is discport",
		at + "10.0.0.7:0?discport=0":            "the port is 0",
		at + "10.0.0.7:1?discport=70000":        `discport must be 0 to 65535, not "70000"`,
		at + "10.0.0.7:1?discport=x":            "discport",
		at + "2001:db8::7:30303":                "too many colons",
		at + ":30303":                           `"" is neither an IP address nor a name`,
		at + "10.0.0.256:30303":                 `"10.0.0.256" is neither an IP address nor a name`,
		at + "a b:30303":                        "is neither",
		at + "a@b:30303":                        "is neither",
		at + strings.Repeat("a", 300) + ":1":    "is neither",
	} {
		n, err := node.Parse(text)
		if !errors.Is(err, node.ErrBadNode) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%s) = %v, %v; want ErrBadNode and %q", text, n, err, want)
		}
	}
}

func TestParseOfRecords(t *testing.T) {
	v, key := eip778(t)
	n, err := node.Parse(v.ENR)
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().Bytes()
	if want := "enode://" + hex.EncodeToString(public[:]) + "@127.0.0.1:0?discport=30303"; n.String() != want {
		t.Errorf("String() = %s, want %s", n, want)
	}
	if n.Record.String() != v.ENR || n.Scheme != node.V4 || n.IDText() != v.NodeID || n.Short() != v.NodeID[:8] {
		t.Errorf("record %v of %s (%s)", n.Record, n.IDText(), n.Short())
	}
	if n, err := node.Parse(v.ENR[:100]); !errors.Is(err, node.ErrBadRecord) {
		t.Errorf("Parse of half a record = %v, %v; want ErrBadRecord", n, err)
	}
}

func TestIDsInHexadecimal(t *testing.T) {
	v, key := eip778(t)
	for _, text := range []string{v.NodeID, strings.ToUpper(v.NodeID), node.V4ID(key.Public()).String()} {
		if id, err := node.ParseID(text); err != nil || id.Hex() != v.NodeID {
			t.Errorf("ParseID(%s) = %v, %v", text, id, err)
		}
	}
	for _, text := range []string{v.NodeID[1:], v.NodeID + "0", v.NodeID[1:] + "g"} {
		if id, err := node.ParseID(text); !errors.Is(err, node.ErrBadID) {
			t.Errorf("ParseID(%s) = %v, %v; want ErrBadID", text, id, err)
		}
	}
	n, err := node.Parse(v.NodeID)
	if err != nil || n.Scheme != node.V4 || n.String() != v.NodeID || n.Key != nil {
		t.Errorf("Parse(%s) = %v, %v", v.NodeID, n, err)
	}
	id := n.ID
	if node.V4.Short(id) != v.NodeID[:8] || node.Cert.Short(id) != id.String()[:8] || node.Cert.IDText(id) != id.String() {
		t.Errorf("Short: %s and %s", node.V4.Short(id), node.Cert.Short(id))
	}
	if node.V4.String() != "v4" || node.Cert.String() != "cert" {
		t.Errorf("schemes %v and %v", node.V4, node.Cert)
	}
}

func TestNodesThatDiffer(t *testing.T) {
	v, _ := eip778(t)
	base := func() *node.Node { return node.NewV4(newKey(t, 1).Public(), "10.0.0.7:30303") }
	if !base().Equal(base()) {
		t.Error("a node does not equal itself")
	}
	r, err := node.ParseRecord(v.ENR)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(n *node.Node){
		"id":     func(n *node.Node) { n.ID = node.ID{1} },
		"scheme": func(n *node.Node) { n.Scheme = node.Cert },
		"hosts":  func(n *node.Node) { n.Hosts = nil },
		"key":    func(n *node.Node) { n.Key = nil },
		"record": func(n *node.Node) { n.Record = r },
		"udp":    func(n *node.Node) { n.UDP = 1 },
		"no udp": func(n *node.Node) { n.NoUDP = true },
	} {
		n := base()
		change(n)
		if n.Equal(base()) || base().Equal(n) {
			t.Errorf("%s makes no difference", name)
		}
	}
}
