package crypto

import (
	"errors"
	"fmt"

	curve "gitlab.com/yawning/secp256k1-voi"
)

// ErrBadSignature is wrapped by the errors of Recover.
var ErrBadSignature = errors.New("not a signature")

// Sign signs a digest, which should be a hash, in constant time: r and s of
// ECDSA, 32 bytes each, and the v that Recover needs, 0 or 1. Of the two values
// that s may have it is the lower. The same digest always gives the same
// signature (RFC 6979 with SHA-256).
func (k *PrivateKey) Sign(digest [32]byte) [65]byte {
	if k.secret.IsZero() != 0 {
		panic("crypto: sign with a zero PrivateKey")
	}
	var e, r, s, inverse curve.Scalar
	e.SetBytes(&digest)
	for drawn := newNonces(k, &e); ; {
		nonce := drawn.next()
		xy := publicOf(new(curve.Point).ScalarBaseMult(nonce)).xy
		_, wrapped := r.SetBytes((*[32]byte)(xy[:32]))
		s.Multiply(&r, &k.secret).Add(&s, &e).Multiply(&s, inverse.Invert(nonce))
		if wrapped|r.IsZero()|s.IsZero() != 0 {
			continue // 1 in 2^127 nonces; a wrapped r would need a v of 2 or 3
		}
		high := s.IsGreaterThanHalfN()
		s.ConditionalNegate(&s, high)
		var sig [65]byte
		copy(sig[:32], r.Bytes())
		copy(sig[32:], s.Bytes())
		sig[64] = xy[63]&1 ^ byte(high)
		return sig
	}
}

// Verify tells whether sig, the 64 bytes r and s, signs the digest with p's
// secret. It says no to another length and to the higher of the two values of
// s, so that nobody can turn one signature into another. Nothing here is
// secret, and the time is not constant.
func (p *PublicKey) Verify(digest [32]byte, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	r, s, ok := parseSignature([64]byte(sig))
	if !ok || s.IsGreaterThanHalfN() != 0 {
		return false
	}
	var e, u1, u2 curve.Scalar
	e.SetBytes(&digest)
	s.Invert(s)
	u1.Multiply(&e, s)
	u2.Multiply(r, s)
	point := new(curve.Point).DoubleScalarMultBasepointVartime(&u1, &u2, p.point())
	x, err := point.XBytes()
	if err != nil { // the point at infinity
		return false
	}
	var again curve.Scalar
	again.SetBytes((*[32]byte)(x))
	return again.Equal(r) == 1
}

// Recover finds the key that made a signature of the digest. It takes v from 0
// to 3 and either value of s. Every signature that it takes has some key: who
// signed is known only if that is the key expected, or the digest binds it.
func Recover(digest [32]byte, sig [65]byte) (*PublicKey, error) {
	if sig[64] > 3 {
		return nil, fmt.Errorf("crypto: recover: v is %d, want 0 to 3: %w", sig[64], ErrBadSignature)
	}
	r, s, ok := parseSignature([64]byte(sig[:64]))
	if !ok {
		return nil, fmt.Errorf("crypto: recover: r or s is zero, or not below the order of the curve: %w", ErrBadSignature)
	}
	point, err := curve.RecoverPoint(r, sig[64])
	if err != nil {
		return nil, fmt.Errorf("crypto: recover: r is of no point of the curve: %w", ErrBadSignature)
	}
	// SEC 1, 4.1.6: the key is (s*R - e*G)/r.
	var e, u1, u2 curve.Scalar
	e.SetBytes(&digest)
	r.Invert(r)
	u1.Multiply(e.Negate(&e), r)
	u2.Multiply(s, r)
	point.DoubleScalarMultBasepointVartime(&u1, &u2, point)
	if point.IsIdentity() != 0 {
		return nil, fmt.Errorf("crypto: recover: its key is the point at infinity: %w", ErrBadSignature)
	}
	p := publicOf(point)
	return &p, nil
}

// parseSignature wants r and s from 1 to the order of the curve less one.
func parseSignature(sig [64]byte) (r, s *curve.Scalar, ok bool) {
	r, rTooLarge := curve.NewScalarFromBytes((*[32]byte)(sig[:32]))
	s, sTooLarge := curve.NewScalarFromBytes((*[32]byte)(sig[32:]))
	return r, s, rTooLarge|sTooLarge|r.IsZero()|s.IsZero() == 0
}
