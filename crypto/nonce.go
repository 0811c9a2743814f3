package crypto

import (
	"crypto/sha256"

	curve "gitlab.com/yawning/secp256k1-voi"
)

// nonces draws the secret numbers for one signature from the key and the digest
// (RFC 6979, 3.2, with HMAC-SHA-256): its names, its steps.
type nonces struct {
	k, v [32]byte
}

// newNonces takes steps b to g; e is the digest, reduced.
func newNonces(key *PrivateKey, e *curve.Scalar) *nonces {
	var n nonces
	for i := range n.v {
		n.v[i] = 1
	}
	x, h := key.secret.Bytes(), e.Bytes()
	n.rekey([]byte{0}, x, h)
	n.rekey([]byte{1}, x, h)
	return &n
}

// next takes step h.
func (n *nonces) next() *curve.Scalar {
	for {
		n.v = n.mac(n.v[:])
		k, tooLarge := curve.NewScalarFromBytes(&n.v)
		bad := tooLarge|k.IsZero() != 0
		n.rekey([]byte{0}) // for the next one, if any
		if !bad {
			return k
		}
	}
}

func (n *nonces) rekey(parts ...[]byte) {
	n.k = n.mac(append([][]byte{n.v[:]}, parts...)...)
	n.v = n.mac(n.v[:])
}

// mac is HMAC-SHA-256 under k, by hand: crypto/hmac would allocate four times a
// call, and a signature makes ten.
func (n *nonces) mac(parts ...[]byte) [32]byte {
	inner, outer := make([]byte, 64, 64+32+1+32+32), make([]byte, 64, 64+32)
	for i := range 64 {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range n.k {
		inner[i] ^= b
		outer[i] ^= b
	}
	for _, p := range parts {
		inner = append(inner, p...)
	}
	sum := sha256.Sum256(inner)
	return sha256.Sum256(append(outer, sum[:]...))
}
