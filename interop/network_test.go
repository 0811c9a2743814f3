package interop

import (
	"math/rand/v2"
	"testing"

	"kith/interop/puppet"
)

// A place is one node of one process.
type place struct {
	p *process
	n int
}

func (a place) url() string { return a.p.urls[a.n] }
func (a place) id() string  { return a.p.ids[a.n] }

// TestOneNetwork makes a network of a hundred of our nodes and thirty of geth's,
// in a ring with two chords from each, and has news go round it.
func TestOneNetwork(t *testing.T) {
	const ourNodes, gethNodes, chords = 100, 30, 2
	rng := rand.New(rand.NewPCG(1, 2))
	all := places(start(t, ours, ourNodes, "-listen", "127.0.1.1"), start(t, geth, gethNodes, "-listen", "127.0.2.1"))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	type edge struct{ from, to int }
	edges := make(map[edge]bool)
	for i := range all {
		for j := range chords + 1 {
			to := (i + 1) % len(all)
			if j > 0 {
				to = rng.IntN(len(all))
			}
			if to != i && !edges[edge{i, to}] && !edges[edge{to, i}] {
				edges[edge{i, to}] = true
				all[i].p.order(puppet.Order{Do: "dial", Node: all[i].n, Enode: all[to].url()})
			}
		}
	}
	for e := range edges {
		a, b := all[e.from], all[e.to]
		a.p.await("connection", puppet.Event{Event: puppet.Runs, Node: a.n, Peer: b.id(), Proto: puppet.Flood})
		b.p.await("connection", puppet.Event{Event: puppet.Runs, Node: b.n, Peer: a.id(), Proto: puppet.Flood})
	}
	for i, text := range []string{"first", "second"} {
		from := all[i]
		from.p.order(puppet.Order{Do: "flood", Node: from.n, Text: text})
		for _, a := range all {
			a.p.await(text, puppet.Event{Event: puppet.Flooded, Node: a.n, Text: text})
		}
	}
}

func places(processes ...*process) []place {
	var all []place
	for _, p := range processes {
		for n := range p.urls {
			all = append(all, place{p, n})
		}
	}
	return all
}
