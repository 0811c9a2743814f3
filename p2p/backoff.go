package p2p

import (
	"cmp"
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
	// backOffRoom is how many failed nodes are remembered. When it is full and
	// none has expired, one of them is forgotten, no matter which.
	backOffRoom = 4096
)

// A backOff remembers who could not be dialled and when to try again. It has
// no clock: callers say what time it is.
type backOff struct {
	most     time.Duration // zero means maxBackOff
	failures map[string]failure
}

type failure struct {
	err   error
	times int
	until time.Time
	keep  time.Time // after this the count starts anew
}

// check says whether key must not be dialled yet.
func (b *backOff) check(key string, now time.Time) error {
	f, ok := b.failures[key]
	if !ok || !now.Before(f.until) {
		return nil
	}
	return fmt.Errorf("%w, again in %v: %w", ErrBackOff, f.until.Sub(now).Round(time.Millisecond), f.err)
}

// failed notes a failure: the next try is due after a time that doubles with
// each, less up to a third at random so that many who wait do not come at once.
func (b *backOff) failed(key string, err error, now time.Time) {
	f := b.failures[key]
	if now.After(f.keep) {
		f.times = 0
	}
	wait := min(firstBackOff<<min(f.times, 16), cmp.Or(b.most, maxBackOff))
	f.times++
	f.err, f.until = err, now.Add(wait-rand.N(wait/3))
	f.keep = f.until.Add(2 * maxBackOff)
	if b.failures == nil {
		b.failures = make(map[string]failure)
	}
	b.makeRoom(now)
	b.failures[key] = f
}

func (b *backOff) makeRoom(now time.Time) {
	if len(b.failures) < backOffRoom {
		return
	}
	for key, f := range b.failures {
		if now.After(f.keep) {
			delete(b.failures, key)
		}
	}
	for key := range b.failures {
		if len(b.failures) < backOffRoom {
			return
		}
		delete(b.failures, key)
	}
}

// forget clears what is known about key.
func (b *backOff) forget(key string) { delete(b.failures, key) }
