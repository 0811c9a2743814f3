package rlpx

import (
	"crypto/cipher"
	"crypto/subtle"

	"kith/crypto"
)

const macSize = 16

// A mac authenticates one direction of a connection: a Keccak state that takes in
// all that goes that way, so that a MAC vouches for everything before it too.
//
// The digest that ends a frame is kept, for it is also what the MAC of the next
// header begins with: three permutations a frame beside those for its bytes.
type mac struct {
	block  cipher.Block // AES-256 with the secret of the MACs
	hash   crypto.Keccak
	digest [32]byte      // of hash as it is now
	seed   [macSize]byte // here, because what is given to block escapes
}

func newMAC(block cipher.Block, hash crypto.Keccak) mac {
	return mac{block: block, hash: hash, digest: hash.Sum256()}
}

// header takes in the 16 encrypted bytes of a header and returns their MAC, valid
// until the next call.
func (m *mac) header(h []byte) []byte {
	m.block.Encrypt(m.seed[:], m.digest[:macSize])
	subtle.XORBytes(m.seed[:], m.seed[:], h)
	return m.mix()
}

// body takes in some of the encrypted bytes of a frame.
func (m *mac) body(b []byte) { m.hash.Write(b) }

// frame returns the MAC of the bytes since header, valid until the next call.
func (m *mac) frame() []byte {
	m.digest = m.hash.Sum256()
	m.block.Encrypt(m.seed[:], m.digest[:macSize])
	subtle.XORBytes(m.seed[:], m.seed[:], m.digest[:macSize])
	return m.mix()
}

func (m *mac) mix() []byte {
	m.hash.Write(m.seed[:])
	m.digest = m.hash.Sum256()
	return m.digest[:macSize]
}
