package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fromDER takes r and s out of what Wycheproof calls a signature. It is as
// strict as DER, so what it refuses must be an invalid case.
func fromDER(der []byte) (sig [64]byte, ok bool) {
	var body cryptobyte.String
	input, r, s := cryptobyte.String(der), new(big.Int), new(big.Int)
	ok = input.ReadASN1(&body, asn1.SEQUENCE) && input.Empty() &&
		body.ReadASN1Integer(r) && body.ReadASN1Integer(s) && body.Empty() &&
		r.Sign() >= 0 && s.Sign() >= 0 && r.BitLen() <= 256 && s.BitLen() <= 256
	if ok {
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
	}
	return sig, ok
}

func TestWycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PublicKey struct{ Uncompressed string }
			Tests     []struct {
				TcID         int
				Comment, Msg string
				Sig, Result  string
			}
		}
	}
	readVectors(t, "ecdsa_secp256k1_sha256_bitcoin_test.json", &file)
	ran, reached := 0, 0
	for _, g := range file.TestGroups {
		p, err := ParsePublicKey(unhex(t, g.PublicKey.Uncompressed))
		if err != nil {
			t.Fatalf("ParsePublicKey(%s) = %v", g.PublicKey.Uncompressed, err)
		}
		for _, c := range g.Tests {
			ran++
			valid := c.Result == "valid"
			sig, ok := fromDER(unhex(t, c.Sig))
			if !ok {
				if valid {
					t.Errorf("%d (%s): the test cannot read its signature", c.TcID, c.Comment)
				}
				continue
			}
			reached++
			digest := sha256.Sum256(unhex(t, c.Msg))
			if got := p.Verify(digest, sig[:]); got != valid {
				t.Errorf("%d (%s): Verify = %v, want %v", c.TcID, c.Comment, got, valid)
			}
			// Recover takes either s, and so does the second opinion.
			want := accepts(t, p, digest, sig)
			if got := recovers(p, digest, sig); got != want {
				t.Errorf("%d (%s): Recover gives the key = %v, want %v", c.TcID, c.Comment, got, want)
			}
		}
	}
	if ran != 463 || reached < 230 {
		t.Errorf("%d cases ran, want 463; %d reached Verify", ran, reached)
	}
}

// accepts is what the second implementation says.
func accepts(t *testing.T, p *PublicKey, digest [32]byte, sig [64]byte) bool {
	t.Helper()
	short := p.Compressed()
	key, err := secp256k1.ParsePubKey(short[:])
	if err != nil {
		t.Fatal(err)
	}
	var r, s secp256k1.ModNScalar
	tooLarge := r.SetByteSlice(sig[:32])
	tooLarge = s.SetByteSlice(sig[32:]) || tooLarge
	return !tooLarge && ecdsa.NewSignature(&r, &s).Verify(digest[:], key)
}

// recovers tells whether any v makes p of a signature.
func recovers(p *PublicKey, digest [32]byte, sig [64]byte) bool {
	for v := range byte(4) {
		full := [65]byte(append(sig[:], v))
		if got, err := Recover(digest, full); err == nil && got.Equal(p) {
			return true
		}
	}
	return false
}

func TestKeyAddresses(t *testing.T) {
	var cases []struct {
		Seed, Key, Addr string
		Sig             struct{ V, R, S json.Number } `json:"sig_of_emptystring"`
	}
	readVectors(t, "keyaddrtest.json", &cases)
	if len(cases) != 2 {
		t.Fatalf("%d cases, want 2", len(cases))
	}
	for _, c := range cases {
		k, err := ParseKeyHex(c.Key)
		if err != nil {
			t.Fatalf("%s: %v", c.Seed, err)
		}
		if want := Keccak256([]byte(c.Seed)); hex.EncodeToString(want[:]) != k.Hex() {
			t.Errorf("%s: Keccak256 = %x, want %s", c.Seed, want, k.Hex())
		}
		xy := k.Public().Bytes()
		hash := Keccak256(xy[:])
		if got := hex.EncodeToString(hash[12:]); got != c.Addr {
			t.Errorf("%s: address %s, want %s", c.Seed, got, c.Addr)
		}
		var sig [65]byte
		for i, text := range []string{c.Sig.R.String(), c.Sig.S.String()} {
			n, ok := new(big.Int).SetString(text, 10)
			if !ok {
				t.Fatalf("%s: %q is no number", c.Seed, text)
			}
			n.FillBytes(sig[32*i : 32*i+32])
		}
		sig[64] = c.Sig.V.String()[1] - '7' // 27 or 28
		// Nobody knows which digest these sign (testdata/README.md): that both
		// implementations find the same key is all there is to ask.
		p, err := Recover(Keccak256(), sig)
		if err != nil {
			t.Fatalf("%s: Recover = %v", c.Seed, err)
		}
		empty, got := Keccak256(), p.Bytes()
		want, _, err := ecdsa.RecoverCompact(compact(sig), empty[:])
		if err != nil || !bytes.Equal(got[:], want.SerializeUncompressed()[1:]) {
			t.Errorf("%s: Recover = %x, want %v, %v", c.Seed, got, want, err)
		}
	}
}
