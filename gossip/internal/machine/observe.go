package machine

import (
	"maps"
	"slices"
	"time"

	"kith/gossip/internal/phi"
	"kith/gossip/internal/wire"
	"kith/node"
)

// A subject is a member that we observe.
type subject struct {
	row    *row
	gen    uint64 // the run that the window is about
	win    phi.Window
	closed bool // the other side closed its session: there is nothing to wait for

	// One suspicion, from the first probe to a sign of life.
	rounds   int // probe rounds so far
	probes   int // messages that they took
	nonce    uint32
	since    time.Duration // the first round
	probedAt time.Duration
	votedAt  time.Duration
}

// phi is how odd the silence of s is. A node that was convicted wrongly a
// short while ago gets twice the patience.
func (m *Machine) phi(now time.Duration, s *subject) float64 {
	p := s.win.Phi(now, &m.cfg.Rhythm)
	if now < s.row.patience {
		p /= 2
	}
	if s.closed {
		p = max(p, m.cfg.Threshold)
	}
	return p
}

func (m *Machine) every() time.Duration { return max(500*time.Millisecond, m.cfg.Heartbeat/5) }

// evaluate looks at every silence, and again soon while one is long.
func (m *Machine) evaluate(now time.Duration) {
	m.evalAt = unset
	m.refresh(now)
	for _, s := range m.subjects {
		r := s.row
		if r.status != wire.Alive {
			continue
		}
		if s.gen != r.rec.Generation { // restarted while it was our subject
			*s = subject{row: r, gen: r.rec.Generation, win: phi.Open(now), probedAt: never, votedAt: never}
		}
		p := m.phi(now, s)
		if p < hurried {
			s.rounds = 0
			continue
		}
		m.evalAt = now + max(100*time.Millisecond, m.cfg.Heartbeat/10)
		m.doubt(now, s, p)
	}
}

// doubt probes a silent subject, and votes when the probes brought nothing.
func (m *Machine) doubt(now time.Duration, s *subject, p float64) {
	t := m.cfg.Threshold
	if p >= t/2 && now-s.probedAt >= m.every() {
		m.probe(now, s)
	}
	if !m.due(now, s, p) || now-s.votedAt < m.every() {
		return
	}
	if m.sick(now) && p < 2*t {
		return
	}
	s.votedAt = now
	m.vote(now, s, p)
}

// sick tells whether it is probably we who are cut off: of more than two
// subjects we hear less than a third.
func (m *Machine) sick(now time.Duration) bool {
	heard, n := m.reached(now)
	return n > 2 && heard*3 < n
}

// lonely tells whether news may have passed us by: we are the sick one, or have
// been until those who were silent turned out to be dead.
func (m *Machine) lonely(now time.Duration) bool {
	return m.sick(now) || now-m.sickAt <= freshFor && m.mended < m.sickAt
}

// reached counts the subjects that we hear.
func (m *Machine) reached(now time.Duration) (heard, all int) {
	for _, s := range m.subjects {
		if s.win.Phi(now, &m.cfg.Rhythm) < 3 {
			heard++
		}
	}
	return heard, len(m.subjects)
}

// A silent is somebody who has left two rounds of our pings without an answer, or
// was convicted.
type silent struct {
	row   *row
	at    time.Duration // when that was, the last time
	ours  bool          // the pings were ours
	asked time.Duration // when it was asked whether it can be reached again
	back  bool          // it can
}

// maxMute is how many of them are remembered, the last ones.
const maxMute = 2 * K

func (m *Machine) mute(now time.Duration, r *row, ours bool) {
	m.muted = slices.DeleteFunc(m.muted, func(s silent) bool { return s.row == r || now-s.at > freshFor })
	if len(m.muted) == maxMute {
		m.muted = slices.Delete(m.muted, 0, 1)
	}
	m.muted = append(m.muted, silent{row: r, at: now, ours: ours, asked: never})
}

// unsure tells whether it may be we who are, or a moment ago were, cut off from
// those who say that r is dead: others have been silent of late, and of r itself
// we do not know that.
func (m *Machine) unsure(now time.Duration, r *row) bool {
	some := false
	for _, s := range m.muted {
		if s.row == r && s.ours && r.heard < s.at {
			return false
		}
		some = some || !s.back && now-s.at <= freshFor
	}
	return some || now-m.mended <= mendFor
}

// mendFor is how long after somebody silent was heard again, or somebody dead came
// back, a cut may just have ended.
const mendFor = 1500 * time.Millisecond

// unmute notes that r is heard.
func (m *Machine) unmute(now time.Duration, r *row) {
	for i := range m.muted {
		if s := &m.muted[i]; s.row == r && !s.back {
			s.back, m.mended = true, now
		}
	}
}

// askMuted asks those who were silent whether they can be reached again.
func (m *Machine) askMuted(now time.Duration) {
	for i := range m.muted {
		s := &m.muted[i]
		if s.back || now-s.asked < aside || now-s.at > freshFor {
			continue
		}
		s.asked = now
		ping := wire.Probe{Target: s.row.short, Origin: m.self.short}
		m.send(s.row.rec.ID, wire.KindPing, ping.Append(nil))
	}
}

// missed tells whether r is a subject of ours that has been silent for so long that
// we vote on it.
func (m *Machine) missed(now time.Duration, r *row) bool {
	s := m.subject(r)
	return s != nil && m.due(now, s, m.phi(now, s)) && !m.sick(now)
}

// due tells whether the silence of s, and that of the probes, is long enough for a
// vote.
func (m *Machine) due(now time.Duration, s *subject, p float64) bool {
	return p >= 0.75*m.cfg.Threshold && s.rounds >= 2 && now-s.since >= 500*time.Millisecond
}

// probe asks the subject for a sign of life, directly and through three others.
func (m *Machine) probe(now time.Duration, s *subject) {
	if s.rounds == 0 {
		s.since, s.nonce, s.probes = now, m.rng.Uint32(), 0
		m.suspect(now, s.row)
	}
	s.probedAt = now
	if s.rounds++; s.rounds >= 2 {
		m.mute(now, s.row, true)
	}
	ping := wire.Probe{Target: s.row.short, Origin: m.self.short, Nonce: s.nonce}
	b := ping.Append(nil)
	m.send(s.row.rec.ID, wire.KindPing, b)
	s.probes++
	for range 3 {
		if r := m.anyone(); r != nil && r != s.row {
			m.send(r.rec.ID, wire.KindPingRequest, b)
			s.probes++
		}
	}
}

// An errand is a ping that we have passed on: its ack may go back by us.
type errand struct {
	target, origin uint64
	nonce          uint32
}

// Of so many errands at a time, each for so long, we keep account; more are not
// run. Nobody can have us call others, or strangers, without end.
const (
	maxErrands = 1024
	errandFor  = 10 * time.Second
)

// run notes an errand, unless there are too many.
func (m *Machine) run(now time.Duration, e errand) bool {
	if _, ok := m.errands[e]; !ok && len(m.errands) >= maxErrands {
		maps.DeleteFunc(m.errands, func(_ errand, at time.Duration) bool { return now-at > errandFor })
		if len(m.errands) >= maxErrands {
			return false
		}
	}
	m.errands[e] = now
	return true
}

func (m *Machine) onProbe(now time.Duration, p peer, kind wire.Kind, payload []byte) error {
	q, err := wire.ParseProbe(payload)
	if err != nil {
		return err
	}
	if kind == wire.KindPingRequest {
		r := m.rows[q.Target]
		if r != nil && r != m.self && p.row != nil && q.Origin == p.short && m.run(now, errand{q.Target, q.Origin, q.Nonce}) {
			m.send(r.rec.ID, wire.KindPing, q.Append(nil))
		}
		return nil
	}
	if q.Target != m.self.short {
		return nil
	}
	a := wire.Ack{Target: q.Target, Origin: q.Origin, Generation: m.self.rec.Generation, Nonce: q.Nonce}
	if q.Origin != p.short { // it goes on to somebody who has only our signature
		if a.Signature, err = m.notary.Sign(a.Message(m.self.rec.ID)); err != nil {
			return nil
		}
	}
	m.send(p.id, wire.KindAck, a.Append(nil))
	return nil
}

func (m *Machine) onAck(now time.Duration, p peer, payload []byte) error {
	a, err := wire.ParseAck(payload)
	if err != nil {
		return err
	}
	if a.Target == p.short && a.Origin == m.self.short { // direct: the session proves it
		if p.row != nil && p.row.rec.Generation == a.Generation {
			m.signOfLife(now, p.row)
		}
		return nil
	}
	if a.Origin != m.self.short {
		at, ok := m.errands[errand{a.Target, a.Origin, a.Nonce}]
		if r := m.rows[a.Origin]; r != nil && ok && now-at <= errandFor && a.Target == p.short {
			m.send(r.rec.ID, wire.KindAck, a.Append(nil))
		}
		return nil
	}
	r := m.rows[a.Target]
	if r == nil {
		return nil
	}
	s := m.subject(r)
	if s == nil || s.gen != a.Generation || s.rounds == 0 || s.nonce != a.Nonce {
		return nil
	}
	if !m.notary.Verify(r.rec.PublicKey(), a.Message(r.rec.ID), a.Signature) {
		m.stats.Unproved++
		return nil
	}
	m.signOfLife(now, r)
	return nil
}

// Closed tells that the other side ended its session without a word. That is
// what the kernel of a killed process does, so we look at once.
func (m *Machine) Closed(now time.Duration, ref node.Ref) {
	if m.halted {
		return
	}
	m.wake(now)
	m.refresh(now)
	r := m.rows[wire.Short(ref.ID)]
	if r == nil || r.rec.ID != ref.ID || r.rec.Generation != ref.Generation {
		return
	}
	if s := m.subject(r); s != nil {
		s.closed = true
		m.evaluate(now)
	}
	m.rest(now)
}

// Connected tells that a session to ref is open: its run, whichever, lives.
func (m *Machine) Connected(now time.Duration, ref node.Ref) {
	if m.halted || ref.ID == m.self.rec.ID {
		return
	}
	m.wake(now)
	r := m.rows[wire.Short(ref.ID)]
	switch {
	case r == nil || r.rec.ID != ref.ID:
	case r.rec.Generation == ref.Generation:
		m.signOfLife(now, r)
	case r.rec.Generation < ref.Generation:
		m.wantFrom(now, peer{id: ref.ID, short: r.short})
	}
	m.rest(now)
}

// hears tells whether r is a subject of ours that is not silent.
func (m *Machine) hears(now time.Duration, r *row) bool {
	s := m.subject(r)
	return s != nil && now-r.heard < time.Duration(3*float64(s.win.Mean(&m.cfg.Rhythm))) && m.phi(now, s) < 3
}
