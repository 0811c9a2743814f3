package machine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// A way is how a fact reached us.
type way uint8

const (
	byNews   way = iota // passed on
	byRepair            // kept: the others mend their own tables
	byTable             // kept: we are the newcomer
)

// A RefusedError says why a member is not taken into the table. It is no breach:
// others may have taken it, and tell us of it.
type RefusedError struct {
	Full bool // there is no room; else it is of a version that does not go with ours
	Text string
}

func (e *RefusedError) Error() string { return e.Text }

// learn takes in one entry, unless the member is refused. It returns the row if
// we know better already.
func (m *Machine) learn(now time.Duration, p peer, e wire.Entry, w way) (stale *row, err error) {
	stale, err = m.admit(now, p, e, w)
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return nil, nil
	}
	return stale, err
}

// admit is learn with a RefusedError.
func (m *Machine) admit(now time.Duration, p peer, e wire.Entry, w way) (stale *row, err error) {
	switch e.Kind {
	case wire.EntryRecord:
		return m.learnRecord(now, p, e.Body, w)
	case wire.EntryClaim:
		return m.learnClaim(now, p, e.Body, w)
	case wire.EntryVerdict:
		return m.learnVerdict(now, p, e.Body, w)
	}
	return nil, nil
}

func (m *Machine) learnRecord(now time.Duration, p peer, raw []byte, w way) (*row, error) {
	h, err := wire.ParseHead(raw)
	if err != nil {
		return nil, m.strange(err)
	}
	r := m.rows[wire.Short(h.ID)]
	if r != nil {
		if r.rec.ID != h.ID {
			return nil, nil
		}
		if !r.before(h.Generation, h.Incarnation, wire.Alive) {
			return r, nil
		}
	}
	rec, err := m.notary.Open(raw)
	if err != nil {
		m.stats.Unproved++
		return nil, err
	}
	if r == m.self {
		m.learnMyself(now, rec)
		return nil, nil
	}
	if mine := m.self.rec.Version; rec.Version[0] != mine[0] {
		m.stats.Foreign++
		return nil, &RefusedError{Text: fmt.Sprintf("gossip: version %s cannot join those of version %s", dotted(rec.Version), dotted(mine))}
	}
	more, longer := 1, rowSize+2*len(raw)
	if r != nil {
		more, longer = 0, 2*(len(raw)-len(r.rec.Raw()))
	}
	if longer > 0 && !m.makeRoom(now, more, longer) {
		return nil, m.full()
	}
	if r == nil || m.dropped(r) { // it may have had to go itself
		r = m.add(rec, now)
	}
	m.enliven(now, r, rec, rec.Incarnation, nil, w)
	if w == byNews {
		m.passOn(now, r, pendingRecord, p.short)
	}
	return nil, nil
}

// strange makes a refusal of a record that we cannot read for its version.
func (m *Machine) strange(err error) error {
	if other, ok := errors.AsType[*wire.VersionError](err); ok {
		m.stats.Foreign++
		return &RefusedError{Text: other.Error()}
	}
	return err
}

func dotted(v [3]uint16) string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// enliven holds r alive by a record or a claim, and says what that means.
func (m *Machine) enliven(now time.Duration, r *row, rec *wire.Record, inc uint32, claim []byte, w way) {
	was, old, wasLocal := r.status, r.rec, r.local
	if was != 0 && old.Generation < rec.Generation && (was == wire.Alive || wasLocal) {
		e := m.eventAbout(now, Parted, r)
		e.Restarted = true
		m.emit(e)
	}
	if old.Generation == rec.Generation && claim != nil && (was != wire.Alive || w == byNews) {
		// It had to say that it lives: we, or others, were wrong about it.
		r.patience = now + 10*time.Minute
	}
	if was == wire.Dead && old.Generation == rec.Generation {
		m.mended = now
	}
	m.set(r, rec, inc, wire.Alive, claim, now)
	m.changed = now
	m.forget(r)
	if s := m.subject(r); s != nil {
		s.win.Alive(now)
		s.rounds, s.closed = 0, false
	}
	switch {
	case was == 0 || old.Generation != rec.Generation:
		m.event(now, Joined, r)
	case was != wire.Alive:
		m.event(now, Returned, r)
	case rec != old:
		m.event(now, Changed, r)
	}
}

func (m *Machine) learnClaim(now time.Duration, p peer, body []byte, w way) (*row, error) {
	c, err := wire.ParseClaim(body)
	if err != nil {
		return nil, err
	}
	r := m.rows[c.Short]
	if r == nil || c.Generation > r.rec.Generation {
		m.want(now, c.Short)
		return nil, nil
	}
	if !r.before(c.Generation, c.Incarnation, c.Status) {
		if w == byNews && c.Status == wire.Alive && r.is(c.Generation, c.Incarnation) && p.short != r.from {
			r.echoed = true
		}
		return r, nil
	}
	if r != m.self && c.Record != r.rec.Incarnation {
		if c.Record > r.rec.Incarnation {
			m.want(now, c.Short)
		}
		return nil, nil
	}
	if !m.notary.Verify(r.rec.PublicKey(), c.Message(r.rec.ID), c.Signature) {
		m.stats.Unproved++
		return nil, nil
	}
	if r == m.self { // our own words from before, which we have forgotten
		m.refute(now, c.Incarnation)
		return nil, nil
	}
	if c.Status == wire.Left {
		m.depart(now, r, c.Incarnation, bytes.Clone(body))
	} else {
		m.enliven(now, r, r.rec, c.Incarnation, bytes.Clone(body), w)
	}
	if w == byNews {
		m.passOn(now, r, pendingProof, p.short)
	}
	return nil, nil
}

// depart holds r gone by its own will.
func (m *Machine) depart(now time.Duration, r *row, inc uint32, claim []byte) {
	was := r.status
	m.set(r, r.rec, inc, wire.Left, claim, now)
	m.changed = now
	m.forget(r)
	if was == wire.Alive {
		m.event(now, Parted, r)
	}
}

func (m *Machine) learnVerdict(now time.Duration, p peer, body []byte, w way) (*row, error) {
	v, err := wire.ParseVerdict(body)
	if err != nil {
		return nil, err
	}
	r := m.rows[v.Short]
	if r == nil {
		return nil, nil // nobody we know: there is nothing to correct
	}
	if v.Generation > r.rec.Generation {
		m.want(now, v.Short)
		return nil, nil
	}
	if !r.before(v.Generation, v.Incarnation, wire.Dead) {
		return r, nil
	}
	lonely := m.lonely(now) // then news may not reach us at all, only repairs do
	doubtful := w == byRepair && !lonely || v.Age > freshFor || m.hears(now, r) || !m.votedByLiving(r, &v)
	if doubtful && m.missed(now, r) { // we needed but one vote more
		doubtful, w, v.Age = false, byNews, 0
	}
	if doubtful && r.status == wire.Alive && r != m.self && !m.answered(r, v.Incarnation) {
		m.question(now, p, r, v.Incarnation)
		return nil, nil
	}
	// Few claims can have passed us by; a leap would leave the node none to make.
	if v.Incarnation > r.inc+64 || !m.convinced(r, &v) {
		m.stats.Unconvinced++
		return nil, nil
	}
	if r == m.self {
		m.refute(now, v.Incarnation)
		return nil, nil
	}
	if r.status == wire.Alive && !doubtful && (lonely || m.unsure(now, r) || now < r.patience) && m.hold(now, p, r, &v, w) {
		return nil, nil
	}
	m.convict(now, r, &v, now-v.Age, p.short, w)
	return nil, nil
}

// wantAgain is how often we ask for one row, whoever has told of it.
const wantAgain = 100 * time.Millisecond

// want notes a row that the sender of the message in hand knows better than we.
// It is asked for all of them when the message is done.
func (m *Machine) want(now time.Duration, short uint64) {
	if r := m.rows[short]; r != nil {
		if now-r.asked < wantAgain {
			return
		}
		r.asked = now
	}
	if !slices.Contains(m.wants, short) && len(m.wants) < maxWants {
		m.wants = append(m.wants, short)
	}
}

// maxWants is how many rows are asked for at once; the next repair asks for the
// others.
const maxWants = 256

func (m *Machine) sendWants(to node.ID) {
	if len(m.wants) > 0 {
		m.send(to, wire.KindWant, m.wants.Append(nil))
		m.wants = m.wants[:0]
	}
}

func (m *Machine) onNews(now time.Duration, p peer, payload []byte) error {
	list, err := wire.ParseEntries(payload)
	if err != nil {
		return err
	}
	for _, e := range list {
		if _, err := m.learn(now, p, e, byNews); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) onWant(now time.Duration, p peer, payload []byte) error {
	wants, err := wire.ParseWant(payload)
	if err != nil {
		return err
	}
	list, _ := m.gather(now, wants, room)
	if len(list) > 0 {
		m.send(p.id, wire.KindNews, wire.AppendEntries(nil, list))
	}
	return nil
}

// gather collects the entries of the rows that are wanted, as far as they fit.
func (m *Machine) gather(now time.Duration, wants wire.Want, space int) (list []wire.Entry, left int) {
	for _, short := range wants {
		r := m.rows[short]
		if r == nil || r.local {
			continue
		}
		add := r.entries(now)
		for _, e := range add {
			space -= e.Size()
		}
		if space < 0 {
			break
		}
		list = append(list, add...)
	}
	return list, space
}
