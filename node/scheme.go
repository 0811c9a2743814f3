package node

import "kith/crypto"

// A Scheme says how an ID is proved.
type Scheme uint8

const (
	// Cert is the scheme of clusters: the key of a certificate.
	Cert Scheme = iota
	// V4 is the scheme of open networks: a secp256k1 key, whose ID is V4ID's.
	V4
)

// V4ID is the ID of an open network's node: Keccak-256 of the 64 bytes of its
// public key.
func V4ID(key *crypto.PublicKey) ID {
	b := key.Bytes()
	return crypto.Keccak256(b[:])
}

// String is "cert" or "v4".
func (s Scheme) String() string {
	if s == V4 {
		return "v4"
	}
	return "cert"
}

// IDText is the whole id as people of the scheme's networks write it: in
// hexadecimal for V4, in base58 for Cert.
func (s Scheme) IDText(id ID) string {
	if s == V4 {
		return id.Hex()
	}
	return id.String()
}

// Short is the first eight characters of IDText, for logs and errors.
func (s Scheme) Short(id ID) string {
	return s.IDText(id)[:8]
}
