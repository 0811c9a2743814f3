package node_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"kith/crypto"
	"kith/node"
	"kith/rlp"
)

type vector struct {
	PrivateKey string `json:"private_key"`
	Seq        uint64
	IP         string
	UDP        uint16
	NodeID     string `json:"node_id"`
	ENR        string
	Signature  string
}

// eip778 is the example of the specification.
func eip778(t testing.TB) (v vector, key *crypto.PrivateKey) {
	t.Helper()
	b, err := os.ReadFile("testdata/eip778.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if key, err = crypto.ParseKeyHex(v.PrivateKey); err != nil {
		t.Fatal(err)
	}
	return v, key
}

func TestTheRecordOfEIP778(t *testing.T) {
	v, key := eip778(t)
	r, err := node.ParseRecord(v.ENR)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.String(); got != v.ENR {
		t.Errorf("String() = %s, want %s", got, v.ENR)
	}
	if r.Seq() != v.Seq || !r.Signed() || !r.Key().Equal(key.Public()) {
		t.Errorf("seq %d, signed %v by %v; want %d by %v", r.Seq(), r.Signed(), r.Key(), v.Seq, key.Public())
	}
	if got, want := slices.Collect(r.Keys()), []string{"id", "ip", "secp256k1", "udp"}; !slices.Equal(got, want) {
		t.Errorf("Keys() = %q, want %q", got, want)
	}
	var ip netip.Addr
	var udp uint16
	if err := errors.Join(r.Get("ip", &ip), r.Get("udp", &udp)); err != nil || ip.String() != v.IP || udp != v.UDP {
		t.Errorf("ip %v, udp %d, %v; want %s, %d", ip, udp, err, v.IP, v.UDP)
	}
	n, err := node.FromRecord(r)
	if err != nil || n.ID.Hex() != v.NodeID || n.ID != node.V4ID(key.Public()) {
		t.Errorf("FromRecord = %v, %v, want id %s", n, err, v.NodeID)
	}
}

func TestSigningTheRecordOfEIP778(t *testing.T) {
	v, key := eip778(t)
	r := new(node.Record)
	r.SetSeq(v.Seq)
	set(t, r, "udp", v.UDP)
	set(t, r, "ip", netip.MustParseAddr(v.IP))
	if err := r.Sign(key); err != nil || r.String() != v.ENR {
		t.Errorf("signed: %v, %v, want %s", r, err, v.ENR)
	}
	raw, err := rlp.Marshal(r)
	if err != nil || !strings.Contains(hex.EncodeToString(raw), v.Signature) {
		t.Errorf("Marshal = %x, %v, want the signature %s", raw, err, v.Signature)
	}
	var in struct{ Records []*node.Record }
	raw, err = rlp.Marshal(struct{ Records []*node.Record }{[]*node.Record{r, r}})
	if err != nil {
		t.Fatal(err)
	}
	if err := rlp.Unmarshal(raw, &in); err != nil || len(in.Records) != 2 || !in.Records[1].Equal(r) {
		t.Errorf("Unmarshal of two = %v, %v", in.Records, err)
	}
}

func set(t testing.TB, r *node.Record, key string, v any) {
	t.Helper()
	if err := r.Set(key, v); err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB, seed byte) *crypto.PrivateKey {
	t.Helper()
	b := make([]byte, 32)
	b[31] = seed
	k, err := crypto.ParseKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestChangesUnsign(t *testing.T) {
	key := newKey(t, 1)
	for name, change := range map[string]func(r *node.Record){
		"seq":    func(r *node.Record) { r.SetSeq(2) },
		"new":    func(r *node.Record) { set(t, r, "eth", []uint{1}) },
		"other":  func(r *node.Record) { set(t, r, "tcp", uint(2)) },
		"delete": func(r *node.Record) { r.Delete("tcp") },
	} {
		r := new(node.Record)
		set(t, r, "tcp", uint(1))
		if err := r.Sign(key); err != nil {
			t.Fatal(err)
		}
		c := r.Clone()
		change(c)
		if c.Signed() || c.Key() != nil || !r.Signed() || c.Equal(r) {
			t.Errorf("%s: the change is signed %v, what it was made of %v", name, c.Signed(), r.Signed())
		}
		if _, err := rlp.Marshal(c); !errors.Is(err, node.ErrUnsigned) {
			t.Errorf("%s: Marshal = %v, want ErrUnsigned", name, err)
		}
		if _, err := c.MarshalText(); !errors.Is(err, node.ErrUnsigned) {
			t.Errorf("%s: MarshalText = %v, want ErrUnsigned", name, err)
		}
		if _, err := node.FromRecord(c); !errors.Is(err, node.ErrUnsigned) {
			t.Errorf("%s: FromRecord = %v, want ErrUnsigned", name, err)
		}
		r.Delete("nothing")
		set(t, r, "tcp", uint(1))
		if !r.Signed() {
			t.Errorf("%s: what changes nothing took the signature", name)
		}
	}
}

func TestUnknownEntriesAreKept(t *testing.T) {
	type fork struct {
		Hash [4]byte
		Next uint64
	}
	r := new(node.Record)
	want := fork{[4]byte{1, 2, 3, 4}, 9}
	set(t, r, "eth", []fork{want})
	set(t, r, "", "empty")
	if err := r.Sign(newKey(t, 1)); err != nil {
		t.Fatal(err)
	}
	s, err := node.ParseRecord(r.String())
	if err != nil {
		t.Fatal(err)
	}
	var got []fork
	if err := s.Get("eth", &got); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("Get(eth) = %v, %v, want %v", got, err, want)
	}
	if err := s.Get("nothing", &got); !errors.Is(err, node.ErrNoEntry) || s.Has("nothing") || !s.Has("") {
		t.Errorf("Get(nothing) = %v, want ErrNoEntry", err)
	}
	var ip netip.Addr
	if err := s.Get("eth", &ip); err == nil {
		t.Errorf("Get(eth) as an address = %v", ip)
	}
	again, err := node.ParseRecord(s.Clone().String())
	if err != nil || !again.Equal(s) {
		t.Errorf("%v came back as %v, %v", s, again, err)
	}
}

func TestSetRefuses(t *testing.T) {
	r := new(node.Record)
	for name, v := range map[string]any{"not a value": rlp.Raw{0xc1}, "two values": rlp.Raw{1, 2}, "float": 1.5} {
		if err := r.Set(name, v); err == nil {
			t.Errorf("Set(%s, %v) = nil, want an error", name, v)
		}
	}
	set(t, r, "big", make([]byte, 300))
	if err := r.Sign(newKey(t, 1)); err == nil || !strings.Contains(err.Error(), "the limit is 300") || r.Signed() {
		t.Errorf("Sign of a large record = %v, signed %v", err, r.Signed())
	}
}

// forged is a record whose signature is right, whatever the rest is.
func forged(t testing.TB, items ...[]byte) []byte {
	t.Helper()
	content := slices.Concat(items...)
	sig := newKey(t, 1).Sign(crypto.Keccak256(rlp.AppendListHead(nil, len(content)), content))
	return listOf(rlp.AppendBytes(nil, sig[:64]), content)
}

func listOf(items ...[]byte) []byte {
	content := slices.Concat(items...)
	return append(rlp.AppendListHead(nil, len(content)), content...)
}

func text(s string) []byte   { return rlp.AppendString(nil, s) }
func number(n uint64) []byte { return rlp.AppendUint(nil, n) }

func TestDecodeRecordRefuses(t *testing.T) {
	compressed := newKey(t, 1).Public().Compressed()
	id, key := slices.Concat(text("id"), text("v4")), slices.Concat(text("secp256k1"), rlp.AppendBytes(nil, compressed[:]))
	good := forged(t, number(1), id, key)
	if _, err := node.DecodeRecord(good); err != nil {
		t.Fatal(err)
	}
	off := compressed
	off[32] ^= 1
	for want, raw := range map[string][]byte{
		"ends within a value":              nil,
		"expected list":                    text("x"),
		"1 bytes follow it":                append(slices.Clone(good), 0),
		"input ends":                       good[:len(good)-1],
		"the limit is 300":                 forged(t, number(1), id, key, text("x"), rlp.AppendBytes(nil, make([]byte, 200))),
		"signature":                        listOf(listOf()),
		"seq":                              listOf(text("sig"), text("0123456789")),
		"integer is not canonical":         forged(t, []byte{0x82, 0, 1}, id, key),
		`key "id" has no value`:            forged(t, number(1), text("id")),
		`key "id" after "secp256k1"`:       forged(t, number(1), key, id),
		`key "id" after "id"`:              forged(t, number(1), id, id, key),
		`identity scheme "v5"`:             forged(t, number(1), text("id"), text("v5"), key),
		`identity scheme "", want "v4"`:    forged(t, number(1), key),
		"secp256k1 of 0 bytes":             forged(t, number(1), id),
		"secp256k1 of 32 bytes":            forged(t, number(1), id, text("secp256k1"), rlp.AppendBytes(nil, compressed[:32])),
		`key after "id"`:                   forged(t, number(1), id, listOf(), number(1)),
		`value of "a": rlp: size is not`:   forged(t, number(1), text("a"), []byte{0x81, 1}, id, key),
		`value of "b": rlp: size is not`:   forged(t, number(1), text("b"), listOf(listOf([]byte{0x81, 1})), id, key),
		"signature of 65 bytes":            listOf(rlp.AppendBytes(nil, make([]byte, 65)), number(1), id, key),
		"the signature is not that of its": listOf(rlp.AppendBytes(nil, make([]byte, 64)), number(1), id, key),
	} {
		r, err := node.DecodeRecord(raw)
		if !errors.Is(err, node.ErrBadRecord) || !strings.Contains(err.Error(), want) {
			t.Errorf("DecodeRecord(%x) = %v, %v; want %q", raw, r, err, want)
		}
	}
	for i := range good {
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << bit
			if r, err := node.DecodeRecord(bad); !errors.Is(err, node.ErrBadRecord) {
				t.Errorf("with bit %d of byte %d turned: %v, %v", bit, i, r, err)
			}
		}
	}
}

// Who gives away a buffer may use it again.
func TestDecodeRecordKeepsNothing(t *testing.T) {
	r := new(node.Record)
	set(t, r, "x", "value")
	if err := r.Sign(newKey(t, 1)); err != nil {
		t.Fatal(err)
	}
	raw, _ := rlp.Marshal(r)
	s, err := node.DecodeRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	var x string
	if err := s.Get("x", &x); err != nil || x != "value" || !s.Equal(r) {
		t.Errorf("x = %q, %v after the buffer was cleared", x, err)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	v, _ := eip778(t)
	for _, text := range []string{"", "enr:", "enr", v.ENR[4:], v.ENR + "=", v.ENR[:len(v.ENR)-1], strings.Replace(v.ENR, "-", "+", 1), "enr:" + strings.Repeat("A", 1<<20)} {
		if r, err := node.ParseRecord(text); !errors.Is(err, node.ErrBadRecord) || len(err.Error()) > 300 {
			t.Errorf("ParseRecord(%.40q) = %v, %v; want ErrBadRecord", text, r, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	addr := netip.MustParseAddr
	for _, test := range []struct {
		name     string
		entries  map[string]any
		tcp, udp []string
		hosts    []string
	}{
		{name: "none"},
		{name: "no address", entries: map[string]any{"tcp": uint(1), "udp": uint(2)}},
		{
			name:    "IPv4",
			entries: map[string]any{"ip": addr("1.2.3.4"), "tcp": uint(1), "udp": uint(2)},
			tcp:     []string{"1.2.3.4:1"}, udp: []string{"1.2.3.4:2"}, hosts: []string{"1.2.3.4:1"},
		},
		{
			name:    "both, one set of ports",
			entries: map[string]any{"ip": addr("1.2.3.4"), "ip6": addr("2001:db8::1"), "tcp": uint(1), "udp": uint(2)},
			tcp:     []string{"1.2.3.4:1", "[2001:db8::1]:1"}, udp: []string{"1.2.3.4:2", "[2001:db8::1]:2"}, hosts: []string{"1.2.3.4:1", "[2001:db8::1]:1"},
		},
		{
			name:    "both, ports of their own",
			entries: map[string]any{"ip": addr("1.2.3.4"), "ip6": addr("2001:db8::1"), "tcp": uint(1), "tcp6": uint(61), "udp": uint(2), "udp6": uint(62)},
			tcp:     []string{"1.2.3.4:1", "[2001:db8::1]:61"}, udp: []string{"1.2.3.4:2", "[2001:db8::1]:62"}, hosts: []string{"1.2.3.4:1", "[2001:db8::1]:61"},
		},
		{
			name:    "the wider one first",
			entries: map[string]any{"ip": addr("10.0.0.1"), "ip6": addr("2001:db8::1"), "tcp": uint(1)},
			tcp:     []string{"[2001:db8::1]:1", "10.0.0.1:1"}, hosts: []string{"[2001:db8::1]:1", "10.0.0.1:1"},
		},
		{
			name:    "loopback last",
			entries: map[string]any{"ip": addr("169.254.0.1"), "ip6": addr("::1"), "tcp": uint(1)},
			tcp:     []string{"169.254.0.1:1", "[::1]:1"}, hosts: []string{"169.254.0.1:1", "[::1]:1"},
		},
		{
			name:    "a zone is missing",
			entries: map[string]any{"ip6": addr("fe80::1"), "tcp": uint(1), "udp": uint(2)},
		},
		{
			name:    "IPv6 alone with the ports of IPv4",
			entries: map[string]any{"ip6": addr("2001:db8::1"), "tcp": uint(1)},
			tcp:     []string{"[2001:db8::1]:1"}, hosts: []string{"[2001:db8::1]:1"},
		},
		{
			name:    "tcp6 is not for IPv4",
			entries: map[string]any{"ip": addr("1.2.3.4"), "tcp6": uint(1)},
		},
		{
			name:    "UDP alone",
			entries: map[string]any{"ip": addr("1.2.3.4"), "udp": uint(2)},
			udp:     []string{"1.2.3.4:2"}, hosts: []string{"1.2.3.4:0"},
		},
		{
			name:    "nobody's addresses",
			entries: map[string]any{"ip": addr("0.0.0.0"), "ip6": addr("ff02::1"), "tcp": uint(1), "udp": uint(2)},
		},
		{
			name:    "in the wrong places",
			entries: map[string]any{"ip": addr("2001:db8::1"), "ip6": addr("1.2.3.4"), "tcp": uint(1), "udp": uint(2)},
		},
		{
			name:    "nonsense",
			entries: map[string]any{"ip": "12345", "ip6": []uint{1}, "tcp": uint(70000), "udp": []uint{1}},
		},
		{
			name:    "IPv4 within IPv6",
			entries: map[string]any{"ip6": addr("::ffff:1.2.3.4").As16(), "tcp": uint(1)},
		},
	} {
		r := new(node.Record)
		for k, v := range test.entries {
			set(t, r, k, v)
		}
		if err := r.Sign(newKey(t, 1)); err != nil {
			t.Fatal(err)
		}
		n, err := node.FromRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := addrs(r.TCP()); !slices.Equal(got, test.tcp) || !slices.Equal(n.TCPHosts(), test.tcp) {
			t.Errorf("%s: TCP() = %v, TCPHosts() = %v, want %v", test.name, got, n.TCPHosts(), test.tcp)
		}
		if got := addrs(r.UDP()); !slices.Equal(got, test.udp) || !slices.Equal(n.UDPHosts(), test.udp) {
			t.Errorf("%s: UDP() = %v, UDPHosts() = %v, want %v", test.name, got, n.UDPHosts(), test.udp)
		}
		if !slices.Equal(n.Hosts, test.hosts) {
			t.Errorf("%s: Hosts = %v, want %v", test.name, n.Hosts, test.hosts)
		}
	}
}

func addrs(list []netip.AddrPort) (out []string) {
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func TestRecordsInJSON(t *testing.T) {
	v, _ := eip778(t)
	var in struct{ Record *node.Record }
	if err := json.Unmarshal([]byte(`{"Record":"`+v.ENR+`"}`), &in); err != nil || in.Record.Seq() != v.Seq {
		t.Fatalf("Unmarshal = %v, %v", in.Record, err)
	}
	if out, err := json.Marshal(in); err != nil || string(out) != `{"Record":"`+v.ENR+`"}` {
		t.Errorf("Marshal = %s, %v", out, err)
	}
	before := in.Record.Clone()
	if err := json.Unmarshal([]byte(`{"Record":"enr:x"}`), &in); !errors.Is(err, node.ErrBadRecord) || !in.Record.Equal(before) {
		t.Errorf("Unmarshal of nonsense = %v, and leaves %v", err, in.Record)
	}
	var nobody *node.Record
	if nobody.Equal(in.Record) || !nobody.Equal(nil) {
		t.Error("no record is equal to a record, or not to itself")
	}
}
