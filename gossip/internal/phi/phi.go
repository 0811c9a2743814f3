// Package phi tells from the rhythm of a node's heartbeats how odd its silence
// is: elapsed time over the mean interval, as chitchat does.
//
// A [Window] has no clock: callers say what time it is. It keeps two numbers
// and no list of intervals.
package phi

import "time"

// A Rhythm is what windows have in common.
type Rhythm struct {
	Heartbeat time.Duration // how often the node should be heard
	Initial   time.Duration // the interval assumed before any was seen, worth five samples
	Max       time.Duration // longer intervals count as this one
	Samples   int           // about how many intervals are remembered
}

const prior = 5 // samples that the initial interval is worth

// A Window remembers the intervals between one node's heartbeats. Once it holds
// Samples of them, each new one takes the place of an average one.
type Window struct {
	beat time.Duration // the last heartbeat
	life time.Duration // the last sign of life of any kind
	sum  time.Duration
	n    int
}

// Open returns a window that starts to listen now.
func Open(now time.Duration) Window { return Window{beat: now, life: now} }

// OpenLate returns one for a node that has been silent for some time as far as is
// known: who listened to it is gone.
func OpenLate(now, silence time.Duration) Window { return Window{beat: now, life: now - silence} }

// Beat counts a heartbeat. An interval under a quarter heartbeat is no sample:
// it comes from a burst on the way, not from the node.
func (w *Window) Beat(now time.Duration, r *Rhythm) {
	if d := now - w.beat; d > r.Heartbeat/4 {
		w.sample(min(d, r.Max), r)
	}
	w.beat, w.life = now, now
}

// Alive counts a sign of life that is no heartbeat.
func (w *Window) Alive(now time.Duration) { w.life = now }

// Forgive restarts the silence without counting the gap: it was ours.
func (w *Window) Forgive(now time.Duration) { w.beat, w.life = now, now }

// Resume restarts the silence after a time in which nobody listened. The gap
// is a sample unless it was longer than ten minutes.
func (w *Window) Resume(now time.Duration, r *Rhythm) {
	if d := now - w.beat; d < 10*time.Minute {
		w.sample(min(d, r.Max), r)
	}
	w.beat, w.life = now, now
}

func (w *Window) sample(d time.Duration, r *Rhythm) {
	w.sum += d
	if w.n++; w.n > r.Samples {
		w.sum -= w.sum / time.Duration(w.n)
		w.n--
	}
}

// Mean is the expected interval. It is never zero.
func (w *Window) Mean(r *Rhythm) time.Duration {
	return max((w.sum+prior*r.Initial)/time.Duration(w.n+prior), 1)
}

// Silence is how long there was no sign of life.
func (w *Window) Silence(now time.Duration) time.Duration { return max(now-w.life, 0) }

// Heard is when there was the last sign of life.
func (w *Window) Heard() time.Duration { return w.life }

// Phi is how many mean intervals the silence has lasted.
func (w *Window) Phi(now time.Duration, r *Rhythm) float64 {
	return float64(w.Silence(now)) / float64(w.Mean(r))
}
