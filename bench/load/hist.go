package load

import (
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets that are at most 1/64 of their value
// wide. It holds up to a minute; what is longer counts as the longest. The zero
// Histogram is empty. It is not safe for concurrent use.
type Histogram struct {
	count   int64
	buckets [31 * 64]uint32
}

// bucket is where v nanoseconds go: values below 128 have a bucket each, then
// every doubling has 64.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-7)
	return shift*64 + int(v>>shift)
}

// middle is the value in the middle of a bucket, in nanoseconds.
func middle(i int) time.Duration {
	shift := max(0, i/64-1)
	return time.Duration((i-shift*64)<<shift + (1<<shift)/2)
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	i := min(bucket(uint64(max(0, d))), len(h.buckets)-1)
	h.buckets[i]++
	h.count++
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	h.count += other.count
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
}

// Count is how many durations were added.
func (h *Histogram) Count() int64 { return h.count }

// Quantile is the duration that the share q of all does not exceed, 0 for an
// empty Histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(1, int64(q*float64(h.count)+0.5))
	var seen int64
	for i, n := range h.buckets {
		seen += int64(n)
		if seen >= rank {
			return middle(i)
		}
	}
	return 0
}
