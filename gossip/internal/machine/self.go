package machine

import (
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// Update changes what we say about ourselves. change gets a copy of our record
// whose maps and slices it must replace, not write into. An error means that
// nothing has changed.
func (m *Machine) Update(now time.Duration, change func(*wire.Record)) error {
	return m.restate(now, m.self.inc, change)
}

// restate makes a record of an incarnation above all before it.
func (m *Machine) restate(now time.Duration, above uint32, change func(*wire.Record)) error {
	rec := *m.self.rec
	change(&rec)
	rec.ID, rec.Generation, rec.Incarnation = m.self.rec.ID, m.self.rec.Generation, above+1
	sealed, err := rec.Seal(rec.PublicKey(), m.notary.Sign)
	if err != nil || m.halted {
		return err
	}
	m.set(m.self, sealed, sealed.Incarnation, wire.Alive, nil, now)
	m.changed = now
	m.passOn(now, m.self, pendingRecord, 0)
	m.event(now, Changed, m.self)
	m.rest(now)
	return nil
}

// Leave says goodbye. The machine says nothing more once Take has given it.
func (m *Machine) Leave(now time.Duration) {
	if m.halted {
		return
	}
	m.refresh(now)
	claim, err := m.claim(m.self.inc, wire.Left)
	if err != nil {
		return
	}
	list := []fact{ // the record may not be out yet, and nobody can ask for it later
		{Entry: wire.Entry{Kind: wire.EntryRecord, Body: m.self.rec.Raw()}},
		{Entry: wire.Entry{Kind: wire.EntryClaim, Body: claim}},
	}
	m.sendFacts(m.observers, list, nil)
	for _, s := range m.subjects {
		if s.row.status == wire.Alive && !contains(m.observers, s.row) {
			m.sendFacts([]*row{s.row}, list, nil)
		}
	}
	for _, s := range m.seeds { // one that has let us join, and whose table is still under way
		if s.id != (node.ID{}) && m.rows[wire.Short(s.id)] == nil {
			for _, b := range pack(list, 0) {
				m.send(s.id, wire.KindNews, b)
			}
		}
	}
	m.set(m.self, m.self.rec, m.self.inc, wire.Left, claim, now)
	m.event(now, Parted, m.self)
	m.halted = true
}

func contains(list []*row, r *row) bool {
	for _, o := range list {
		if o == r {
			return true
		}
	}
	return false
}

func (m *Machine) claim(inc uint32, status wire.Status) ([]byte, error) {
	rec := m.self.rec
	c := wire.Claim{Short: m.self.short, Generation: rec.Generation, Incarnation: inc, Record: rec.Incarnation, Status: status}
	var err error
	if c.Signature, err = m.notary.Sign(c.Message(rec.ID)); err != nil {
		return nil, err
	}
	return c.Append(nil), nil
}

// outdateEvery is how often hard votes on us can make us say something new.
const outdateEvery = time.Minute

// outdate makes votes on us worthless that were sure but not enough: somebody may
// have kept them, to bring them forward another day.
func (m *Machine) outdate(now time.Duration) {
	if now-m.outdated >= outdateEvery {
		m.outdated = now
		_ = m.restate(now, m.self.inc, func(*wire.Record) {})
	}
}

// refute says that we live after somebody held us dead at an incarnation, at
// most once a second. That we were cut off says nothing about the others.
func (m *Machine) refute(now time.Duration, inc uint32) {
	if now-m.refuted < aside || inc < m.self.inc || inc >= wire.MaxIncarnation {
		return
	}
	claim, err := m.claim(inc+1, wire.Alive)
	if err != nil {
		return
	}
	m.refuted = now
	m.stats.Refutations++
	m.set(m.self, m.self.rec, inc+1, wire.Alive, claim, now)
	m.changed = now
	m.forgive(now)
	m.passOn(now, m.self, pendingProof, 0)
}

// onNotice answers who holds us dead.
func (m *Machine) onNotice(now time.Duration, p peer, payload []byte) error {
	n, err := wire.ParseNotice(payload)
	if err != nil {
		return err
	}
	if n.Generation > m.self.rec.Generation {
		m.wantFrom(now, p)
		m.want(now, m.self.short)
		return nil
	}
	if n.Generation == m.self.rec.Generation && n.Incarnation == m.self.inc {
		m.refute(now, n.Incarnation)
	}
	m.send(p.id, wire.KindNews, wire.AppendEntries(nil, m.self.entries(now)))
	return nil
}

// GiveWay ends the machine because a newer run with our key is there.
func (m *Machine) GiveWay(now time.Duration) {
	if !m.halted {
		m.event(now, Superseded, m.self)
		m.halted = true
	}
}

// learnMyself takes in a record with our own id and key that we did not write
// last. Of two runs the older ends.
func (m *Machine) learnMyself(now time.Duration, rec *wire.Record) {
	if rec.Generation > m.self.rec.Generation {
		m.GiveWay(now)
		return
	}
	// The same run and a higher incarnation: words of ours that we have
	// forgotten. Say the present ones again, above them.
	_ = m.restate(now, max(m.self.inc, rec.Incarnation), func(*wire.Record) {})
}
