package crypto

import (
	"encoding/hex"
	"errors"
	"fmt"

	curve "gitlab.com/yawning/secp256k1-voi"
)

// ErrBadPublicKey is wrapped by every error about the bytes of a public key.
var ErrBadPublicKey = errors.New("not a public key")

// A PublicKey is what a node proves to own. It does not change and is safe for
// concurrent use. Make one with ParsePublicKey, Recover or PrivateKey.Public;
// the zero PublicKey is none, and Verify and Agree panic on it. Values compare with
// == and serve as map keys.
type PublicKey struct {
	xy [64]byte // a point of the curve, never the one at infinity
}

// ParsePublicKey reads a point as devp2p writes it (64 bytes, x and y) or as
// SEC 1, 2.3.3 does: 65 bytes that begin with 04, or 33 that begin with 02 or
// 03. What is no point of the curve is refused, and so are coordinates that are
// not below the prime. It does not keep b.
func ParsePublicKey(b []byte) (*PublicKey, error) {
	var point curve.Point
	var err error
	switch {
	case len(b) == 64:
		_, err = point.SetUncompressedBytes(append([]byte{4}, b...))
	case len(b) == 65 && b[0] == 4:
		_, err = point.SetUncompressedBytes(b)
	case len(b) == 33 && (b[0] == 2 || b[0] == 3):
		_, err = point.SetCompressedBytes(b)
	case len(b) == 65 || len(b) == 33:
		return nil, fmt.Errorf("crypto: parse public key: %d bytes that begin with %02x: %w", len(b), b[0], ErrBadPublicKey)
	default:
		return nil, fmt.Errorf("crypto: parse public key: %d bytes, want 33, 64 or 65: %w", len(b), ErrBadPublicKey)
	}
	if err != nil {
		return nil, fmt.Errorf("crypto: parse public key: no point of the curve: %w", ErrBadPublicKey)
	}
	if len(b) == 33 {
		p := publicOf(&point)
		return &p, nil
	}
	return &PublicKey{[64]byte(b[len(b)-64:])}, nil // a tenth of the time that publicOf takes
}

// publicOf needs a point that is not at infinity.
func publicOf(point *curve.Point) PublicKey {
	return PublicKey{[64]byte(point.UncompressedBytes()[1:])}
}

// point checks once more that p is on the curve: it costs less than a hundredth
// of what is done with a point.
func (p *PublicKey) point() *curve.Point {
	point, err := curve.NewPointFromCoords((*[32]byte)(p.xy[:32]), (*[32]byte)(p.xy[32:]))
	if err != nil {
		panic("crypto: use of a zero PublicKey")
	}
	return point
}

// Bytes is the key as devp2p writes it: x and y, the most significant byte of
// each first.
func (p *PublicKey) Bytes() [64]byte { return p.xy }

// Compressed is the key as SEC 1 writes it short: 02 for an even y or 03 for an
// odd one, then x.
func (p *PublicKey) Compressed() [33]byte {
	var b [33]byte
	b[0] = 2 | p.xy[63]&1
	copy(b[1:], p.xy[:32])
	return b
}

// Equal tells whether the keys are the same.
func (p *PublicKey) Equal(other *PublicKey) bool { return *p == *other }

// String is the 64 bytes in hexadecimal, as in an enode URL.
func (p *PublicKey) String() string { return hex.EncodeToString(p.xy[:]) }
