package gossip

import (
	"time"

	"kith/gossip/internal/machine"
	"kith/node"
)

// An EventKind says what happened.
type EventKind uint8

// The kinds of event.
const (
	Joined     EventKind = iota // a node, or a new run of one, is a member
	Departed                    // it left, or made way for its next run
	Suspected                   // it is silent, or voted against
	Cleared                     // it is heard again
	Died                        // its observers convicted it
	Returned                    // it was held dead, and lives
	Changed                     // its addresses, ports or metadata changed
	Superseded                  // somebody newer runs with our key: we should end
)

var eventNames = [...]string{"joined", "left", "suspect", "cleared", "dead", "returned", "changed", "superseded"}

// String is one lower-case word.
func (k EventKind) String() string { return eventNames[k] }

// MarshalText writes what String does.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// An Event is one thing that happened to one member.
type Event struct {
	Kind       EventKind
	Time       time.Time
	ID         node.ID
	Generation uint64
	Name       string
	// Address is where others reach it first; empty if it does not know yet, or
	// cannot be reached.
	Address string
	// Restarted: Departed, because its next run is here.
	Restarted bool
	// Local: Died, but here only; see Member.
	Local bool
	// Votes are those of a verdict, or so far; Observers is how many could vote.
	Votes     []Vote
	Observers int
	// What we saw of it, if we observe it: how long it is silent, after how long
	// a vote becomes possible and sure, and how many messages asked for a sign of
	// life.
	Silence time.Duration
	Limits  [2]time.Duration
	Probes  int
	// Reached of Subjects is how many we hear of those that we observe: Died,
	// Local.
	Reached, Subjects int
	// Missed is how many events this reader lost just before this one.
	Missed int
}

func (e *engine) event(m *machine.Event) Event {
	ev := Event{
		Kind: EventKind(m.Kind), Time: e.began.Add(m.At), ID: m.Record.ID, Generation: m.Record.Generation, Name: m.Record.Name, Restarted: m.Restarted,
		Local: m.Local, Votes: votes(m.Votes), Observers: m.Observers, Silence: m.Silence, Limits: m.Limits, Probes: m.Probes,
		Reached: m.Reached, Subjects: m.Subjects,
	}
	if list := m.Record.Addresses; len(list) > 0 {
		ev.Address = list[0]
	}
	return ev
}

// tell writes an event to the log.
func (e *engine) tell(ev *Event) {
	if ev.ID == e.self && ev.Kind != Superseded {
		return
	}
	args := []any{"peer", ev.ID.Short(), "name", ev.Name, "what", ev.String()}
	switch ev.Kind {
	case Joined:
		e.log.Info("member joined", args...)
	case Departed:
		e.log.Info("member left", args...)
	case Returned:
		e.log.Info("member returned", args...)
	case Died:
		e.log.Warn("member dead", args...)
	case Superseded:
		e.log.Error("superseded by a newer run of this node", args...)
	default:
		e.log.Debug("member changed", args...)
	}
}
