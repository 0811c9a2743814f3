package report

import (
	"strings"

	"kith/bench/load"
)

func openCase(name string) bool { return strings.HasPrefix(name, "rlp") }

func openMessage(name string) bool {
	return strings.HasPrefix(name, "rlpx/oneway/") || strings.HasPrefix(name, "rlpx/decoded/")
}
func openEcho(name string) bool { return strings.HasPrefix(name, "rlpx/echo/") }
func openIdle(name string) bool { return name == "rlpx/idle" }

func openWork(name string) bool {
	return openCase(name) && !openMessage(name) && !openEcho(name) && !openIdle(name)
}

// openTables are about open networks.
func (r *Report) openTables() []Table {
	to := func(them string, t Term, m load.Metric) string {
		if t.System == them {
			return "-"
		}
		return r.ratio(Term{t.System, t.Case, m}, Term{them, t.Case, m})
	}
	return []Table{
		r.grid("Open networks: CPU µs of both ends a message (messages/s)", "decoded: a list of a number and the payload, through Send and Decode", openMessage, r.costAndRate),
		r.grid("Open networks against geth: CPU, messages/s", "", openMessage, func(t Term) string {
			return to(geth, t, load.CPU) + ", x" + to(geth, t, load.Rate)
		}),
		r.grid("Open networks: allocations of both ends a message", "", openMessage, func(t Term) string { return r.value(t, load.Allocs) }),
		r.grid("Open networks: round trips, p50 / p99 µs (CPU µs; p50 to that of plain TCP)", "", openEcho, func(t Term) string {
			return r.pair(t, load.P50, load.P99) + " (" + r.value(t, load.CPU) + "; " + to(tcp, t, load.P50) + ")"
		}),
		r.idleTable(),
		r.grid("Open networks: CPU µs a piece of work (allocations)", "a handshake is both ends of one, in memory", openWork, func(t Term) string {
			return r.value(t, load.CPU) + " (" + r.value(t, load.Allocs) + ")"
		}),
		r.grid("Open networks: CPU of a piece of work, to geth's", "", openWork, func(t Term) string { return to(geth, t, load.CPU) }),
	}
}

func (r *Report) idleTable() Table {
	t := Table{
		Title: "Open networks: what one end of an idle connection takes",
		Note:  "with one protocol whose Run waits for a message; the Run's goroutine included",
		Head:  []string{"system", "heap bytes", "stack bytes", "goroutines"},
	}
	for _, s := range r.systems(openIdle) {
		for _, c := range r.cases(openIdle) {
			x := Term{System: s, Case: c}
			t.Rows = append(t.Rows, []string{s, r.number(x, load.Heap), r.number(x, load.Stack), r.value(x, load.Goroutines)})
		}
	}
	return t
}

// open is about p2p.Server over RLPx, what lies beneath it, and idle peers.
func open() []Target {
	var all []Target
	for _, row := range []struct {
		name string
		cpu  float64
	}{
		{"rlpx/oneway/256B", 0.35},
		{"rlpx/oneway/1KiB", 0.50},
		{"rlpx/oneway/16KiB", 0.90},
		{"rlpx/oneway/1MiB", 0.85},
		{load.Handshake, 0.70},
		{load.EncodeHeader, 0.70},
		{load.DecodeHeader, 0.70},
		{load.EncodeNeighbours, 0.70},
		{load.DecodeNeighbours, 0.70},
	} {
		all = append(all, against(row.name, load.CPU, kithRLPx, geth).most(row.cpu))
	}
	of := func(name string, m load.Metric, most float64) Target {
		return Target{Of: Term{kithRLPx, name, m}, Most: most}
	}
	return append(all,
		against("rlpx/oneway/256B", load.Rate, kithRLPx, geth).least(3),
		against("rlpx/echo/64B/1", load.P50, kithRLPx, tcp).most(1.6),
		of("rlpx/oneway/256B", load.Allocs, 1),
		of("rlpx/decoded/256B", load.Allocs, 3),
		of("rlpx/idle", load.Heap, 8192),
		of("rlpx/idle", load.Stack, 8192),
		of("rlpx/idle", load.Goroutines, 2),
	)
}
