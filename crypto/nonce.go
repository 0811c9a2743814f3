package crypto

import (
	"crypto/hmac"
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

func (n *nonces) mac(parts ...[]byte) (sum [32]byte) {
	h := hmac.New(sha256.New, n.k[:])
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}
