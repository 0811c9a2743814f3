package phi

import (
	"testing"
	"time"
)

var second = Rhythm{Heartbeat: time.Second, Initial: time.Second, Max: 10 * time.Second, Samples: 1000}

func TestPhi(t *testing.T) {
	w := Open(0)
	if got := w.Phi(8*time.Second, &second); got != 8 {
		t.Errorf("before any heartbeat phi = %v after 8 s, want 8 by the prior", got)
	}
	now := time.Duration(0)
	for range 100 {
		now += 2 * time.Second
		w.Beat(now, &second)
	}
	// 100 samples of 2 s and the prior of five of 1 s.
	if got, want := w.Mean(&second), 205*time.Second/105; got != want {
		t.Errorf("Mean = %v, want %v", got, want)
	}
	w.Alive(now + time.Second)
	if got := w.Silence(now + 3*time.Second); got != 2*time.Second {
		t.Errorf("Silence = %v, want 2s since the last sign of life", got)
	}
	w.Beat(now+3*time.Second, &second)
	if got, want := w.Mean(&second), 208*time.Second/106; got != want {
		t.Errorf("Mean = %v, want %v: an interval runs from heartbeat to heartbeat", got, want)
	}
}

func TestWhatIsNoSample(t *testing.T) {
	w := Open(0)
	w.Beat(100*time.Millisecond, &second)
	if w.n != 0 {
		t.Error("a burst on the way was counted as an interval")
	}
	w.Beat(time.Minute, &second)
	if w.sum != 10*time.Second {
		t.Errorf("a minute counted as %v, want it clamped to 10s", w.sum)
	}
	w.Forgive(2 * time.Minute)
	w.Beat(2*time.Minute+time.Second, &second)
	if w.n != 2 || w.sum != 11*time.Second {
		t.Errorf("%d samples, sum %v: a pause of ours was counted", w.n, w.sum)
	}
}

func TestTheWindowForgets(t *testing.T) {
	w := Open(0)
	r := second
	r.Samples = 10
	now := time.Duration(0)
	for range 20 {
		now += 5 * time.Second
		w.Beat(now, &r)
	}
	for range 100 {
		now += time.Second
		w.Beat(now, &r)
	}
	if w.n != 10 {
		t.Errorf("%d samples, want 10", w.n)
	}
	if m := w.Mean(&r); m > 1001*time.Millisecond {
		t.Errorf("Mean = %v, want the old rhythm forgotten", m)
	}
}

// Who is inherited is silent from the start, but the time before is no sample.
func TestOpenLate(t *testing.T) {
	r := Rhythm{Heartbeat: time.Second, Initial: time.Second, Max: 10 * time.Second, Samples: 1000}
	w := OpenLate(time.Minute, 2*time.Second)
	if got := w.Phi(time.Minute, &r); got != 2 {
		t.Errorf("Phi = %v, want 2", got)
	}
	w.Beat(time.Minute+time.Second, &r)
	if got := w.Mean(&r); got != time.Second {
		t.Errorf("Mean = %v, want 1s", got)
	}
}
