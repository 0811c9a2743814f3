package crypto

import "math/bits"

// roundConstants are those of the step iota (FIPS 202, 3.2.5).
var roundConstants = [24]uint64{
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
	0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
	0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
	0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
}

func permute(a *[25]uint64) { permuteGo(a) }

// permuteGo is Keccak-f[1600] (FIPS 202, 3.3): the lane at (x, y) is a[x+5y].
func permuteGo(a *[25]uint64) {
	var e [25]uint64
	for i := 0; i < 24; i += 2 {
		round(&e, a, roundConstants[i])
		round(a, &e, roundConstants[i+1])
	}
}

// round sets e to the next state after a.
func round(e, a *[25]uint64, constant uint64) {
	// theta: d is what to add to each column
	c0 := a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20]
	c1 := a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21]
	c2 := a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22]
	c3 := a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23]
	c4 := a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24]
	d0 := c4 ^ bits.RotateLeft64(c1, 1)
	d1 := c0 ^ bits.RotateLeft64(c2, 1)
	d2 := c1 ^ bits.RotateLeft64(c3, 1)
	d3 := c2 ^ bits.RotateLeft64(c4, 1)
	d4 := c3 ^ bits.RotateLeft64(c0, 1)

	// rho and pi gather each row of five lanes, chi mixes it, iota marks the first
	b0, b1, b2, b3, b4 := a[0]^d0, bits.RotateLeft64(a[6]^d1, 44), bits.RotateLeft64(a[12]^d2, 43), bits.RotateLeft64(a[18]^d3, 21), bits.RotateLeft64(a[24]^d4, 14)
	e[0], e[1], e[2], e[3], e[4] = b0^(b2&^b1)^constant, b1^(b3&^b2), b2^(b4&^b3), b3^(b0&^b4), b4^(b1&^b0)

	b0, b1, b2, b3, b4 = bits.RotateLeft64(a[3]^d3, 28), bits.RotateLeft64(a[9]^d4, 20), bits.RotateLeft64(a[10]^d0, 3), bits.RotateLeft64(a[16]^d1, 45), bits.RotateLeft64(a[22]^d2, 61)
	e[5], e[6], e[7], e[8], e[9] = b0^(b2&^b1), b1^(b3&^b2), b2^(b4&^b3), b3^(b0&^b4), b4^(b1&^b0)

	b0, b1, b2, b3, b4 = bits.RotateLeft64(a[1]^d1, 1), bits.RotateLeft64(a[7]^d2, 6), bits.RotateLeft64(a[13]^d3, 25), bits.RotateLeft64(a[19]^d4, 8), bits.RotateLeft64(a[20]^d0, 18)
	e[10], e[11], e[12], e[13], e[14] = b0^(b2&^b1), b1^(b3&^b2), b2^(b4&^b3), b3^(b0&^b4), b4^(b1&^b0)

	b0, b1, b2, b3, b4 = bits.RotateLeft64(a[4]^d4, 27), bits.RotateLeft64(a[5]^d0, 36), bits.RotateLeft64(a[11]^d1, 10), bits.RotateLeft64(a[17]^d2, 15), bits.RotateLeft64(a[23]^d3, 56)
	e[15], e[16], e[17], e[18], e[19] = b0^(b2&^b1), b1^(b3&^b2), b2^(b4&^b3), b3^(b0&^b4), b4^(b1&^b0)

	b0, b1, b2, b3, b4 = bits.RotateLeft64(a[2]^d2, 62), bits.RotateLeft64(a[8]^d3, 55), bits.RotateLeft64(a[14]^d4, 39), bits.RotateLeft64(a[15]^d0, 41), bits.RotateLeft64(a[21]^d1, 2)
	e[20], e[21], e[22], e[23], e[24] = b0^(b2&^b1), b1^(b3&^b2), b2^(b4&^b3), b3^(b0&^b4), b4^(b1&^b0)
}
