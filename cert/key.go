package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// A Kind is what a node's key may be.
type Kind uint8

// The zero Kind is Ed25519.
const (
	Ed25519 Kind = iota
	P256
	P384
)

// ErrKey is wrapped by every error about a key of a kind that does not serve.
var ErrKey = errors.New("not an ed25519, P-256 or P-384 key")

// String is what ParseKind reads: "ed25519", "P-256" or "P-384".
func (k Kind) String() string {
	switch k {
	case Ed25519:
		return "ed25519"
	case P256:
		return "P-256"
	case P384:
		return "P-384"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind reads the name of a kind, in any case, with or without the dash.
// Empty text means Ed25519.
func ParseKind(text string) (Kind, error) {
	switch strings.ReplaceAll(strings.ToLower(text), "-", "") {
	case "", "ed25519":
		return Ed25519, nil
	case "p256":
		return P256, nil
	case "p384":
		return P384, nil
	}
	return 0, fmt.Errorf("cert: kind of key %q: %w", text, ErrKey)
}

// GenerateKey makes a key.
func GenerateKey(kind Kind) (crypto.Signer, error) {
	switch kind {
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("cert: generate key: %v: %w", kind, ErrKey)
}

// KindOf tells the kind of a node's public key. An error wraps ErrKey.
func KindOf(pub crypto.PublicKey) (Kind, error) {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		if len(pub) == ed25519.PublicKeySize {
			return Ed25519, nil
		}
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256():
			return P256, nil
		case elliptic.P384():
			return P384, nil
		}
	}
	return 0, fmt.Errorf("cert: %s key: %w", describeKey(pub), ErrKey)
}

// ID is who the holder of a key is: the 32 bytes of an ed25519 key, or the
// SHA-256 of the SubjectPublicKeyInfo (DER) of a P-256 or P-384 key. Other keys
// have no id; the error wraps ErrKey.
func ID(pub crypto.PublicKey) ([32]byte, error) {
	kind, err := KindOf(pub)
	if err != nil {
		return [32]byte{}, err
	}
	if kind == Ed25519 {
		return [32]byte(pub.(ed25519.PublicKey)), nil
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return [32]byte{}, fmt.Errorf("cert: %v key: %w", kind, err)
	}
	return sha256.Sum256(der), nil
}

// MarshalPublic is the SubjectPublicKeyInfo (DER) of a node's key, which
// ParsePublic reads: 44 bytes for ed25519, 91 for P-256, 120 for P-384.
func MarshalPublic(pub crypto.PublicKey) ([]byte, error) {
	if _, err := KindOf(pub); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
}

// ParsePublic reads a SubjectPublicKeyInfo (DER) that a peer may have sent. It
// takes only the form that MarshalPublic writes, so that one key has one id.
func ParsePublic(spki []byte) (crypto.PublicKey, error) {
	if len(spki) > 120 {
		return nil, fmt.Errorf("cert: public key of %d bytes: %w", len(spki), ErrKey)
	}
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("cert: public key: %w: %w", err, ErrKey)
	}
	again, err := MarshalPublic(pub)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, spki) {
		return nil, fmt.Errorf("cert: public key in another form than DER: %w", ErrKey)
	}
	return pub, nil
}

// describeKey names any key, for errors and Inspect.
func describeKey(pub crypto.PublicKey) string {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		return "ed25519"
	case *ecdsa.PublicKey:
		return pub.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", pub.N.BitLen())
	}
	return "unknown"
}

// samePublic tells whether a private key belongs to a public one.
func samePublic(key crypto.Signer, pub crypto.PublicKey) bool {
	own, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(pub)
}
