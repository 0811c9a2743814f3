package crypto

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	curve "gitlab.com/yawning/secp256k1-voi"
)

// ErrBadKey is wrapped by every error about the bytes or the text of a private
// key.
var ErrBadKey = errors.New("not a private key")

// A PrivateKey is the secret of a node. It does not change and is safe for
// concurrent use. Make one with GenerateKey, ParseKey or LoadKey; the zero
// PrivateKey is none, and Sign and Agree panic on it.
//
// Printing one, with any verb, shows the public key.
type PrivateKey struct {
	secret curve.Scalar // never 0
	public PublicKey
}

// GenerateKey makes a key from crypto/rand. It fails only where rand.Reader does.
func GenerateKey() (*PrivateKey, error) {
	for range 8 { // 1 in 2^127 numbers is no key
		var b [32]byte
		if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
			return nil, fmt.Errorf("crypto: generate key: %w", err)
		}
		if k, err := parseKey(b[:]); err == nil {
			return k, nil
		}
	}
	return nil, errors.New("crypto: generate key: rand.Reader gives nothing random")
}

// ParseKey reads the 32 bytes that Bytes gives. It does not keep b.
func ParseKey(b []byte) (*PrivateKey, error) {
	k, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("crypto: parse key: %w", err)
	}
	return k, nil
}

// ParseKeyHex reads the 64 hexadecimal digits that Hex gives, in either case.
// Its errors do not repeat the text.
func ParseKeyHex(text string) (*PrivateKey, error) {
	k, err := parseKeyHex(text)
	if err != nil {
		return nil, fmt.Errorf("crypto: parse key: %w", err)
	}
	return k, nil
}

func parseKey(b []byte) (*PrivateKey, error) {
	if len(b) != 32 {
		return nil, fmt.Errorf("%d bytes, want 32: %w", len(b), ErrBadKey)
	}
	k := new(PrivateKey)
	_, tooLarge := k.secret.SetBytes((*[32]byte)(b))
	if tooLarge|k.secret.IsZero() != 0 {
		return nil, fmt.Errorf("zero, or not below the order of the curve: %w", ErrBadKey)
	}
	k.public = publicOf(new(curve.Point).ScalarBaseMult(&k.secret))
	return k, nil
}

func parseKeyHex(text string) (*PrivateKey, error) {
	const want = "want 64 hexadecimal digits"
	switch {
	case text == "":
		return nil, fmt.Errorf("empty, %s: %w", want, ErrBadKey)
	case strings.HasPrefix(text, "0x"):
		return nil, fmt.Errorf("begins with 0x, %s and nothing else: %w", want, ErrBadKey)
	case strings.HasPrefix(text, "-----BEGIN"):
		return nil, fmt.Errorf("PEM, %s: %w", want, ErrBadKey)
	case len(text) != 64:
		return nil, fmt.Errorf("%d characters, %s: %w", len(text), want, ErrBadKey)
	}
	var b [32]byte
	if n, err := hex.Decode(b[:], []byte(text)); err != nil { // which would show a character
		return nil, fmt.Errorf("character %d or %d is no hexadecimal digit: %w", 2*n+1, 2*n+2, ErrBadKey)
	}
	return parseKey(b[:])
}

// Bytes is the secret: 32 bytes, the most significant first.
func (k *PrivateKey) Bytes() []byte { return k.secret.Bytes() }

// Hex is the secret in 64 hexadecimal digits.
func (k *PrivateKey) Hex() string { return hex.EncodeToString(k.Bytes()) }

// Public is the key to show to others. It shares memory with k.
func (k *PrivateKey) Public() *PublicKey { return &k.public }

// Format keeps the secret out of logs, of a copy of the key too.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "private key of "+k.public.String())
}

// Agree is the secret that the owners of the two keys share: the x coordinate
// of their Diffie-Hellman point (SEC 1, 3.3.1). It takes constant time.
func (k *PrivateKey) Agree(p *PublicKey) [32]byte {
	x, err := new(curve.Point).ScalarMult(&k.secret, p.point()).XBytes()
	if err != nil {
		panic("crypto: agree with a zero PrivateKey")
	}
	return [32]byte(x)
}
