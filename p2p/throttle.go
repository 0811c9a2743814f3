package p2p

import (
	"net/netip"
	"time"
)

const (
	// inboundEvery is how often one address may connect in open networks;
	// loopback and private addresses are exempt.
	inboundEvery = 30 * time.Second
	// maxFailures failed handshakes within failureSpan block an address for
	// failureSpan in clusters.
	maxFailures = 10
	failureSpan = 10 * time.Second
	// throttleRoom is how many addresses are remembered. When it is full and
	// none has expired, one of them is forgotten, no matter which.
	throttleRoom = 4096
	logEvery     = time.Second
)

// A throttle remembers addresses that connect too often or fail too often. It
// has no clock: callers say what time it is.
type throttle struct {
	from   map[netip.Addr]visits
	logged time.Time
}

type visits struct {
	failures int
	since    time.Time // of the first failure counted
	blocked  time.Time // until then
}

func (t *throttle) blocked(a netip.Addr, now time.Time) bool {
	return now.Before(t.from[a.Unmap()].blocked)
}

// block keeps a out for a while, unless it is a neighbour.
func (t *throttle) block(a netip.Addr, now time.Time, d time.Duration) {
	if a = a.Unmap(); a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
		return
	}
	t.makeRoom(now)
	t.from[a] = visits{blocked: now.Add(d)}
}

// failed counts a failed handshake.
func (t *throttle) failed(a netip.Addr, now time.Time) {
	a = a.Unmap()
	t.makeRoom(now)
	v := t.from[a]
	if now.Sub(v.since) > failureSpan {
		v = visits{since: now}
	}
	if v.failures++; v.failures >= maxFailures {
		v.blocked = now.Add(failureSpan)
	}
	t.from[a] = v
}

// mayLog is true at most once in logEvery.
func (t *throttle) mayLog(now time.Time) bool {
	if now.Sub(t.logged) < logEvery {
		return false
	}
	t.logged = now
	return true
}

func (t *throttle) makeRoom(now time.Time) {
	if t.from == nil {
		t.from = make(map[netip.Addr]visits)
	}
	if len(t.from) < throttleRoom {
		return
	}
	for a, v := range t.from {
		if now.After(v.blocked) && now.Sub(v.since) > failureSpan {
			delete(t.from, a)
		}
	}
	for a := range t.from {
		if len(t.from) < throttleRoom {
			return
		}
		delete(t.from, a)
	}
}
