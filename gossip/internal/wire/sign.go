package wire

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"

	"kith/cert"
	"kith/node"
)

// What is signed starts with a text of its own, so that a signature made for
// one purpose is worth nothing for another.
const (
	forRecord = "kith gossip 1 record\x00"
	forClaim  = "kith gossip 1 claim\x00"
	forVote   = "kith gossip 1 vote\x00"
	forAck    = "kith gossip 1 ack\x00"
)

// Identify tells the id that a node's key stands for, and what a record must say
// of the key beside: nothing if it is ed25519, else its SubjectPublicKeyInfo.
func Identify(pub crypto.PublicKey) (id node.ID, spki []byte, err error) {
	kind, err := cert.KindOf(pub)
	if err != nil {
		return id, nil, err
	}
	if kind != cert.Ed25519 {
		if spki, err = cert.MarshalPublic(pub); err != nil {
			return id, nil, err
		}
	}
	raw, err := cert.ID(pub)
	return node.ID(raw), spki, err
}

// publicKey is the key that a record's id stands for.
func publicKey(id node.ID, spki []byte) (crypto.PublicKey, error) {
	if spki == nil {
		return ed25519.PublicKey(bytes.Clone(id[:])), nil
	}
	pub, err := cert.ParsePublic(spki)
	if err != nil {
		return nil, err
	}
	if whose, again, err := Identify(pub); err != nil || again == nil || whose != id {
		return nil, fmt.Errorf("the key is another node's: %w", cert.ErrSignature)
	}
	return pub, nil
}

// Verify tells whether signature is that of pub for message.
func Verify(pub crypto.PublicKey, message, signature []byte) bool {
	return cert.VerifySignature(pub, message, signature) == nil
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
		return nil, &LimitError{What: "signature length", Got: len(sig), Max: MaxSignature}
	}
	r.raw, r.pub = append(appendSized(nil, sig), body...), pub
	if len(r.raw) > MaxRecord {
		return nil, &LimitError{What: "record size", Got: len(r.raw), Max: MaxRecord}
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
		return nil, fmt.Errorf("gossip: record of %s: %w", r.ID.Short(), err)
	}
	if !verify(r.pub, append([]byte(forRecord), body.b...), sig) {
		return nil, fmt.Errorf("gossip: record of %s: %w", r.ID.Short(), cert.ErrSignature)
	}
	r.raw = bytes.Clone(raw)
	return r, nil
}
