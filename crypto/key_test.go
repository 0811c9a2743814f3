package crypto

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// testKey is always the same key for the same number, which is not 0.
func testKey(t testing.TB, n byte) *PrivateKey {
	t.Helper()
	secret := Keccak256([]byte{n})
	k, err := ParseKey(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGenerateKeyFromBadSources(t *testing.T) {
	defer func(r io.Reader) { rand.Reader = r }(rand.Reader)
	good := testKey(t, 1).Bytes()
	for _, c := range []struct {
		name string
		from io.Reader
		ok   bool
	}{
		{"zero and too large first", io.MultiReader(bytes.NewReader(make([]byte, 32)), strings.NewReader(strings.Repeat("\xff", 32)), bytes.NewReader(good)), true},
		{"short", bytes.NewReader(good[1:]), false},
		{"zero without end", zeros{}, false},
	} {
		rand.Reader = c.from
		k, err := GenerateKey()
		if (err == nil) != c.ok || c.ok && !bytes.Equal(k.Bytes(), good) {
			t.Errorf("%s: GenerateKey = %v, %v", c.name, k, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestKeysComeBack(t *testing.T) {
	k, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, parse := range map[string]func() (*PrivateKey, error){
		"ParseKey":    func() (*PrivateKey, error) { return ParseKey(k.Bytes()) },
		"ParseKeyHex": func() (*PrivateKey, error) { return ParseKeyHex(strings.ToUpper(k.Hex())) },
	} {
		got, err := parse()
		if err != nil {
			t.Errorf("%s = %v", name, err)
		} else if got.Hex() != k.Hex() || !got.Public().Equal(k.Public()) {
			t.Errorf("%s = %s, want %s", name, got.Hex(), k.Hex())
		}
	}
	p := k.Public()
	xy, short := p.Bytes(), p.Compressed()
	for _, b := range [][]byte{xy[:], append([]byte{4}, xy[:]...), short[:]} {
		if got, err := ParsePublicKey(b); err != nil || !got.Equal(p) {
			t.Errorf("ParsePublicKey(%x) = %v, %v, want %v", b, got, err, p)
		}
	}
}

func TestBadPrivateKeys(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	for _, text := range []string{
		"", "00", strings.Repeat("0", 64), order, strings.Repeat("f", 64),
		"0x" + strings.Repeat("1", 62), strings.Repeat("1", 63), strings.Repeat("1", 66), strings.Repeat("g", 64),
	} {
		k, err := ParseKeyHex(text)
		if k != nil || !errors.Is(err, ErrBadKey) {
			t.Errorf("ParseKeyHex(%q) = %v, %v, want ErrBadKey", text, k, err)
		}
		if err != nil && len(text) > 60 && strings.Contains(err.Error(), text) {
			t.Errorf("ParseKeyHex(%q): the error shows the text: %v", text, err)
		}
	}
	if _, err := ParseKeyHex(order[:63] + "0"); err != nil {
		t.Errorf("ParseKeyHex(order - 1) = %v", err)
	}
}

func TestKeysOfOtherLengths(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33, 64} {
		if k, err := ParseKey(bytes.Repeat([]byte{1}, n)); k != nil || !errors.Is(err, ErrBadKey) {
			t.Errorf("ParseKey(%d bytes) = %v, %v, want ErrBadKey", n, k, err)
		}
	}
}

// A key that nobody made is our bug: better to stop than to sign with zero.
func TestZeroKeysPanic(t *testing.T) {
	k := testKey(t, 1)
	sig := k.Sign([32]byte{})
	for name, use := range map[string]func(){
		"sign":       func() { new(PrivateKey).Sign([32]byte{}) },
		"agree":      func() { new(PrivateKey).Agree(k.Public()) },
		"agree with": func() { k.Agree(new(PublicKey)) },
		"verify":     func() { new(PublicKey).Verify([32]byte{}, sig[:64]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			use()
		}()
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	k := testKey(t, 1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, key := range []any{k, *k} {
			if got, want := fmt.Sprintf(verb, key), "private key of "+k.Public().String(); got != want {
				t.Errorf("Sprintf(%q, %T) = %s, want %s", verb, key, got, want)
			}
		}
	}
}

func TestAgree(t *testing.T) {
	a, b, c := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	if a.Agree(b.Public()) != b.Agree(a.Public()) {
		t.Error("two keys do not agree")
	}
	if a.Agree(b.Public()) == a.Agree(c.Public()) {
		t.Error("one key agrees on the same with two")
	}
}

func TestSignVerifyRecover(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
	digest := Keccak256([]byte("text"))
	sig := k.Sign(digest)
	if sig != k.Sign(digest) {
		t.Error("Sign gives another signature the second time")
	}
	if !k.Public().Verify(digest, sig[:64]) {
		t.Error("Verify = false for a good signature")
	}
	if p, err := Recover(digest, sig); err != nil || !p.Equal(k.Public()) {
		t.Errorf("Recover = %v, %v, want %v", p, err, k.Public())
	}
	if other.Public().Verify(digest, sig[:64]) || k.Public().Verify(Keccak256(), sig[:64]) || k.Public().Verify(digest, sig[:]) {
		t.Error("Verify = true for another key, another digest or 65 bytes")
	}
	for i := range 64 {
		bad := sig
		bad[i] ^= 1
		if k.Public().Verify(digest, bad[:64]) {
			t.Errorf("Verify = true with a bit of byte %d changed", i)
		}
		if p, err := Recover(digest, bad); err == nil && p.Equal(k.Public()) {
			t.Errorf("Recover gives the same key with a bit of byte %d changed", i)
		}
	}
}
