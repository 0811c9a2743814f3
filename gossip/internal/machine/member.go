package machine

import (
	"math"
	"time"

	"kith/gossip/internal/wire"
)

// A State is how a member is shown.
type State uint8

// The states of a member.
const (
	Living State = iota
	Suspect
	Gone // dead by a verdict
	Away // left
)

// A Member is one row for those who look at the table.
type Member struct {
	Record      *wire.Record
	State       State
	Self        bool
	Local       bool // dead here only
	Incarnation uint32
	Phi         float64 // our own, else the highest in recent votes, else NaN
	Observed    bool    // Phi is our own
	Mean        time.Duration
	Since       time.Duration // when it came into this state, or its record changed
	Heard       time.Duration // when we heard it last; negative: never
	Patient     bool          // phi is halved after a wrong verdict
	Votes       []Voter
}

// Version changes whenever Members would show something else than before,
// except for times and phi.
func (m *Machine) Version() uint64 { return m.version }

// Count is how many members we hold alive, with us.
func (m *Machine) Count() int { return len(m.living) }

// Members lists us and everybody else who is alive, or was until a short while
// ago, in no order.
func (m *Machine) Members(now time.Duration) []Member {
	m.refresh(now)
	list := make([]Member, 0, len(m.living)+len(m.dead))
	for _, r := range m.rows {
		if !r.unlisted && r.status != 0 {
			list = append(list, m.member(now, r))
		}
	}
	return list
}

// Member is the row of one node, if it is listed.
func (m *Machine) Member(now time.Duration, id [32]byte) (Member, bool) {
	r := m.rows[wire.Short(id)]
	if r == nil || r.rec.ID != id || r.unlisted {
		return Member{}, false
	}
	m.refresh(now)
	return m.member(now, r), true
}

func (m *Machine) member(now time.Duration, r *row) Member {
	v := Member{
		Record: r.rec, Self: r == m.self, Local: r.local, Incarnation: r.inc,
		Phi: math.NaN(), Since: r.at, Heard: r.heard, Patient: now < r.patience,
	}
	switch {
	case r.status == wire.Left:
		v.State = Away
	case r.status == wire.Dead:
		v.State = Gone
		if d, err := wire.ParseVerdict(r.proof); err == nil && !r.local {
			v.Votes = m.voters(&d)
			for _, w := range v.Votes {
				v.Phi = max(w.Phi, nonNaN(v.Phi))
			}
		}
	case r.suspect:
		v.State = Suspect
		v.Votes = m.ballots(now, r)
	}
	if r.status == wire.Alive && now-r.topAt <= m.valid() {
		v.Phi = r.topPhi
	}
	if s := m.subject(r); s != nil {
		v.Phi, v.Observed, v.Mean = m.phi(now, s), true, s.win.Mean(&m.cfg.Rhythm)
		v.Heard = max(v.Heard, s.win.Heard())
	}
	return v
}

func nonNaN(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// Lookup returns the newest record of a node that is not dropped yet, living
// or dead, or nil.
func (m *Machine) Lookup(id [32]byte) *wire.Record {
	if r := m.rows[wire.Short(id)]; r != nil && r.rec.ID == id {
		return r.rec
	}
	return nil
}

// Partners are those with whom we want a standing session: our observers and
// our subjects.
func (m *Machine) Partners(now time.Duration) []*wire.Record {
	m.refresh(now)
	list := make([]*wire.Record, 0, 2*K)
	for _, r := range m.observers {
		list = append(list, r.rec)
	}
	for _, s := range m.subjects {
		if !contains(m.observers, s.row) {
			list = append(list, s.row.rec)
		}
	}
	return list
}
