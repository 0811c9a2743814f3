package p2ptest

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxArrived is how many datagrams wait for the receiver; the oldest are
	// dropped, and the receiver counts them.
	maxArrived = 128
	// maxFlying is how many datagrams are on their way at once; a sender that
	// has more is told so.
	maxFlying = 4096
)

// A flight is a frame on its way.
type flight struct {
	frame  []byte
	sent   time.Time
	at     time.Time // when it arrives, unless the line is down then or one before it is late
	broken bool      // it was lost too often
}

// A line is one direction of a connection. Frames of the stream arrive in their
// order, datagrams as they come. The number of frames in it is bounded by the
// windows of the channels.
type line struct {
	wake chan struct{} // tells the receiver to look again; holds one

	mu     sync.Mutex // guards what follows
	cond   conditions
	stream []flight
	grams  []flight  // sorted by at
	free   time.Time // when the wire has taken all that was sent
	down   bool      // what arrives now does not get through
	resume time.Time // what was held up by down comes no earlier
	shut   bool      // nobody is there to receive
}

func newLine(c conditions, down bool) *line {
	return &line{wake: make(chan struct{}, 1), cond: c, down: down}
}

func (l *line) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// departLocked is when a frame of n bytes has left the sender.
func (l *line) departLocked(n int) time.Time {
	now := time.Now()
	if l.cond.bandwidth <= 0 {
		return now
	}
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(l.cond.bandwidth))
	return l.free
}

// send puts a frame on its way, which then belongs to the line.
func (l *line) send(frame []byte, odds chance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return
	}
	f := flight{frame: frame, sent: l.departLocked(len(frame))}
	took, broken := odds.deliver(l.cond)
	f.at, f.broken = f.sent.Add(took), broken
	l.stream = append(l.stream, f)
	l.notify()
}

// sendDatagram puts a datagram on its way; false if there is no room.
func (l *line) sendDatagram(frame []byte, odds chance) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut || len(l.grams) >= maxFlying {
		return false
	}
	f := flight{frame: frame, sent: l.departLocked(len(frame))}
	copies := [][]byte{frame}
	if odds.happens(l.cond.duplicate) {
		copies = append(copies, slices.Clone(frame))
	}
	for _, f.frame = range copies {
		if odds.happens(l.cond.loss) {
			continue
		}
		f.at = f.sent.Add(odds.pass(l.cond))
		if odds.happens(l.cond.reorder) { // late enough for the next ones to overtake it
			f.at = f.at.Add(time.Millisecond + odds.pass(l.cond))
		}
		i, _ := slices.BinarySearchFunc(l.grams, f.at, func(g flight, at time.Time) int {
			if g.at.After(at) {
				return 1
			}
			return -1 // of two that arrive together the first one sent is first
		})
		l.grams = slices.Insert(l.grams, i, f)
	}
	l.notify()
	return true
}

// An arrival is what the receiver finds on its line.
type arrival struct {
	stream  [][]byte
	broken  bool // after stream nothing more will come
	grams   [][]byte
	dropped int // datagrams, for want of room
	// next is when there may be more without a wake; zero: nobody knows.
	next time.Time
}

// take gives what has arrived by now, but no more than limit of the stream.
func (l *line) take(now time.Time, limit int) (a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeStreamLocked(&a, now, limit)
	l.takeDatagramsLocked(&a, now)
	return a
}

func (l *line) takeStreamLocked(a *arrival, now time.Time, limit int) {
	if l.down {
		return
	}
	n := 0
	for ; n < len(l.stream) && n < limit; n++ {
		f := &l.stream[n]
		if f.at.Before(l.resume) {
			f.at = l.resume
		}
		if f.at.After(now) {
			a.next = f.at
			break
		}
		if f.broken {
			a.broken = true
			break
		}
		a.stream = append(a.stream, f.frame)
	}
	l.stream = slices.Delete(l.stream, 0, n)
	if n == limit && len(l.stream) > 0 {
		a.next = now
	}
}

func (l *line) takeDatagramsLocked(a *arrival, now time.Time) {
	n := 0
	for n < len(l.grams) && !l.grams[n].at.After(now) {
		n++
	}
	if !l.down {
		a.dropped = max(0, n-maxArrived)
		for _, f := range l.grams[a.dropped:n] {
			a.grams = append(a.grams, f.frame)
		}
	}
	l.grams = slices.Delete(l.grams, 0, n)
	if len(l.grams) > 0 && (a.next.IsZero() || l.grams[0].at.Before(a.next)) {
		a.next = l.grams[0].at
	}
}

// change sets how the line is from now on. What could not arrive while it was
// down arrives when its sender has tried again.
func (l *line) change(c conditions, down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cond = c
	if l.down && !down && len(l.stream) > 0 {
		now := time.Now()
		again := l.stream[0].sent
		for n := 0; again.Before(now) && n < tries; n++ {
			again = again.Add(rto << n)
		}
		l.resume = again.Add(c.delay)
	}
	l.down = down
	l.notify()
}

func (l *line) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// close forgets what is on its way: the receiver has gone.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	l.stream, l.grams = nil, nil
}
