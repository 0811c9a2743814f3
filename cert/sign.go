package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
)

// MaxSignature is the most bytes that a signature of Sign can have.
const MaxSignature = 104

// ErrSignature says that a signature is not the key's over that message.
var ErrSignature = errors.New("cert: wrong signature")

// Sign signs msg with a node's key: ed25519 (64 bytes), or ECDSA over SHA-256
// with P-256 and over SHA-384 with P-384 (ASN.1, at most MaxSignature bytes).
// ECDSA signs differently each time. Begin msg with what it is for: the key is
// also the one of the TLS sessions, whose signed messages begin with 64 spaces.
func Sign(key crypto.Signer, msg []byte) ([]byte, error) {
	kind, err := KindOf(key.Public())
	if err != nil {
		return nil, err
	}
	hash, digest := digestFor(kind, msg)
	sig, err := key.Sign(rand.Reader, digest, hash)
	if err != nil {
		return nil, fmt.Errorf("cert: sign: %w", err)
	}
	return sig, nil
}

// VerifySignature checks what Sign made. The error is ErrSignature, or wraps
// ErrKey if the key is of a kind that Sign does not take. It is safe for bytes
// of a peer.
func VerifySignature(pub crypto.PublicKey, msg, sig []byte) error {
	kind, err := KindOf(pub)
	if err != nil {
		return err
	}
	ok := false
	_, digest := digestFor(kind, msg)
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(pub, digest, sig)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(pub, digest, sig)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// digestFor is what a key of this kind signs; ed25519 signs the message itself.
func digestFor(kind Kind, msg []byte) (crypto.Hash, []byte) {
	switch kind {
	case P256:
		sum := sha256.Sum256(msg)
		return crypto.SHA256, sum[:]
	case P384:
		sum := sha512.Sum384(msg)
		return crypto.SHA384, sum[:]
	}
	return 0, msg
}
