package live

import (
	"testing"

	"kith/gossip"
)

func TestSentencesBeginWithWhatHappened(t *testing.T) {
	for want, e := range map[string]gossip.Event{
		"member joined c (10.0.0.3:38080, generation 7)": {Kind: gossip.Joined, Name: "c", Generation: 7, Address: "10.0.0.3:38080"},
		"member joined c (no address yet, generation 7)": {Kind: gossip.Joined, Name: "c", Generation: 7},
		"member left c": {Kind: gossip.Departed, Name: "c"},
		"member dead c: by votes of nodes that are not known here": {Kind: gossip.Died, Name: "c"},
	} {
		if got := sentence(e); got != want {
			t.Errorf("sentence(%v) = %q, want %q", e.Kind, got, want)
		}
	}
}
