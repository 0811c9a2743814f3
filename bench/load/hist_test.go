package load

import (
	"testing"
	"time"
)

func TestBucketsAreNarrow(t *testing.T) {
	for v := uint64(1); v < 60e9; v = v*9/8 + 1 {
		got := uint64(middle(bucket(v)))
		if diff := max(got, v) - min(got, v); diff*64 > v {
			t.Errorf("middle(bucket(%d)) = %d, off by more than 1/64", v, got)
		}
	}
}

func TestBucketsAreInOrder(t *testing.T) {
	last := 0
	for v := uint64(0); v < 1<<20; v++ {
		i := bucket(v)
		if i != last && i != last+1 {
			t.Fatalf("bucket(%d) = %d after %d", v, i, last)
		}
		last = i
	}
}

func TestQuantile(t *testing.T) {
	var a, b, all Histogram
	if got := all.Quantile(0.5); got != 0 {
		t.Errorf("empty: Quantile(0.5) = %v, want 0", got)
	}
	for i := 1; i <= 100; i++ {
		h := &a
		if i%2 == 0 {
			h = &b
		}
		h.Add(time.Duration(i))
	}
	all.Merge(&a)
	all.Merge(&b)
	for q, want := range map[float64]time.Duration{0: 1, 0.01: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := all.Quantile(q); got != want {
			t.Errorf("Quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

func TestHistogramEnds(t *testing.T) {
	var h Histogram
	h.Add(-time.Second)
	h.Add(time.Hour)
	if h.Count() != 2 || h.Quantile(0.1) != 0 || h.Quantile(1) < time.Minute {
		t.Errorf("count %d, low %v, high %v; want 2, 0, at least a minute", h.Count(), h.Quantile(0.1), h.Quantile(1))
	}
}
