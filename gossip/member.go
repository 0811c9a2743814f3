package gossip

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"kith/gossip/internal/machine"
	"kith/gossip/internal/wire"
	"kith/node"
)

// A State is how it is with a member.
type State uint8

// The states of a member.
const (
	Alive   State = iota
	Suspect       // silent, or voted against
	Dead          // convicted by its observers
	Left          // gone by its own will
)

var stateNames = [...]string{"alive", "suspect", "dead", "left"}

// String is "alive", "suspect", "dead" or "left".
func (s State) String() string { return stateNames[s] }

// MarshalText writes what String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Port is a service that a member offers: its number, its mode as the port
// package numbers them, and its name.
type Port = wire.Port

// A Member is what is known of one node. It is a snapshot; what its slices and
// maps hold is shared with other snapshots and must not be changed.
type Member struct {
	ID         node.ID
	Generation uint64
	Name       string
	Addresses  []string
	Version    [3]uint16
	Heartbeat  time.Duration
	Ports      []Port // by number
	Meta       map[string][]byte

	State State
	// Self tells that this is us.
	Self bool
	// Local tells that the node is dead here only: no other observer could be
	// asked, and nobody was told.
	Local bool
	// Incarnation grows with each record and refutation of the node.
	Incarnation uint32
	// Phi is how many of its usual intervals the node has been silent: measured
	// here if we observe it, else the highest that its observers told of late;
	// NaN if unknown. Observed tells that it is measured here, and Mean is the
	// usual interval then.
	Phi      float64
	Observed bool
	Mean     time.Duration
	// Since is when the node came into this state or last changed its record,
	// LastSeen when we last heard it ourselves; zero: never. We see ourselves now.
	Since, LastSeen time.Time
	// Patient tells that the node's phi counts half, for a wrong verdict of late.
	Patient bool
	// Votes are those of its observers, if it is in doubt or dead.
	Votes []Vote
}

// A Vote is what one observer said of a member in doubt.
type Vote struct {
	ID         node.ID
	Generation uint64
	Name       string
	Phi        float64
	// Hard tells that the observer is sure. Deny tells that it hears the member.
	Hard, Deny bool
}

// Members are we and everybody else who is there, or was until a short while
// ago, sorted by name and id. It is nil before Start.
func (g *Gossip) Members() []Member {
	e, err := g.running()
	if err != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.membersLocked()
}

// Member is one member of Members.
func (g *Gossip) Member(id node.ID) (Member, bool) {
	e, err := g.running()
	if err != nil {
		return Member{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	row, ok := e.m.Member(now, id)
	if !ok {
		return Member{}, false
	}
	return e.member(now, &row), true
}

// Self is our own row of Members; the zero Member before Start.
func (g *Gossip) Self() Member {
	e, err := g.running()
	if err != nil {
		return Member{}
	}
	m, _ := g.Member(e.self)
	return m
}

func (e *engine) membersLocked() []Member {
	now := e.now()
	rows := e.m.Members(now)
	list := make([]Member, len(rows))
	for i := range rows {
		list[i] = e.member(now, &rows[i])
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

func (e *engine) member(now time.Duration, v *machine.Member) Member {
	rec := v.Record
	m := Member{
		ID: rec.ID, Generation: rec.Generation, Name: rec.Name, Addresses: rec.Addresses, Version: rec.Version, Heartbeat: rec.Heartbeat,
		Ports: rec.Ports, Meta: rec.Meta, State: State(v.State), Self: v.Self, Local: v.Local, Incarnation: v.Incarnation,
		Phi: v.Phi, Observed: v.Observed, Mean: v.Mean, Since: e.began.Add(v.Since), Patient: v.Patient, Votes: votes(v.Votes),
	}
	if v.Self {
		v.Heard = now
	}
	if v.Heard >= 0 {
		m.LastSeen = e.began.Add(v.Heard)
	}
	return m
}

// Ref names this run of the member.
func (m *Member) Ref() node.Ref { return node.Ref{ID: m.ID, Generation: m.Generation} }

func votes(list []machine.Voter) []Vote {
	if len(list) == 0 {
		return nil
	}
	out := make([]Vote, len(list))
	for i, v := range list {
		out[i] = Vote{v.Ref.ID, v.Ref.Generation, v.Name, v.Phi, v.Hard, v.Deny}
	}
	return out
}

func sortedPorts(list []Port) []Port {
	return slices.SortedFunc(slices.Values(list), func(a, b Port) int { return cmp.Compare(a.Number, b.Number) })
}

func cloneMeta(meta map[string][]byte) map[string][]byte {
	out := maps.Clone(meta)
	for k, v := range out {
		out[k] = bytes.Clone(v)
	}
	return out
}
