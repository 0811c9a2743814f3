package interop

import (
	"testing"

	"kith/interop/puppet"
)

// full is the -max with which a node has room for one that dials it: geth keeps
// a place for those that it dials itself.
var full = map[kind]string{ours: "1", geth: "2", js: "1"}

// TestTooManyPeers has two nodes dial one that has room for one.
func TestTooManyPeers(t *testing.T) {
	for _, p := range ourPairs {
		t.Run(p.String(), func(t *testing.T) {
			a, c := start(t, p.dialer, 1), start(t, p.dialer, 1)
			b := start(t, p.target, 1, "-max", full[p.target])
			connect(a, b)
			c.order(puppet.Order{Do: "dial", Enode: b.urls[0]})
			reason(t, c, b, 4) // which geth tells before it has read our hello
			foobar(t, a, b)    // who was there first stays
		})
	}
}

// TestUselessPeer has nodes meet that share no protocol.
func TestUselessPeer(t *testing.T) {
	for _, p := range ourPairs {
		t.Run(p.String(), func(t *testing.T) {
			a, b := start(t, p.dialer, 1, "-protos", "one"), start(t, p.target, 1, "-protos", "other")
			a.order(puppet.Order{Do: "dial", Enode: b.urls[0]})
			for _, side := range [][2]*process{{a, b}, {b, a}} {
				// Each finds it out for itself, so the other's word may come too late.
				if e := ending(side[0], side[1]); e.Reason != 3 && (e.Reason != puppet.NoReason || p.dialer != js && p.target != js) {
					t.Errorf("%s saw reason %d (%s), want 3", side[0].kind, e.Reason, e.Why)
				}
			}
		})
	}
}

// TestQuitting has one node close: the other is told.
func TestQuitting(t *testing.T) {
	for _, p := range ourPairs {
		t.Run(p.String(), func(t *testing.T) {
			a, b := start(t, p.dialer, 1), start(t, p.target, 1)
			connect(a, b)
			b.order(puppet.Order{Do: "stop"})
			reason(t, a, b, 8)
		})
	}
}

// TestRunReturns has the Run of a protocol return: with an error, and without.
func TestRunReturns(t *testing.T) {
	for _, p := range ourPairs {
		if p.target == js { // has no Run
			continue
		}
		for text, want := range map[string]int{"nil": 8, "error": 0x10} {
			t.Run(p.String()+", "+text, func(t *testing.T) {
				a, b := start(t, p.dialer, 1), start(t, p.target, 1)
				connect(a, b)
				b.order(puppet.Order{Do: "fail", Peer: a.ids[0], Text: text})
				reason(t, a, b, want)
			})
		}
	}
}
