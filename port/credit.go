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
	leastWindow = 24 << 10
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
	// aloneWindow is how far a window grows, even where the line is short, while
	// nothing else comes: whoever waits for credit makes both ends sleep and wake.
	// aloneTime is how quickly half of it must be eaten, for that is what somebody
	// new has to wait, and aloneAfter how long nothing else must have come.
	aloneWindow = 4 << 20
	aloneTime   = 5 * time.Millisecond
	aloneAfter  = 100 * time.Millisecond
)

// A window is what we let the peer send in one direction of a stream. It has no
// clock: it is told the time.
type window struct {
	size  int          // what may be on its way, unread and owed together
	least int          // what size may shrink to
	most  int          // what it may grow to
	owed  int          // to be given back
	last  time.Time    // when some was given back
	turns uint64       // of the link, when some was last given back
	other time.Time    // when something else was last found to have come
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

// A line is what a window has to know of the session.
type line struct {
	rtt     time.Duration // without what waits on it; 0 is unknown
	full    bool          // much waits on it
	crowded bool          // other streams are busy too
	alone   bool          // nothing else has come for a while
}

// due counts n bytes as eaten and says how many the peer gets back now. They go
// back in halves of the window. If half of it was eaten in less than two round
// trips and the line is not full, it is the window that holds the peer up, and it
// doubles; alone it does so anyway while that is quick. If that took more than four on a crowded line, the window is only a
// queue that others wait behind, and it shrinks.
func (w *window) due(n int, now time.Time, on line) int {
	if w.owed += n; w.owed < w.half() {
		return 0
	}
	n, w.owed = w.owed, 0
	took, first := now.Sub(w.last), w.last.IsZero()
	w.last = now
	switch {
	case on.rtt == 0 || first:
	case w.grows(took, on) && w.shared(w.size):
		n += w.size
		w.size *= 2
	case took > 4*on.rtt && w.size > w.least && on.crowded:
		size := max(w.size/2, w.least)
		n -= w.size - size // at most what was owed
		w.size = size
	}
	w.left.Add(int64(n))
	return n
}

// grows tells whether the window is to double, half of it being eaten in took.
func (w *window) grows(took time.Duration, on line) bool {
	return w.size < w.most && (took < 2*on.rtt && !on.full || on.alone && took < aloneTime && w.size < aloneWindow)
}

// half is how much is given back at a time. The rest must be enough for a
// fragment, or the peer could wait for what it is owed.
func (w *window) half() int { return min(w.size/2, w.size-maxFragment+1) }

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
	if w.owed+n < w.half() || l.err != nil { // spare the clock
		w.owed += n
		l.mu.Unlock()
		return
	}
	now := time.Now()
	n = w.due(n, now, l.lineLocked(w, now))
	l.lastWindow, l.lastGiven = w, now
	l.mu.Unlock()
	if n > 0 {
		l.tell(&frame{kind: w.grant, id: stream, window: uint32(n)})
	}
	l.ping(now)
}

// lineLocked is the line as it is for w, of which some is given back now.
func (l *link) lineLocked(w *window, now time.Time) line {
	turns := l.turns.Load()
	if turns-w.turns > 1 && !w.last.IsZero() { // one is ours
		w.other = now
	}
	w.turns = turns
	since := now.Sub(w.other)
	return line{
		rtt:     l.rtt.length(),
		full:    l.rtt.full(),
		crowded: l.lastWindow != w && now.Sub(l.lastGiven) < crowd || w.size > firstWindow && since < aloneAfter,
		alone:   since >= aloneAfter,
	}
}

// heard notes for whose window something has come: nil for the small requests
// and replies, which need none. The reader calls it.
func (l *link) heard(w *window) {
	if w != l.lastHeard {
		l.lastHeard = w
		l.turns.Add(1)
	}
}

// A roundTrip is how long the line is, measured with pings of our own, one at a
// time. It has no clock: it is told the time.
type roundTrip struct {
	token uint32
	sent  time.Time // of the ping on its way; zero: none
	at    time.Time // of the last ping
	count int       // answers

	last  time.Duration    // the last answer; a full line makes it long
	least [2]time.Duration // of this span and of the one before; 0: none
	since time.Time        // when this span began
}

const (
	firstPings = 4 // one after the other, lest the first be all we know
	pingEvery  = 100 * time.Millisecond
	leastSpan  = 5 * time.Minute
)

// ping begins a measurement if it is time for one.
func (r *roundTrip) ping(now time.Time) (token uint32, ok bool) {
	if !r.sent.IsZero() || r.count >= firstPings && now.Sub(r.at) < pingEvery {
		return 0, false
	}
	r.sent, r.at = now, now
	r.token++
	return r.token, true
}

// pong ends one.
func (r *roundTrip) pong(token uint32, now time.Time) {
	if token != r.token || r.sent.IsZero() {
		return
	}
	r.last = max(now.Sub(r.sent), 1)
	r.sent = time.Time{}
	r.count++
	if now.Sub(r.since) > leastSpan {
		r.least[0], r.least[1], r.since = 0, r.least[0], now
	}
	if r.least[0] == 0 || r.last < r.least[0] {
		r.least[0] = r.last
	}
}

// length is the line's without what waits on it; 0 if it is not known.
func (r *roundTrip) length() time.Duration {
	if r.least[1] == 0 || r.least[0] > 0 && r.least[0] < r.least[1] {
		return r.least[0]
	}
	return r.least[1]
}

// full tells whether much waits on the line.
func (r *roundTrip) full() bool { return r.last > 2*r.length() }

// ping measures the round trip if it is time to.
func (l *link) ping(now time.Time) {
	l.mu.Lock()
	token, ok := l.rtt.ping(now)
	l.mu.Unlock()
	if ok {
		l.tell(&frame{kind: kindPing, id: token})
	}
}

func (l *link) onPong(f *frame) {
	now := time.Now()
	l.mu.Lock()
	l.rtt.pong(f.id, now)
	more := l.rtt.count < firstPings
	l.mu.Unlock()
	if more {
		l.ping(now)
	}
}
