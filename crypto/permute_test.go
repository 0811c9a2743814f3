package crypto

import (
	"math/rand/v2"
	"testing"
)

// The first and the last lane after one and after two permutations of zero, as
// the designers of Keccak publish them.
func TestPermuteZero(t *testing.T) {
	for name, f := range permutations() {
		var a [25]uint64
		f(&a)
		if a[0] != 0xf1258f7940e1dde7 || a[24] != 0xeaf1ff7b5ceca249 {
			t.Errorf("%s: zero becomes %#x … %#x", name, a[0], a[24])
		}
		f(&a)
		if a[0] != 0x2d5c954df96ecb3c || a[24] != 0x20d06cd26a8fbf5c {
			t.Errorf("%s: and then %#x … %#x", name, a[0], a[24])
		}
	}
}

// All permutations agree, on states of every kind and in long chains.
func TestPermutationsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for name, f := range permutations() {
		for n := range 2000 {
			var a [25]uint64
			for i := range a {
				a[i] = rng.Uint64() & -uint64(rng.Uint32()&1)
			}
			start, b := a, a
			for range 1 + n%5 {
				permuteByTheBook(&a)
				f(&b)
			}
			if a != b {
				t.Fatalf("%s: %x becomes %x, want %x", name, start, b, a)
			}
		}
	}
}

// permuteByTheBook is FIPS 202, 3.2 and 3.3, step by step: theta, rho and pi,
// chi, iota.
func permuteByTheBook(a *[25]uint64) {
	rotate := func(v uint64, n int) uint64 { return v<<(n%64) | v>>(64-n%64) }
	for _, constant := range roundConstants {
		var column [5]uint64
		for i, v := range a {
			column[i%5] ^= v
		}
		for i := range a {
			a[i] ^= column[(i+4)%5] ^ rotate(column[(i+1)%5], 1)
		}
		moved := [25]uint64{a[0]}
		for x, y, t := 1, 0, 0; t < 24; t++ {
			toX, toY := y, (2*x+3*y)%5
			moved[toX+5*toY] = rotate(a[x+5*y], (t+1)*(t+2)/2)
			x, y = toX, toY
		}
		for i := range a {
			row := i / 5 * 5
			a[i] = moved[i] ^ ^moved[row+(i+1)%5]&moved[row+(i+2)%5]
		}
		a[0] ^= constant
	}
}

func BenchmarkPermute(b *testing.B) {
	for name, f := range permutations() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var a [25]uint64
			for b.Loop() {
				f(&a)
			}
		})
	}
}
