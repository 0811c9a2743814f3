package wire

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"kith/cert"
	"kith/node"
)

var update = flag.Bool("update", false, "add frames that testdata/golden.txt does not have yet")

var testKey = ed25519.NewKeyFromSeed([]byte("kith gossip golden bytes, seed 1"))

func signer(key crypto.Signer) func([]byte) ([]byte, error) {
	return func(m []byte) ([]byte, error) { return cert.Sign(key, m) }
}

func sealed(t testing.TB, key crypto.Signer) *Record {
	id, spki, err := Identify(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	r := &Record{
		ID: id, SPKI: spki, Generation: 1701161221917, Incarnation: 3, Name: "a",
		Addresses: []string{"10.0.0.1:38080", "[2001:db8::1]:38080"}, Version: [3]uint16{0, 1, 0}, Heartbeat: 5 * time.Second,
		Ports: []Port{{8080, 2, "echo"}, {8081, 3, "ticks"}}, Meta: map[string][]byte{"role": []byte("db"), "zone": []byte("eu-1")},
	}
	if r, err = r.Seal(key.Public(), signer(key)); err != nil {
		t.Fatal(err)
	}
	return r
}

// frames are one message of each kind, and what parses and writes it again.
func frames(t testing.TB) map[string][]byte {
	r := sealed(t, testKey)
	short := Short(r.ID)
	claim := Claim{Short: short, Generation: r.Generation, Incarnation: 4, Record: 3, Status: Alive}
	claim.Signature, _ = cert.Sign(testKey, claim.Message(r.ID))
	vote := Vote{Subject: 77, Generation: 5, Incarnation: 1, Phi: 812, Hard: true}
	vote.Signature, _ = cert.Sign(testKey, vote.Message(node.ID{1}, r.ID))
	verdict := Verdict{Short: 77, Generation: 5, Incarnation: 1, Age: 1500 * time.Millisecond, Votes: []Ballot{{short, 812, true, vote.Signature}}}
	ack := Ack{Target: short, Origin: 9, Generation: r.Generation, Nonce: 0xcafe}
	ack.Signature, _ = cert.Sign(testKey, ack.Message(r.ID))
	entries := []Entry{{EntryRecord, r.Raw()}, {EntryClaim, claim.Append(nil)}, {EntryVerdict, verdict.Append(nil)}}
	digests := []Digest{{short, r.Generation, 4, Alive}, {77, 5, 1, Dead}, {78, 5, MaxIncarnation, Left}}
	buckets := Buckets{0: 1, 63: 0xffffffffffffffff}
	return map[string][]byte{
		"beat":     (&Beat{r.Generation, 42, 1000, 0x0123456789abcdef}).Append(nil),
		"probe":    (&Probe{short, 9, 0xcafe}).Append(nil),
		"ack":      ack.Append(nil),
		"vote":     vote.Append(nil),
		"deny":     (&Deny{77, 5, 1, 12}).Append(nil),
		"notice":   (&Notice{r.Generation, 4}).Append(nil),
		"want":     Want{short, 77}.Append(nil),
		"buckets":  buckets.Append(nil),
		"digests":  (&Digests{1 << 63, digests}).Append(nil),
		"delta":    (&Delta{true, Want{77}, digests[1:2], entries[2:]}).Append(nil),
		"join":     (&Join{7, 1, entries[:2]}).Append(nil),
		"table":    (&Table{true, entries[:1]}).Append(nil),
		"entries":  AppendEntries(nil, entries),
		"claim":    claim.Append(nil),
		"verdict":  verdict.Append(nil),
		"record":   r.Raw(),
		"datagram": datagram(Datagram{KindHello, (&Beat{r.Generation, 42, 1000, 0x0123456789abcdef}).Append(nil)}),
	}
}

func datagram(d Datagram) []byte { return append(d.Head(), d.Payload...) }

// again parses b as what name says and writes it anew.
func again(name string, b []byte) ([]byte, error) {
	switch name {
	case "beat":
		m, err := ParseBeat(b)
		return m.Append(nil), err
	case "probe":
		m, err := ParseProbe(b)
		return m.Append(nil), err
	case "ack":
		m, err := ParseAck(b)
		return m.Append(nil), err
	case "vote":
		m, err := ParseVote(b)
		return m.Append(nil), err
	case "deny":
		m, err := ParseDeny(b)
		return m.Append(nil), err
	case "notice":
		m, err := ParseNotice(b)
		return m.Append(nil), err
	case "want":
		m, err := ParseWant(b)
		return m.Append(nil), err
	case "buckets":
		m, err := ParseBuckets(b)
		return m.Append(nil), err
	case "digests":
		m, err := ParseDigests(b)
		return m.Append(nil), err
	case "delta":
		m, err := ParseDelta(b)
		return m.Append(nil), err
	case "join":
		m, err := ParseJoin(b)
		return m.Append(nil), err
	case "table":
		m, err := ParseTable(b)
		return m.Append(nil), err
	case "entries":
		m, err := ParseEntries(b)
		return AppendEntries(nil, m), err
	case "claim":
		m, err := ParseClaim(b)
		return m.Append(nil), err
	case "verdict":
		m, err := ParseVerdict(b)
		return m.Append(nil), err
	case "datagram":
		m, err := ParseDatagram(b)
		return datagram(m), err
	case "record":
		_, c, err := splitRecord(b)
		if err != nil {
			return nil, err
		}
		r, err := parseRecord(c)
		if err != nil {
			return nil, err
		}
		return append(appendSized(nil, b[1:1+b[0]]), r.body()...), nil
	}
	return nil, errors.New("no such frame: " + name)
}

const golden = "testdata/golden.txt"

// The golden file only grows: a line that changes is a break of the wire.
func TestGolden(t *testing.T) {
	want := map[string]string{}
	f, err := os.Open(golden)
	if err == nil {
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, hex, ok := strings.Cut(s.Text(), " "); ok {
				want[name] = hex
			}
		}
		f.Close()
	}
	for name, b := range frames(t) {
		if want[name] == "" && *update {
			f, err := os.OpenFile(golden, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(f, "%s %x\n", name, b)
			f.Close()
			continue
		}
		if got := hex.EncodeToString(b); got != want[name] {
			t.Errorf("%s = %s\nwant %s", name, got, want[name])
		}
		if got, err := again(name, b); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s came back as %x, %v", name, got, err)
		}
	}
}

func TestBytesFromLaterVersionsAreSkipped(t *testing.T) {
	for name, b := range frames(t) {
		switch name {
		case "join", "delta", "table", "entries": // lists: an entry of a kind to come
			b = append(b, 99, 2, 1, 1)
		case "record":
			b = append(b, 99, 2, 1, 1)
		default:
			b = append(b, 1, 2, 3)
		}
		if _, err := again(name, b); err != nil {
			t.Errorf("%s with more behind it: %v", name, err)
		}
	}
	if k := Kind(Codes - 1); k.String() != "kind 31" || k.Lossy() {
		t.Errorf("the last code that is reserved is %v, lossy %v", k, k.Lossy())
	}
}

// A later minor version adds fields; a record of another version is told apart
// from one that makes no sense.
func TestRecordsOfLaterVersions(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(body []byte) []byte
		want   string
	}{
		{"a field more", func(b []byte) []byte { return append(b, 99, 1, 7) }, ""},
		{"another version", func(b []byte) []byte { b[0] = 2; return b }, "gossip: record of version 2, only version 1 is read here"},
		{"no version", func(b []byte) []byte { return b[:0] }, "gossip: parse record: too short"},
	} {
		body := c.change(sealed(t, testKey).body())
		sig, err := cert.Sign(testKey, append([]byte(forRecord), body...))
		if err != nil {
			t.Fatal(err)
		}
		raw := append(appendSized(nil, sig), body...)
		_, err = OpenRecord(raw, Verify)
		if _, headErr := ParseHead(raw); fmt.Sprint(headErr) != fmt.Sprint(err) {
			t.Errorf("%s: the head says %v, the record %v", c.name, headErr, err)
		}
		if err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		var other *VersionError
		if got, want := errors.As(err, &other), c.name == "another version"; got != want {
			t.Errorf("%s: a VersionError %v, want %v", c.name, got, want)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(frames(f)["datagram"])
	f.Add([]byte{byte(KindNews), 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseDatagram(b)
		if err != nil {
			return
		}
		if got := datagram(m); !bytes.Equal(got, b) {
			t.Errorf("%x came back as %x", b, got)
		}
		if beat, err := ParseBeat(m.Payload); err == nil {
			if got := beat.Append(nil); !bytes.Equal(got, m.Payload[:len(got)]) {
				t.Errorf("%x came back as %x", m.Payload, got)
			}
		}
	})
}

func TestShortBytesAreRefused(t *testing.T) {
	for name, b := range frames(t) {
		for n := range len(b) {
			got, err := again(name, b[:n])
			if err == nil && !bytes.Equal(got, b[:n]) {
				t.Errorf("%s cut to %d bytes was read as something else", name, n)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	names := []string{"beat", "probe", "ack", "vote", "deny", "notice", "want", "buckets", "digests", "delta", "join", "table", "entries", "claim", "verdict", "record", "datagram"}
	for i, name := range names {
		f.Add(uint8(i), frames(f)[name])
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		name := names[int(which)%len(names)]
		once, err := again(name, b)
		if err != nil {
			return
		}
		twice, err := again(name, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: %x came back as %x, %v", name, once, twice, err)
		}
	})
}

func TestRecordsAreProvedByEveryKindOfKey(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	for _, key := range []crypto.Signer{testKey, p256, p384} {
		r := sealed(t, key)
		got, err := OpenRecord(r.Raw(), Verify)
		if err != nil {
			t.Errorf("%T: %v", key, err)
			continue
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%T: %+v came back as %+v", key, r, got)
		}
		for i := range r.Raw() {
			b := bytes.Clone(r.Raw())
			b[i] ^= 0x10
			if _, err := OpenRecord(b, Verify); err == nil {
				t.Errorf("%T: a record with byte %d changed was accepted", key, i)
			}
		}
	}
}

func TestARecordIsBoundToItsKey(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r := *sealed(t, p256)
	r.ID = node.ID{1}
	r.Seal(p256.Public(), signer(p256))
	if _, err := OpenRecord(r.Raw(), Verify); !errors.Is(err, cert.ErrSignature) {
		t.Errorf("a record under another's id: %v, want ErrSignature", err)
	}
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if _, _, err := Identify(p224.Public()); err == nil {
		t.Error("P-224 was accepted")
	}
}

func TestLimitsAreNamed(t *testing.T) {
	long := strings.Repeat("x", 300)
	for want, change := range map[string]func(*Record){
		"name length is 300, the limit is 64":                           func(r *Record) { r.Name = long },
		"number of addresses is 9, the limit is 8":                      func(r *Record) { r.Addresses = make([]string, 9) },
		"number of ports is 257, the limit is 256":                      func(r *Record) { r.Ports = make([]Port, 257) },
		"name length of port 7 is 300, the limit is 64":                 func(r *Record) { r.Ports = []Port{{7, 1, long}} },
		`size of metadata "k" is 1025, the limit is 1024`:               func(r *Record) { r.Meta = map[string][]byte{"k": make([]byte, 1025)} },
		"number of metadata keys is 257, the limit is 256":              func(r *Record) { r.Meta = many(257) },
		"size of all metadata is 9225, the limit is 8192":               func(r *Record) { r.Meta = many(9) },
		"heartbeat in ms is 3600001, the limit is 3600000":              func(r *Record) { r.Heartbeat = time.Hour + time.Millisecond },
		`length of metadata key "" is 0, the limit is 64`:               func(r *Record) { r.Meta = map[string][]byte{"": nil} },
		"record size is 17184, the limit is 16384":                      func(r *Record) { r.Ports = manyPorts(250) },
		"incarnation is 1073741824, the limit is 1073741823":            func(r *Record) { r.Incarnation = MaxIncarnation + 1 },
		"length of address " + long[:32] + "… is 300, the limit is 261": func(r *Record) { r.Addresses = []string{long} },
	} {
		r := *sealed(t, testKey)
		change(&r)
		_, err := r.Seal(testKey.Public(), signer(testKey))
		var limit *LimitError
		if !errors.As(err, &limit) || err.Error() != "gossip: "+want {
			t.Errorf("Seal = %v, want %s", err, want)
		}
	}
}

func many(n int) map[string][]byte {
	m := map[string][]byte{}
	for i := range n {
		m[string(rune('a'+i))] = make([]byte, min(1024, 4096/n*3))
	}
	return m
}

func manyPorts(n int) (list []Port) {
	for i := range n {
		list = append(list, Port{uint16(i), 1, strings.Repeat("p", 63)})
	}
	return list
}

// A peer's claim of a size costs it that many bytes.
func TestClaimsOfSizeAllocateNothing(t *testing.T) {
	lies := map[string][]byte{
		"want":    {0xff, 0xff},
		"digests": {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
		"entries": {1, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"verdict": append(make([]byte, 24), 0xff),
	}
	for name, b := range lies {
		if _, err := again(name, b); err == nil {
			t.Errorf("%s: a lie was believed", name)
		}
		if n := testing.AllocsPerRun(10, func() { again(name, b) }); n > 8 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
