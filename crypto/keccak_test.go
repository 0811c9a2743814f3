package crypto

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/sha3"
)

func TestKeccakOfKnownTexts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
		{"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"},
		{"The quick brown fox jumps over the lazy dog", "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"},
	} {
		if got := Keccak256([]byte(c.text)); hex.EncodeToString(got[:]) != c.want {
			t.Errorf("Keccak256(%q) = %x, want %s", c.text, got, c.want)
		}
	}
}

// Every length around the rate, in pieces of every size, beside another
// implementation; and a sum in between disturbs nothing.
func TestKeccakInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 3*rate+20)
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	for n := range len(text) + 1 {
		ref := sha3.NewLegacyKeccak256()
		ref.Write(text[:n])
		want := ref.Sum(nil)
		var k Keccak
		for rest := text[:n]; len(rest) > 0; {
			piece := rest[:min(len(rest), 1+rng.IntN(rate+20))]
			rest = rest[len(piece):]
			if m, err := k.Write(piece); m != len(piece) || err != nil {
				t.Fatalf("Write(%d bytes) = %d, %v", len(piece), m, err)
			}
			if rng.IntN(2) == 0 {
				k.Sum256()
			}
		}
		if got := k.Sum256(); !bytes.Equal(got[:], want) {
			t.Errorf("%d bytes in pieces: Sum256() = %x, want %x", n, got, want)
		}
		if got := Keccak256(text[:n/3], nil, text[n/3:n]); !bytes.Equal(got[:], want) {
			t.Errorf("Keccak256(%d bytes in three parts) = %x, want %x", n, got, want)
		}
	}
}

func TestKeccakCopiesAndResets(t *testing.T) {
	var k Keccak
	k.Write([]byte("some"))
	fork := k
	k.Write([]byte(" more"))
	if got, want := fork.Sum256(), Keccak256([]byte("some")); got != want {
		t.Errorf("the copy's Sum256() = %x, want %x", got, want)
	}
	if got, want := k.Sum256(), Keccak256([]byte("some more")); got != want {
		t.Errorf("Sum256() = %x, want %x", got, want)
	}
	k.Reset()
	if got, want := k.Sum256(), Keccak256(); got != want {
		t.Errorf("Sum256() after Reset = %x, want %x", got, want)
	}
}

func TestKeccakAllocatesNothing(t *testing.T) {
	text := make([]byte, 1000)
	var k Keccak
	var sum [32]byte
	if n := testing.AllocsPerRun(100, func() {
		k.Write(text)
		sum = k.Sum256()
		sum = Keccak256(text, sum[:])
	}); n != 0 {
		t.Errorf("hashing allocates %v times, want 0", n)
	}
}

func BenchmarkKeccak(b *testing.B) {
	for _, size := range []int{32, 16 << 10} {
		text := make([]byte, size)
		name := map[int]string{32: "32B", 16 << 10: "16KiB"}[size]
		b.Run(name+"/kith", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				Keccak256(text)
			}
		})
		b.Run(name+"/x", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			h := sha3.NewLegacyKeccak256()
			var sum []byte
			for b.Loop() {
				h.Reset()
				h.Write(text)
				sum = h.Sum(sum[:0])
			}
		})
	}
}
