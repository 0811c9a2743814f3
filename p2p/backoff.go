package p2p

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstBackOff = 250 * time.Millisecond
	maxBackOff   = 30 * time.Second
	// A cluster is small, its nodes are wanted back, and a dial of one of them
	// hurts nobody.
	maxBackOffOnDemand = 5 * time.Second
	// An address alone is a seed. Of a node with an id we hear when it is back,
	// of a seed nobody tells us who waits for it.
	maxBackOffAddress = time.Second
	// backOffRoom is how many failed nodes are remembered. When it is full those
	// that are over are forgotten, and of the others as many as make a quarter
	// free, no matter which.
	backOffRoom = 4096
)

// A backOff remembers who could not be dialled and when to try again. It has
// no clock: callers say what time it is.
type backOff struct {
	failures map[target]failure
}

type failure struct {
	err   error
	times int
	until time.Time
	keep  time.Time // after this the count starts anew
}

// check says whether t must not be dialled yet.
func (b *backOff) check(t target, now time.Time) error {
	f, ok := b.failures[t]
	if !ok || !now.Before(f.until) {
		return nil
	}
	return fmt.Errorf("%w, again in %v: %w", ErrBackOff, f.until.Sub(now).Round(time.Millisecond), f.err)
}

// failed notes a failure: the next try is due after a time that doubles with
// each, to most, less up to a third at random so that many who wait do not come
// at once.
func (b *backOff) failed(t target, err error, now time.Time, most time.Duration) {
	f := b.failures[t]
	if now.After(f.keep) {
		f.times = 0
	}
	wait := min(firstBackOff<<min(f.times, 16), most)
	f.times++
	f.err, f.until = err, now.Add(wait-rand.N(wait/3))
	f.keep = f.until.Add(2 * maxBackOff)
	if b.failures == nil {
		b.failures = make(map[target]failure)
	}
	b.makeRoom(now)
	b.failures[t] = f
}

// makeRoom does nothing until the room is full. Then it leaves a quarter of it
// free, so that it is seldom called on.
func (b *backOff) makeRoom(now time.Time) {
	if len(b.failures) < backOffRoom {
		return
	}
	for t, f := range b.failures {
		if now.After(f.keep) {
			delete(b.failures, t)
		}
	}
	for t := range b.failures {
		if len(b.failures) <= backOffRoom*3/4 {
			return
		}
		delete(b.failures, t)
	}
}

// forget clears what is known about t.
func (b *backOff) forget(t target) { delete(b.failures, t) }
