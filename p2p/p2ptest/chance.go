package p2ptest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// How the network behaves where a real one does.
const (
	// A lost frame of a stream is sent again after rto, then after twice as
	// long, until it was sent tries times: 0, 0.2, 0.6, 1.4, 3, 6.2 s.
	rto   = 200 * time.Millisecond
	tries = 6
	// keepalive is how long a session lives that hears nothing, and how long a
	// dial tries.
	keepalive = 7 * time.Second
)

// Conditions are what a frame meets on its way.
type conditions struct {
	delay, jitter            time.Duration
	loss, reorder, duplicate float64
	bandwidth                int // bytes a second; 0: no limit
}

// worst is what a frame meets that passes through both.
func (c conditions) worst(d conditions) conditions {
	c.delay, c.jitter = max(c.delay, d.delay), max(c.jitter, d.jitter)
	c.loss = max(c.loss, d.loss)
	return c
}

// A chance draws the fate of the frames of one channel in one direction.
type chance struct{ *rand.Rand }

func newChance(seed uint64, key ...any) chance {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", seed, key))
	return chance{rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])))}
}

func (c chance) happens(p float64) bool { return p > 0 && c.Float64() < p }

// pass is how long one packet takes that is not lost.
func (c chance) pass(k conditions) time.Duration {
	if k.jitter <= 0 {
		return k.delay
	}
	return k.delay + time.Duration(c.Int64N(int64(k.jitter)+1))
}

// deliver is how long a frame of a stream takes, with every time that it is sent
// again; broken if it was lost each time, after which the session is dead.
func (c chance) deliver(k conditions) (d time.Duration, broken bool) {
	for n := range tries {
		if !c.happens(k.loss) {
			return d + c.pass(k), false
		}
		d += rto << n
	}
	return keepalive, true
}
