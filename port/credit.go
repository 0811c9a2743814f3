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
	// firstSendWindow is the same for one-way messages, most of which are small.
	firstSendWindow = 256 << 10
	// maxWindow is how far windows of requests and replies grow: their bytes
	// are given back when they are copied.
	maxWindow = 16 << 20
	// maxSendWindow is the same for one-way messages: their bytes are given back
	// when they are handled, so this is what a stalled handler costs.
	maxSendWindow = 1 << 20

	pingEvery = 2 * time.Second
)

// A window is what we let the peer send in one direction of a stream.
type window struct {
	size  int          // guarded by link.mu
	most  int          // what size may grow to
	owed  int          // guarded by link.mu: to be given back
	last  time.Time    // guarded by link.mu: when some was given back
	left  atomic.Int64 // what the peer may still send
	grant kind         // kindCredit or kindReplyCredit
}

func (w *window) init(size, most int, grant kind) {
	w.size, w.most, w.grant = size, most, grant
	w.left.Store(int64(size))
}

// take counts what the peer has sent; false if it had no credit for it.
func (w *window) take(cost int) bool { return w.left.Add(-int64(cost)) >= 0 }

// giveBack lets the peer send n bytes more. They go back in halves of the
// window; if half of it was eaten in less than two round trips, it is the window
// that holds the peer up, and it doubles.
func (l *link) giveBack(w *window, stream uint32, n int) {
	l.mu.Lock()
	w.owed += n
	if w.owed < w.size/2 || l.err != nil {
		l.mu.Unlock()
		return
	}
	n, now := w.owed, time.Now()
	rtt := l.rtt.least()
	if w.size < w.most && rtt > 0 && now.Sub(w.last) < 2*rtt {
		n += w.size
		w.size *= 2
	}
	w.owed, w.last = 0, now
	w.left.Add(int64(n))
	l.mu.Unlock()
	l.tell(&frame{kind: w.grant, id: stream, window: uint32(n)})
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
