package wire

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"

	"kith/node"
)

// ErrSignature is wrapped by every error about a signature that does not hold.
var ErrSignature = errors.New("the signature does not hold")

// What is signed starts with a text of its own, so that a signature made for
// one purpose is worth nothing for another.
const (
	forRecord = "kith gossip 1 record\x00"
	forClaim  = "kith gossip 1 claim\x00"
	forVote   = "kith gossip 1 vote\x00"
	forAck    = "kith gossip 1 ack\x00"
)

// Identify tells the id that a key stands for: an ed25519 key itself, and the
// SHA-256 of the SubjectPublicKeyInfo (returned too) for ECDSA on P-256 and P-384.
func Identify(pub crypto.PublicKey) (id node.ID, spki []byte, err error) {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		copy(id[:], pub)
		return id, nil, nil
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() && pub.Curve != elliptic.P384() {
			return id, nil, errors.New("gossip: the key's curve is neither P-256 nor P-384")
		}
		spki, err := x509.MarshalPKIXPublicKey(pub)
		return sha256.Sum256(spki), spki, err
	}
	return id, nil, fmt.Errorf("gossip: a key of kind %T cannot sign", pub)
}

func publicKey(id node.ID, spki []byte) (crypto.PublicKey, error) {
	if spki == nil {
		return ed25519.PublicKey(bytes.Clone(id[:])), nil
	}
	if sha256.Sum256(spki) != id {
		return nil, fmt.Errorf("gossip: record of %s: the key is another node's: %w", id.Short(), ErrSignature)
	}
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("gossip: record of %s: key: %v: %w", id.Short(), err, ErrSignature)
	}
	if _, again, err := Identify(pub); err != nil || !bytes.Equal(again, spki) {
		return nil, fmt.Errorf("gossip: record of %s: a key of this kind is not accepted: %w", id.Short(), ErrSignature)
	}
	return pub, nil
}

// Sign signs message with the key of a certificate.
func Sign(key crypto.Signer, message []byte) ([]byte, error) {
	switch pub := key.Public().(type) {
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	case *ecdsa.PublicKey:
		digest, hash := digestFor(pub, message)
		return key.Sign(rand.Reader, digest, hash)
	default:
		return nil, fmt.Errorf("gossip: a key of kind %T cannot sign", pub)
	}
}

func digestFor(pub *ecdsa.PublicKey, message []byte) ([]byte, crypto.Hash) {
	if pub.Curve == elliptic.P384() {
		d := sha512.Sum384(message)
		return d[:], crypto.SHA384
	}
	d := sha256.Sum256(message)
	return d[:], crypto.SHA256
}

// Verify tells whether signature is that of pub for message.
func Verify(pub crypto.PublicKey, message, signature []byte) bool {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		return len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, message, signature)
	case *ecdsa.PublicKey:
		digest, _ := digestFor(pub, message)
		return ecdsa.VerifyASN1(pub, digest, signature)
	}
	return false
}

// Seal signs r, which then may travel. It returns r.
func (r *Record) Seal(pub crypto.PublicKey, sign func(message []byte) ([]byte, error)) (*Record, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	body := r.body()
	sig, err := sign(append([]byte(forRecord), body...))
	if err != nil {
		return nil, err
	}
	if len(sig) > MaxSignature {
		return nil, &LimitError{"signature length", len(sig), MaxSignature}
	}
	r.raw, r.pub = append(appendSized(nil, sig), body...), pub
	if len(r.raw) > MaxRecord {
		return nil, &LimitError{"record size", len(r.raw), MaxRecord}
	}
	return r, nil
}

// OpenRecord parses a raw record and checks with verify that the node it is
// about has signed it. It keeps a copy of raw.
func OpenRecord(raw []byte, verify func(pub crypto.PublicKey, message, signature []byte) bool) (*Record, error) {
	sig, body, err := splitRecord(raw)
	if err != nil {
		return nil, err
	}
	r, err := parseRecord(body)
	if err != nil {
		return nil, err
	}
	if r.pub, err = publicKey(r.ID, r.SPKI); err != nil {
		return nil, err
	}
	if !verify(r.pub, append([]byte(forRecord), body.b...), sig) {
		return nil, fmt.Errorf("gossip: record of %s: %w", r.ID.Short(), ErrSignature)
	}
	r.raw = bytes.Clone(raw)
	return r, nil
}
