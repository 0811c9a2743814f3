package rlpx

import (
	"sync/atomic"
	"time"
)

const (
	// firstPing is when a session pings first, so that its round trip is known
	// soon: not at once, when protocols begin, and many sessions end.
	firstPing = time.Second
	pingTime  = 15 * time.Second // between pings
	// silenceTime is how long a peer may take for its next frame.
	silenceTime = 30 * time.Second
)

// A pulse is how a session knows that its peer is there: it is pinged now and
// then, and its frames must come. One timer does it, without a goroutine. All
// times are since the session began.
type pulse struct {
	heard atomic.Int64 // when the last frame came
	held  atomic.Bool  // the reader waits for a channel to be read, not for the peer

	// Guarded by Session.mu.
	timer    *time.Timer // nil before Open
	nextPing time.Duration
	pinged   time.Duration // when the ping was sent that is not answered; 0 if there is none
	rtt      time.Duration
	passed   uint64 // messages until the last ping
}

// asked notes that a ping is sent. A pong does not say to which ping it answers,
// so only one counts at a time.
func (p *pulse) asked(now time.Duration) {
	if p.pinged == 0 {
		p.pinged = max(now, 1)
	}
}

// answered takes a pong.
func (p *pulse) answered(now time.Duration) {
	if p.pinged > 0 {
		p.rtt = max(now-p.pinged, 1)
		p.pinged = 0
	}
}

// next decides what the time now is for: a ping, the end, or neither; and when to
// look again.
func (p *pulse) next(now time.Duration) (ping, dead bool, wait time.Duration) {
	if p.held.Load() {
		p.heard.Store(int64(now))
	}
	silence := now - time.Duration(p.heard.Load())
	if silence >= silenceTime {
		return false, true, 0
	}
	if now >= p.nextPing {
		ping, p.nextPing = true, now+pingTime
	}
	return ping, false, min(p.nextPing-now, silenceTime-silence)
}

func (p *pulse) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (s *Session) startPulseLocked() {
	now := time.Since(s.began)
	s.heard.Store(int64(now))
	s.nextPing = now + firstPing
	s.timer = time.AfterFunc(firstPing, s.beat)
}

// beat is what the timer calls.
func (s *Session) beat() {
	s.mu.Lock()
	dead := s.beatLocked()
	s.mu.Unlock()
	if dead {
		s.shut(&DisconnectError{Reason: ReadTimeout, Text: "no frame for " + silenceTime.String()})
	}
}

func (s *Session) beatLocked() (dead bool) {
	if s.overLocked() != nil {
		return false
	}
	ping, dead, wait := s.next(time.Since(s.began))
	if dead {
		return true
	}
	if ping {
		if passed := s.msgsOut + s.msgsIn.Load(); passed != s.passed {
			s.passed = passed
		} else {
			s.trimLocked()
		}
		s.ping = true
		s.kickLocked()
	}
	s.timer.Reset(wait)
	return false
}
