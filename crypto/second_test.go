package crypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// What stands here compares with a second implementation of the curve.

func random32(rng *rand.Rand) (b [32]byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// compact is a signature in the order of the second implementation.
func compact(sig [65]byte) []byte { return append([]byte{27 + sig[64]}, sig[:64]...) }

func TestAgainstASecondOpinion(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := random32(rng)
	last, err := ParseKey(b[:])
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		secret, digest := random32(rng), random32(rng)
		k, err := ParseKey(secret[:])
		if err != nil {
			t.Fatal(err)
		}
		other := secp256k1.PrivKeyFromBytes(secret[:])
		xy := k.Public().Bytes()
		if want := other.PubKey().SerializeUncompressed()[1:]; !bytes.Equal(xy[:], want) {
			t.Fatalf("key %x: public %x, want %x", secret, xy, want)
		}
		short := k.Public().Compressed()
		if want := other.PubKey().SerializeCompressed(); !bytes.Equal(short[:], want) {
			t.Errorf("key %x: Compressed() = %x, want %x", secret, short, want)
		}
		if got, want := k.Sign(digest), ecdsa.SignCompact(other, digest[:], false); !bytes.Equal(compact(got), want) {
			t.Errorf("key %x: Sign(%x) = %x, want %x", secret, digest, compact(got), want)
		}
		lastXY := last.Public().Bytes()
		point, err := secp256k1.ParsePubKey(append([]byte{4}, lastXY[:]...))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := k.Agree(last.Public()), secp256k1.GenerateSharedSecret(other, point); !bytes.Equal(got[:], want) {
			t.Errorf("key %x: Agree(%v) = %x, want %x", secret, last.Public(), got, want)
		}
		last = k
	}
}

// RFC 6979 reduces such digests before it draws a nonce and the second
// implementation does not, so it is asked whose the signature is.
func TestSignDigestsNotBelowTheOrder(t *testing.T) {
	k := testKey(t, 1)
	for i := range 3 {
		digest := add(order, i)
		sig := k.Sign(digest)
		if p, _, err := ecdsa.RecoverCompact(compact(sig), digest[:]); err != nil || !p.IsEqual(secp256k1.PrivKeyFromBytes(k.Bytes()).PubKey()) {
			t.Errorf("Sign(%x): the second implementation says %v, %v", digest, p, err)
		}
		if !k.Public().Verify(digest, sig[:64]) {
			t.Errorf("Verify(%x) = false", digest)
		}
	}
}

// The order of the curve, and the prime that its coordinates are below.
var (
	order = mustHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	prime = mustHex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
)

func mustHex(text string) (b [32]byte) {
	if n, err := hex.Decode(b[:], []byte(text)); n != 32 || err != nil {
		panic(err)
	}
	return b
}

func add(b [32]byte, n int) [32]byte {
	for i := 31; n != 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	return b
}

func TestBadPublicKeys(t *testing.T) {
	xy := testKey(t, 1).Public().Bytes()
	x, y := [32]byte(xy[:32]), [32]byte(xy[32:])
	one := add([32]byte{}, 1) // x = 1 is on the curve, and so x = prime+1 would be
	onePoint, err := ParsePublicKey(append([]byte{2}, one[:]...))
	if err != nil {
		t.Fatal(err)
	}
	oneXY := onePoint.Bytes()
	overflowing := add(prime, 1)
	five := add([32]byte{}, 5) // is the x of no point
	join := func(prefix string, parts ...[]byte) []byte { return append([]byte(prefix), bytes.Join(parts, nil)...) }
	for name, b := range map[string][]byte{
		"none":                  {},
		"infinity":              {0},
		"63 bytes":              xy[:63],
		"66 bytes":              make([]byte, 66),
		"zero":                  make([]byte, 64),
		"zero with 04":          join("\x04", make([]byte, 64)),
		"off the curve":         join("", x[:], one[:]),
		"x and y swapped":       join("", y[:], x[:]),
		"y of another":          join("", x[:], oneXY[32:]),
		"x overflows":           join("", overflowing[:], oneXY[32:]),
		"x overflows short":     join("\x02", overflowing[:]),
		"y overflows":           join("\x04", x[:], bytes.Repeat([]byte{0xff}, 32)),
		"x is the prime":        join("\x03", prime[:]),
		"no such x":             join("\x02", five[:]),
		"hybrid":                join("\x06", xy[:]),
		"65 bytes but short":    join("\x02", xy[:]),
		"33 bytes but whole":    join("\x04", x[:]),
		"uncompressed, wrong 0": join("\x00", xy[:]),
	} {
		if p, err := ParsePublicKey(b); p != nil || !errors.Is(err, ErrBadPublicKey) {
			t.Errorf("%s: ParsePublicKey(%x) = %v, %v, want ErrBadPublicKey", name, b, p, err)
		}
	}
}

func TestBadSignatures(t *testing.T) {
	digest := Keccak256([]byte("text"))
	good := testKey(t, 1).Sign(digest)
	with := func(at int, part [32]byte, v byte) (sig [65]byte) {
		sig = good
		copy(sig[at:], part[:])
		sig[64] = v
		return sig
	}
	// The signature with r = x(e*G) and s = r has the key (r*eG - e*G)/r, and for
	// R = e*G, s = 1 it is s*R - e*G = 0.
	e, err := ParseKey(digest[:])
	if err != nil {
		t.Fatal(err)
	}
	xy := e.Public().Bytes()
	infinite := with(0, [32]byte(xy[:32]), 0)
	copy(infinite[32:], make([]byte, 31))
	infinite[63], infinite[64] = 1, xy[63]&1
	for name, sig := range map[string][65]byte{
		"r zero":            with(0, [32]byte{}, 0),
		"s zero":            with(32, [32]byte{}, 0),
		"r the order":       with(0, order, 0),
		"s the order":       with(32, order, 0),
		"s overflows":       with(32, add(order, 5), 1),
		"v 4":               with(0, [32]byte(good[:32]), 4),
		"v 27":              with(0, [32]byte(good[:32]), 27),
		"r too large for 2": with(0, [32]byte(good[:32]), 2),
		"no such r":         with(0, add([32]byte{}, 5), 0),
		"key at infinity":   infinite,
	} {
		if p, err := Recover(digest, sig); p != nil || !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: Recover(%x) = %v, %v, want ErrBadSignature", name, sig, p, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	p := testKey(f, 1).Public()
	xy, short := p.Bytes(), p.Compressed()
	f.Add(xy[:])
	f.Add(append([]byte{4}, xy[:]...))
	f.Add(append([]byte{6 | xy[63]&1}, xy[:]...))
	f.Add(short[:])
	f.Add(append([]byte{2}, prime[:]...))
	f.Add(make([]byte, 65))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := b
		if len(b) == 64 {
			whole = append([]byte{4}, b...)
		}
		want, wantErr := secp256k1.ParsePubKey(whole)
		if len(whole) == 65 && whole[0] != 4 {
			wantErr = errors.New("a hybrid, which we do not take")
		}
		got, err := ParsePublicKey(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ParsePublicKey(%x) = %v, want as %v", b, err, wantErr)
		}
		if err != nil {
			return
		}
		xy, short := got.Bytes(), got.Compressed()
		if !bytes.Equal(xy[:], want.SerializeUncompressed()[1:]) {
			t.Errorf("ParsePublicKey(%x) = %x, want %x", b, xy, want.SerializeUncompressed()[1:])
		}
		for _, again := range [][]byte{xy[:], short[:]} {
			if p, err := ParsePublicKey(again); err != nil || !p.Equal(got) {
				t.Errorf("%x came back as %v, %v", again, p, err)
			}
		}
	})
}

func FuzzRecover(f *testing.F) {
	digest := Keccak256([]byte("text"))
	sig := testKey(f, 1).Sign(digest)
	f.Add(digest[:], sig[:])
	f.Add(order[:], append(sig[:64:64], 2))
	f.Add(make([]byte, 32), append(make([]byte, 31), append([]byte{1}, sig[32:]...)...))
	f.Fuzz(func(t *testing.T, digest, sig []byte) {
		if len(digest) != 32 || len(sig) != 65 {
			return
		}
		d, s := [32]byte(digest), [65]byte(sig)
		got, err := Recover(d, s)
		if s[64] > 3 {
			if err == nil {
				t.Errorf("Recover with v %d = %v, want an error", s[64], got)
			}
			return
		}
		want, _, wantErr := ecdsa.RecoverCompact(compact(s), digest)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Recover(%x, %x) = %v, want as %v", d, s, err, wantErr)
		}
		if err != nil {
			return
		}
		xy := got.Bytes()
		if !bytes.Equal(xy[:], want.SerializeUncompressed()[1:]) {
			t.Errorf("Recover(%x, %x) = %x, want %x", d, s, xy, want.SerializeUncompressed()[1:])
		}
		sec := [32]byte(sig[32:])
		low := bytes.Compare(sec[:], halfOrder[:]) <= 0
		if ok := got.Verify(d, sig[:64]); ok != low {
			t.Errorf("Verify(%x, %x) with the recovered key = %v, want %v", d, sig[:64], ok, low)
		}
	})
}

// halfOrder is the largest s that counts as low.
var halfOrder = mustHex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")

func BenchmarkKeys(b *testing.B) {
	k, peer, digest := testKey(b, 1), testKey(b, 2), Keccak256([]byte("text"))
	sig, xy := k.Sign(digest), peer.Public().Bytes()
	other := secp256k1.PrivKeyFromBytes(k.Bytes())
	otherPeer := secp256k1.PrivKeyFromBytes(peer.Bytes()).PubKey()
	for _, c := range []struct {
		name         string
		kith, decred func()
	}{
		{"agree", func() { k.Agree(peer.Public()) }, func() { secp256k1.GenerateSharedSecret(other, otherPeer) }},
		{"sign", func() { k.Sign(digest) }, func() { ecdsa.SignCompact(other, digest[:], false) }},
		{"recover", func() { _, _ = Recover(digest, sig) }, func() { _, _, _ = ecdsa.RecoverCompact(compact(sig), digest[:]) }},
		{"parse", func() { _, _ = ParsePublicKey(xy[:]) }, func() { _, _ = secp256k1.ParsePubKey(append([]byte{4}, xy[:]...)) }},
		{"generate", func() { _, _ = GenerateKey() }, func() { p, _ := secp256k1.GeneratePrivateKey(); p.PubKey() }},
	} {
		for name, run := range map[string]func(){"kith": c.kith, "decred": c.decred} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
	}
}
