package crypto

import "encoding/binary"

// rate is how many bytes Keccak-256 takes in between two permutations.
const rate = 136

// A Keccak hashes with Keccak-256, the padding of before SHA-3. The zero Keccak
// is ready; it allocates nothing, and a copy of it goes its own way. It is not
// safe for concurrent use.
type Keccak struct {
	state [25]uint64
	n     int // bytes taken in since the last permutation, below rate
}

// Keccak256 is the hash of the parts, one after the other.
func Keccak256(parts ...[]byte) [32]byte {
	var k Keccak
	for _, p := range parts {
		k.absorb(p)
	}
	return k.finish()
}

// Write takes in b. It never fails.
func (k *Keccak) Write(b []byte) (int, error) {
	k.absorb(b)
	return len(b), nil
}

// Reset makes k a zero Keccak again.
func (k *Keccak) Reset() { *k = Keccak{} }

// Sum256 is the hash of all written since the start or Reset. It leaves k as it
// is: more may be written.
func (k *Keccak) Sum256() [32]byte {
	end := *k
	return end.finish()
}

func (k *Keccak) absorb(b []byte) {
	for len(b) > 0 {
		if k.n == 0 && len(b) >= rate {
			for i := range rate / 8 {
				k.state[i] ^= binary.LittleEndian.Uint64(b[8*i:])
			}
			b = b[rate:]
			permute(&k.state)
			continue
		}
		if k.n%8 == 0 && len(b) >= 8 {
			k.state[k.n/8] ^= binary.LittleEndian.Uint64(b)
			b = b[8:]
			k.n += 8
		} else {
			k.state[k.n/8] ^= uint64(b[0]) << (k.n % 8 * 8)
			b = b[1:]
			k.n++
		}
		if k.n == rate {
			permute(&k.state)
			k.n = 0
		}
	}
}

// finish pads and gives the first 32 bytes. Nothing may be written after it.
func (k *Keccak) finish() (sum [32]byte) {
	k.state[k.n/8] ^= 1 << (k.n % 8 * 8)
	k.state[rate/8-1] ^= 1 << 63
	permute(&k.state)
	for i := range len(sum) / 8 {
		binary.LittleEndian.PutUint64(sum[8*i:], k.state[i])
	}
	return sum
}
