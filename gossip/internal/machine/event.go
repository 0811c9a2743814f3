package machine

import (
	"slices"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// An EventKind says what happened.
type EventKind uint8

// The kinds of event.
const (
	Joined     EventKind = iota // a node, or a new run of one, is a member
	Parted                      // it left, or made way for its next run
	Suspected                   // it is silent; votes may follow
	Cleared                     // it is heard again, or nobody votes any more
	Died                        // it was convicted
	Returned                    // it refuted its verdict
	Changed                     // it has a new record
	Superseded                  // somebody newer runs with our key: we must end
)

// An Event is one thing that happened to one member.
type Event struct {
	Kind   EventKind
	At     time.Duration
	Record *wire.Record // of the member, as it was known then

	Restarted bool // Parted: it made way for its next run
	Local     bool // Died: here only
	Votes     []Voter
	Observers int // Died: how many there are

	// What we saw of it ourselves, if it is our subject; else 0.
	Silence time.Duration
	Limits  [2]time.Duration // the silences after which votes become possible, and hard
	Probes  int              // messages that asked for a sign of life
	// Died, local: how many of our subjects we hear.
	Reached, Subjects int
}

// A Voter is an observer with its vote.
type Voter struct {
	Ref  node.Ref
	Name string
	Phi  float64
	Hard bool
	Deny bool // it hears the member
}

func voterOf(r *row, v *wire.Vote) Voter {
	return Voter{Ref: r.ref(), Name: r.rec.Name, Phi: float64(v.Phi) / 100, Hard: v.Hard}
}

// voters lists who voted in a verdict, as far as we know them.
func (m *Machine) voters(v *wire.Verdict) (list []Voter) {
	for i := range v.Votes {
		if r := m.rows[v.Votes[i].Observer]; r != nil {
			vote := v.Vote(&v.Votes[i])
			list = append(list, voterOf(r, &vote))
		}
	}
	return list
}

// ballots lists who voted in a box of late.
func (m *Machine) ballots(now time.Duration, r *row) (list []Voter) {
	b := m.boxes[r.short]
	if b == nil {
		return nil
	}
	for i := range b.votes {
		if v := &b.votes[i]; now-v.at <= m.valid() {
			w := voterOf(v.voter, &v.vote)
			w.Deny = !v.dead
			list = append(list, w)
		}
	}
	return list
}

func (m *Machine) eventAbout(now time.Duration, kind EventKind, r *row) Event {
	return Event{Kind: kind, At: now, Record: r.rec}
}

func (m *Machine) event(now time.Duration, kind EventKind, r *row) {
	m.emit(m.eventAbout(now, kind, r))
}

func (m *Machine) emit(e Event) {
	m.version++
	m.events = append(m.events, e)
}

// suspect notes that r is in doubt.
func (m *Machine) suspect(now time.Duration, r *row) {
	if r.suspect || r.status != wire.Alive {
		return
	}
	r.suspect = true
	m.suspects = append(m.suspects, r)
	e := m.eventAbout(now, Suspected, r)
	e.Votes = m.ballots(now, r)
	e.Observers = len(m.observersOf(r))
	if s := m.subject(r); s != nil {
		mean := float64(s.win.Mean(&m.cfg.Rhythm)) * m.cfg.Threshold
		if now < r.patience {
			mean *= 2
		}
		e.Silence = s.win.Silence(now)
		e.Limits = [2]time.Duration{time.Duration(0.75 * mean), time.Duration(mean)}
	}
	m.emit(e)
}

// settleSuspects clears those in doubt that are heard again.
func (m *Machine) settleSuspects(now time.Duration) {
	m.suspects = slices.DeleteFunc(m.suspects, func(r *row) bool {
		if !r.suspect || r.status != wire.Alive {
			return true
		}
		if s := m.subject(r); s != nil && s.rounds > 0 || now-r.topAt <= m.valid() {
			return false
		}
		m.forget(r)
		m.event(now, Cleared, r)
		return true
	})
}
