package port

import (
	"sync/atomic"
	"time"
)

const (
	// firstWindow is what may be on its way in one direction of a stream of
	// requests before credit comes back. A small message waits behind what is
	// on its way, so it is short, and grows where the line is long.
	firstWindow = 64 << 10
	// leastWindow is how far it shrinks where several share a short line.
	leastWindow = 32 << 10
	// firstSendWindow is the same for one-way messages, most of which are small.
	firstSendWindow = 256 << 10
	// maxWindow is how far windows of requests and replies grow: their bytes
	// are given back when they are copied.
	maxWindow = 16 << 20
	// maxSendWindow is the same for one-way messages: their bytes are given back
	// when they are handled, so this is what a stalled handler costs.
	maxSendWindow = 1 << 20
	// sendRoom is what these windows may have together, on one session; beyond it
	// a stream gets leastSendWindow and does not grow. That must be more than two
	// fragments and what a large message keeps to its end.
	sendRoom        = 8 << 20
	leastSendWindow = 64 << 10

	// crowd is how close together two streams give back on a crowded line.
	crowd = 5 * time.Millisecond

	pingEvery = 2 * time.Second
)

// A window is what we let the peer send in one direction of a stream. It has no
// clock: it is told the time.
type window struct {
	size  int          // what may be on its way, unread and owed together
	least int          // what size may shrink to
	most  int          // what it may grow to
	owed  int          // to be given back
	last  time.Time    // when some was given back
	left  atomic.Int64 // what the peer may still send; the reader's
	grant kind         // kindCredit or kindReplyCredit
	share *int         // of the link: the room that size is taken from; nil if any
}

func (w *window) init(least, size, most int, grant kind) {
	w.least, w.size, w.most, w.grant = least, size, most, grant
	w.left.Store(int64(size))
}

// take counts what the peer has sent; false if it had no credit for it.
func (w *window) take(cost int) bool { return w.left.Add(-int64(cost)) >= 0 }

// due counts n bytes as eaten and says how many the peer gets back now. They go
// back in halves of the window. If half of it was eaten in less than two round
// trips, it is the window that holds the peer up, and it doubles. If that took
// more than four on a crowded line, the window is only a queue that others wait
// behind, and it shrinks. rtt 0 is unknown.
func (w *window) due(n int, now time.Time, rtt time.Duration, crowded bool) int {
	if w.owed += n; w.owed < w.size/2 {
		return 0
	}
	n, w.owed = w.owed, 0
	took, first := now.Sub(w.last), w.last.IsZero()
	w.last = now
	switch {
	case rtt == 0 || first:
	case took < 2*rtt && w.size < w.most && w.shared(w.size):
		n += w.size
		w.size *= 2
	case took > 4*rtt && w.size > w.least && crowded:
		w.size /= 2
		n -= w.size
	}
	w.left.Add(int64(n))
	return n
}

// shared takes n bytes of the room that windows share, if there is so much.
func (w *window) shared(n int) bool {
	if w.share == nil {
		return true
	}
	ok := *w.share >= n
	if ok {
		*w.share -= n
	}
	return ok
}

// giveBack lets the peer send n bytes more, now or when there are more of them.
func (l *link) giveBack(w *window, stream uint32, n int) {
	l.mu.Lock()
	if w.owed+n < w.size/2 || l.err != nil { // spare the clock
		w.owed += n
		l.mu.Unlock()
		return
	}
	now := time.Now()
	n = w.due(n, now, l.rtt.least(), l.lastWindow != w && now.Sub(l.lastGiven) < crowd)
	l.lastWindow, l.lastGiven = w, now
	l.mu.Unlock()
	if n > 0 {
		l.tell(&frame{kind: w.grant, id: stream, window: uint32(n)})
	}
	if l.rtt.due(now) {
		l.ping()
	}
}

// A roundTrip measures the line with pings of our own, one at a time. It keeps
// the least of the last few, so that a full line does not look like a long one.
type roundTrip struct {
	began time.Time
	sent  atomic.Int64 // ns from began to the ping on its way; 0: none
	at    atomic.Int64 // ns from began to the last ping
	token atomic.Uint32
	last  [4]atomic.Int64
	count atomic.Uint32
}

// due tells whether it is time for a ping.
func (r *roundTrip) due(now time.Time) bool {
	return r.sent.Load() == 0 && int64(now.Sub(r.began))-r.at.Load() >= int64(pingEvery)
}

func (l *link) ping() {
	now := int64(time.Since(l.rtt.began)) + 1
	l.rtt.at.Store(now)
	if l.rtt.sent.CompareAndSwap(0, now) {
		l.tell(&frame{kind: kindPing, id: l.rtt.token.Add(1)})
	}
}

// pong takes the answer to our ping.
func (r *roundTrip) pong(token uint32) {
	if token != r.token.Load() {
		return
	}
	if sent := r.sent.Swap(0); sent != 0 {
		i := r.count.Add(1) - 1
		r.last[i%uint32(len(r.last))].Store(max(1, int64(time.Since(r.began))+1-sent))
	}
}

// least is 0 if none was measured.
func (r *roundTrip) least() time.Duration {
	var least int64
	for i := range r.last {
		if d := r.last[i].Load(); d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return time.Duration(least)
}
