package p2p

import (
	"fmt"
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
	// throttleRoom is how many addresses are remembered. When it is full those
	// that are over are forgotten, and of the others as many as make a quarter
	// free, no matter which.
	throttleRoom = 4096
	// relentAfter is how long an address still waits that was given up.
	relentAfter = 5 * time.Second
	logEvery    = time.Second
)

// A throttle remembers addresses that connect too often or fail too often. It
// has no clock: callers say what time it is.
type throttle struct {
	wide   bool // an IPv6 address stands for its /64, which one host in the open has for itself
	from   map[netip.Addr]visits
	logged time.Time
}

type visits struct {
	failures int
	since    time.Time // of the first failure counted
	blocked  time.Time // until then
	why      error
}

var (
	errTooOften  = fmt.Errorf("%w: one connection in %v", ErrThrottled, inboundEvery)
	errTooFaulty = fmt.Errorf("%w: %d handshakes failed in %v", ErrThrottled, maxFailures, failureSpan)
)

// source is what stands for a.
func (t *throttle) source(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if t.wide && a.Is6() && !near(a) {
		p, _ := a.Prefix(64) // fails for other lengths alone
		return p.Addr()
	}
	return a
}

// near tells whether many nodes may well share an address or its network.
func near(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// check says why a must wait, if it must.
func (t *throttle) check(a netip.Addr, now time.Time) error {
	if v := t.from[t.source(a)]; now.Before(v.blocked) {
		return v.why
	}
	return nil
}

// block keeps a out for inboundEvery, unless it is near.
func (t *throttle) block(a netip.Addr, now time.Time) {
	if near(a.Unmap()) {
		return
	}
	t.set(t.source(a), visits{blocked: now.Add(inboundEvery), why: errTooOften}, now)
}

// relent lets a come again sooner: it was given up for another, without a fault
// of its own that we know of.
func (t *throttle) relent(a netip.Addr, now time.Time) {
	v, ok := t.from[a]
	if soon := now.Add(relentAfter); ok && v.blocked.After(soon) {
		v.blocked = soon
		t.from[a] = v
	}
}

// failed counts a failed handshake.
func (t *throttle) failed(a netip.Addr, now time.Time) {
	a = t.source(a)
	v := t.from[a]
	if now.Sub(v.since) > failureSpan {
		v = visits{since: now}
	}
	if v.failures++; v.failures >= maxFailures {
		v.blocked, v.why = now.Add(failureSpan), errTooFaulty
	}
	t.set(a, v, now)
}

// mayLog is true at most once in logEvery.
func (t *throttle) mayLog(now time.Time) bool {
	if now.Sub(t.logged) < logEvery {
		return false
	}
	t.logged = now
	return true
}

func (t *throttle) set(a netip.Addr, v visits, now time.Time) {
	if t.from == nil {
		t.from = make(map[netip.Addr]visits)
	}
	if _, ok := t.from[a]; !ok && len(t.from) >= throttleRoom {
		t.makeRoom(now)
	}
	t.from[a] = v
}

func (t *throttle) makeRoom(now time.Time) {
	for a, v := range t.from {
		if now.After(v.blocked) && now.Sub(v.since) > failureSpan {
			delete(t.from, a)
		}
	}
	for a := range t.from {
		if len(t.from) <= throttleRoom*3/4 {
			return
		}
		delete(t.from, a)
	}
}
