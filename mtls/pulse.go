package mtls

import (
	"fmt"
	"sync/atomic"
	"time"

	"kith/p2p"
)

// A pulse is how a session knows that its peer is there. When nothing has come
// for a while a ping is sent, which the peer must answer; when nothing at all
// has come for long the session is dead. One timer does it, without a goroutine.
// All times are since the session began.
type pulse struct {
	heard atomic.Int64 // when something last came
	rtt   atomic.Int64 // the last round trip; 0 if none was measured
	asked atomic.Int64 // when the last ping was sent
	timer *time.Timer  // guarded by session.mu; nil before Open
}

// sent notes a ping and returns what to write in it.
func (p *pulse) sent(now time.Duration) uint64 {
	now = max(now, 1) // 0 is none
	p.asked.Store(int64(now))
	return uint64(now)
}

// back takes the answer. Only the one to the last ping counts.
func (p *pulse) back(stamp uint64, now time.Duration) {
	if asked := p.asked.Load(); asked > 0 && uint64(asked) == stamp {
		p.rtt.Store(max(int64(now)-asked, 1))
	}
}

// next decides what the time now is for: a ping, the end, or neither; and when
// to look again. A ping is also sent now and then while there is traffic, since
// windows are tuned by the round trip.
func (p *pulse) next(now, every, limit time.Duration) (ping, dead bool, wait time.Duration) {
	silence := now - time.Duration(p.heard.Load())
	switch {
	case silence >= limit:
		return false, true, 0
	case silence >= every:
		return true, false, min(every, limit-silence)
	}
	return now-time.Duration(p.asked.Load()) >= 5*every, false, every - silence
}

// startPulseLocked sends a first ping, for the round trip, and sets the timer.
func (s *session) startPulseLocked() {
	s.rate.heard.Store(int64(time.Since(s.began)))
	s.ping = true
	s.kickLocked()
	s.rate.timer = time.AfterFunc(s.cfg.pingEvery, s.beat)
}

// stop is called with session.mu held.
func (p *pulse) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// beat is what the timer calls.
func (s *session) beat() {
	// By the clock as it was when the session began: that somebody sets it must
	// not end all sessions of a node.
	if err := s.stillValid(s.began.Add(time.Since(s.began))); err != nil {
		s.shut(err)
		return
	}
	ping, dead, wait := s.rate.next(time.Since(s.began), s.cfg.pingEvery, s.cfg.deadAfter)
	if dead {
		s.fail(fmt.Errorf("mtls: session with %s at %v: nothing heard for %v: %w", s.remote.Short(), s.peer, s.cfg.deadAfter, p2p.DiscReadTimeout))
		return
	}
	s.grams.beat(time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if ping {
		s.ping = true
		s.kickLocked()
	}
	if len(s.buf) == 0 && cap(s.spare) > writeRound && !s.writing {
		s.spare = nil // a burst has made it large, and it is over
	}
	s.rate.timer.Reset(wait)
}
