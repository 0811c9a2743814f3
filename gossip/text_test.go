package gossip

import (
	"testing"
	"time"

	"kith/node"
)

func TestEventsInWords(t *testing.T) {
	vote := func(name string, phi float64) Vote { return Vote{Name: name, Phi: phi, Hard: true} }
	for want, ev := range map[string]Event{
		"c joined (10.0.0.3:1, generation 7)":     {Kind: Joined, Name: "c", Generation: 7, Address: "10.0.0.3:1"},
		"c joined (no address yet, generation 7)": {Kind: Joined, Name: "c", Generation: 7},
		"c left": {Kind: Departed, Name: "c"},
		"c left: generation 7 made way for its next": {Kind: Departed, Name: "c", Generation: 7, Restarted: true},
		"c returned":                            {Kind: Returned, Name: "c"},
		"c cleared":                             {Kind: Cleared, Name: "c"},
		"c changed":                             {Kind: Changed, Name: "c"},
		"11111111 left":                         {Kind: Departed, ID: node.ID{}},
		"a superseded: a newer run has our key": {Kind: Superseded, Name: "a"},
		"c suspect: silent for 4.6 s (limit 6.0-8.0 s)": {Kind: Suspected, Name: "c", Silence: 4600 * time.Millisecond, Limits: [2]time.Duration{6 * time.Second, 8 * time.Second}},
		"c suspect: 2 of 5 observers hear nothing of it, here for 4.6 s (limit 6.0-8.0 s); b hears it": {
			Kind: Suspected, Name: "c", Observers: 5, Silence: 4600 * time.Millisecond, Limits: [2]time.Duration{6 * time.Second, 8 * time.Second},
			Votes: []Vote{vote("d", 6), vote("a", 6), {Name: "b", Deny: true}},
		},
		"c dead: 3 of 5 votes, phi 8.1-8.3, no answer to 20 probes; by d, a, f": {
			Kind: Died, Name: "c", Observers: 5, Probes: 20, Votes: []Vote{vote("d", 8.1), vote("a", 8.3), vote("f", 8.2)},
		},
		"c dead: by votes of nodes that are not known here":            {Kind: Died, Name: "c"},
		"c dead here only: I reach 0 of 2 peers, probably it is me":    {Kind: Died, Name: "c", Local: true, Subjects: 2},
		"c dead here only: I reach 3 of 5 peers":                       {Kind: Died, Name: "c", Local: true, Reached: 3, Subjects: 5},
		"c dead here only: silent for 8.1 s, and nobody else can tell": {Kind: Died, Name: "c", Local: true, Subjects: 1, Silence: 8100 * time.Millisecond},
	} {
		if got := ev.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
