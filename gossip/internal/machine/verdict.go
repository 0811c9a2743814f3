package machine

import (
	"bytes"
	"math"
	"slices"
	"time"

	"kith/gossip/internal/wire"
)

// A box gathers the votes about one member.
type box struct {
	gen   uint64
	inc   uint32
	first time.Duration
	last  time.Duration
	votes []ballot
}

type ballot struct {
	voter *row
	dead  bool // false: a deny
	vote  wire.Vote
	at    time.Duration
}

// maxBoxes is how many members can be voted on at a time; beyond it the votes
// of others are not kept.
const maxBoxes = 1024

func (m *Machine) valid() time.Duration { return max(3*time.Second, 2*m.cfg.Heartbeat) }

// boxOf returns the box for r as it is now, or nil if there are too many.
func (m *Machine) boxOf(now time.Duration, r *row) *box {
	b := m.boxes[r.short]
	if b != nil && b.gen == r.rec.Generation && b.inc == r.inc && now-b.last <= max(10*time.Second, 4*m.cfg.Heartbeat) {
		return b
	}
	if b == nil && len(m.boxes) >= maxBoxes {
		return nil
	}
	b = &box{gen: r.rec.Generation, inc: r.inc, first: now, last: now}
	m.boxes[r.short] = b
	return b
}

// put replaces the vote of its voter. Beyond MaxVotes voters it is dropped.
func (b *box) put(v ballot) {
	b.last = v.at
	for i := range b.votes {
		if b.votes[i].voter == v.voter {
			b.votes[i] = v
			return
		}
	}
	if len(b.votes) < wire.MaxVotes {
		b.votes = append(b.votes, v)
	}
}

func centi(phi float64) uint16 { return uint16(min(max(phi*100, 0), math.MaxUint16)) }

// vote tells the other observers, and the accused, that we hold s dead.
func (m *Machine) vote(now time.Duration, s *subject, p float64) {
	r := s.row
	v := wire.Vote{Subject: r.short, Generation: r.rec.Generation, Incarnation: r.inc, Phi: centi(p), Hard: p >= m.cfg.Threshold}
	var err error
	if v.Signature, err = m.notary.Sign(v.Message(r.rec.ID, m.self.rec.ID)); err != nil {
		return
	}
	if b := m.boxOf(now, r); b != nil {
		b.put(ballot{m.self, true, v, now})
	}
	payload := v.Append(nil)
	for _, o := range m.observersOf(r) {
		if o != m.self {
			m.send(o.rec.ID, wire.KindVote, payload)
		}
	}
	m.send(r.rec.ID, wire.KindVote, payload)
	m.judge(now, r, p)
}

func (m *Machine) onVote(now time.Duration, p peer, payload []byte) error {
	v, err := wire.ParseVote(payload)
	if err != nil || p.row == nil {
		return err
	}
	r := m.rows[v.Subject]
	switch {
	case r == nil || r == p.row:
		return nil
	case r == m.self:
		if v.Generation == r.rec.Generation {
			a := wire.Ack{Target: r.short, Origin: p.short, Generation: v.Generation}
			m.send(p.id, wire.KindAck, a.Append(nil))
		}
		if v.Hard && r.is(v.Generation, v.Incarnation) && m.mayObserve(p.row, r) {
			m.outdate(now)
		}
		return nil
	case r.before(v.Generation, v.Incarnation, wire.Alive) && !r.local:
		m.want(now, r.short)
		return nil
	case r.status != wire.Alive && !r.local || !r.is(v.Generation, v.Incarnation): // the voter does not know yet
		m.send(p.id, wire.KindNews, wire.AppendEntries(nil, r.entries(now)))
		return nil
	}
	m.refresh(now)
	s := m.subject(r)
	if s != nil && m.phi(now, s) < min(3, 0.75*m.cfg.Threshold-1) {
		d := wire.Deny{Subject: r.short, Generation: v.Generation, Incarnation: v.Incarnation, Phi: centi(m.phi(now, s))}
		m.send(p.id, wire.KindDeny, d.Append(nil))
	}
	if !m.mayObserve(p.row, r) {
		return nil
	}
	if !m.notary.Verify(p.row.rec.PublicKey(), v.Message(r.rec.ID, p.id), v.Signature) {
		m.stats.Unproved++
		return nil
	}
	v.Signature = bytes.Clone(v.Signature)
	if b := m.boxOf(now, r); b != nil {
		b.put(ballot{p.row, true, v, now})
	}
	if phi := float64(v.Phi) / 100; phi >= r.topPhi || now-r.topAt > m.valid() {
		r.topPhi, r.topAt = phi, now
	}
	m.suspect(now, r)
	if s != nil {
		m.judge(now, r, 0)
	}
	return nil
}

func (r *row) is(gen uint64, inc uint32) bool { return r.rec.Generation == gen && r.inc == inc }

func (m *Machine) onDeny(now time.Duration, p peer, payload []byte) error {
	d, err := wire.ParseDeny(payload)
	if err != nil || p.row == nil {
		return err
	}
	r := m.rows[d.Subject]
	if r == nil || r == p.row || !r.is(d.Generation, d.Incarnation) {
		return nil
	}
	if b := m.boxes[r.short]; b != nil && b.gen == d.Generation && b.inc == d.Incarnation {
		b.put(ballot{p.row, false, wire.Vote{Phi: d.Phi}, now})
	}
	return nil
}

// A count is what a box says at one moment.
type count struct {
	observers, soft, hard, denies int // soft counts the hard ones too
	for_                          []ballot
}

func (m *Machine) count(now time.Duration, r *row, b *box) count {
	observers := m.observersOf(r)
	c := count{observers: len(observers)}
	for _, v := range b.votes {
		if now-v.at > m.valid() || !slices.Contains(observers, v.voter) {
			continue
		}
		if !v.dead {
			c.denies++
			continue
		}
		c.soft++
		c.for_ = append(c.for_, v)
		if v.vote.Hard {
			c.hard++
		}
	}
	return c
}

// judge convicts r if the votes suffice. phi is our own if we voted now.
func (m *Machine) judge(now time.Duration, r *row, p float64) {
	b := m.boxOf(now, r)
	if r.status != wire.Alive || b == nil {
		return
	}
	c := m.count(now, r, b)
	t := m.cfg.Threshold
	switch {
	case c.observers > 1 && (c.soft == c.observers || c.hard > c.observers/2):
	case c.denies == 0 && c.hard >= 2 && now-b.first >= max(2*time.Second, m.cfg.Heartbeat):
		// Those who say nothing are presumed gone as well.
	case c.denies == 0 && c.soft >= 1 && p >= 2*t, c.observers == 1 && p >= t:
		m.convictAlone(now, r, c)
		return
	default:
		return
	}
	v := wire.Verdict{Short: r.short, Generation: r.rec.Generation, Incarnation: r.inc}
	for _, w := range c.for_[:min(len(c.for_), wire.MaxVotes)] {
		v.Votes = append(v.Votes, wire.Ballot{Observer: w.voter.short, Phi: w.vote.Phi, Hard: w.vote.Hard, Signature: w.vote.Signature})
	}
	m.stats.Verdicts++
	m.convict(now, r, &v, now, m.self.short, byNews)
}

// convict writes a verdict into the table and passes it on.
func (m *Machine) convict(now time.Duration, r *row, v *wire.Verdict, at time.Duration, from uint64, w way) {
	e := m.eventAbout(now, Died, r)
	if s := m.subject(r); s != nil {
		e.Silence, e.Probes = s.win.Silence(now), s.probes
	}
	e.Votes, e.Observers = m.voters(v), len(m.observersOf(r))
	known := r.status == wire.Dead
	m.mute(now, r, false)
	m.set(r, r.rec, v.Incarnation, wire.Dead, v.Append(nil), at)
	m.changed = now
	m.forget(r)
	if w == byNews {
		m.passOn(now, r, pendingProof, from)
	}
	if !known {
		m.emit(e)
	}
}

// convictAlone holds r dead here only.
func (m *Machine) convictAlone(now time.Duration, r *row, c count) {
	e := m.eventAbout(now, Died, r)
	if s := m.subject(r); s != nil {
		e.Silence, e.Probes = s.win.Silence(now), s.probes
	}
	e.Local, e.Observers = true, c.observers
	e.Reached, e.Subjects = m.reached(now)
	for _, v := range c.for_ {
		e.Votes = append(e.Votes, voterOf(v.voter, &v.vote))
	}
	m.set(r, r.rec, r.inc, wire.Dead, r.proof, now)
	r.local = true
	m.changed = now
	m.forget(r)
	m.emit(e)
}

// forget drops what belonged to a suspicion.
func (m *Machine) forget(r *row) {
	delete(m.boxes, r.short)
	r.suspect, r.topAt = false, never
}

// convinced tells whether the votes of a verdict are enough: two hard ones of
// observers in our table, or soft ones of most of them. It takes out of v what is
// no vote of such an observer, so that nobody is shown or told that it was; a vote
// that is not its voter's spoils them all, for nobody honest passes it on.
func (m *Machine) convinced(r *row, v *wire.Verdict) bool {
	known := m.boxes[r.short]
	hard := 0
	var good []wire.Ballot
	for i := range v.Votes {
		b := &v.Votes[i]
		voter := m.rows[b.Observer]
		twice := slices.ContainsFunc(good, func(o wire.Ballot) bool { return o.Observer == b.Observer })
		if voter == nil || voter == r || twice || !m.mayObserve(voter, r) {
			continue
		}
		vote := v.Vote(b)
		if !known.holds(voter, &vote) && !m.notary.Verify(voter.rec.PublicKey(), vote.Message(r.rec.ID, voter.rec.ID), b.Signature) {
			m.stats.Unproved++
			return false
		}
		good = append(good, *b)
		if b.Hard {
			hard++
		}
	}
	v.Votes = good
	return hard >= 2 || len(good) >= max(2, len(m.observersOf(r))/2+1)
}

// votedByLiving tells whether a verdict may suffice without those of its voters
// whom we hold dead: they vote on this side of a cut from the other.
func (m *Machine) votedByLiving(r *row, v *wire.Verdict) bool {
	n := 0
	for i := range v.Votes {
		if voter := m.rows[v.Votes[i].Observer]; voter != nil && voter.status == wire.Alive && m.mayObserve(voter, r) {
			n++
		}
	}
	return n >= 2
}

// holds tells whether we have checked this very vote before.
func (b *box) holds(voter *row, v *wire.Vote) bool {
	return b != nil && b.gen == v.Generation && b.inc == v.Incarnation && slices.ContainsFunc(b.votes, func(w ballot) bool {
		return w.voter == voter && w.dead && w.vote.Phi == v.Phi && w.vote.Hard == v.Hard && bytes.Equal(w.vote.Signature, v.Signature)
	})
}
