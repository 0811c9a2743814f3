package report

import (
	"fmt"
	"slices"
	"strings"

	"kith/bench/load"
	"kith/bench/weight"
)

func requestCase(name string) bool { return strings.Contains(name, "echo/") && !openCase(name) }
func mixedCase(name string) bool   { return strings.HasPrefix(name, "mixed/") }
func oneWayCase(name string) bool  { return strings.HasPrefix(name, "oneway/") }
func weightCase(name string) bool  { return name == weight.Case }

func datagramCase(name string) bool {
	return strings.HasPrefix(name, "datagram/") && !strings.HasSuffix(name, "/best") && !strings.HasSuffix(name, "/kept")
}

// Tables shows what was measured; groups without results are left out.
func (r *Report) Tables() []Table {
	to := func(them string, t Term, m load.Metric) string {
		if t.System == them {
			return "-"
		}
		return r.ratio(Term{t.System, t.Case, m}, Term{them, t.Case, m})
	}
	times := func(them string, t Term) string { return "x" + to(them, t, load.Rate) }
	all := []Table{
		r.grid("Requests: CPU µs of both ends (requests/s)", "", requestCase, r.costAndRate),
		r.grid("Requests against gRPC: CPU, requests/s", "less CPU and more requests are better", requestCase, func(t Term) string {
			return to(grpc, t, load.CPU) + ", " + times(grpc, t)
		}),
		r.grid("Requests against NATS: CPU, requests/s", "", requestCase, func(t Term) string {
			return to(nats, t, load.CPU) + ", " + times(nats, t)
		}),
		r.grid("Requests: latency, p50 / p99 µs", "", requestCase, func(t Term) string {
			return r.pair(t, load.P50, load.P99)
		}),
		r.grid("Requests: allocations of both ends", "the broker's included", requestCase, func(t Term) string {
			return r.value(t, load.Allocs)
		}),
		r.mixedTable(),
		r.grid("One way: messages/s with a handler call each (CPU µs)", "", oneWayCase, func(t Term) string {
			return r.value(t, load.Rate) + " (" + r.value(t, load.CPU) + ")"
		}),
		r.grid("One way against gRPC: messages/s", "", oneWayCase, func(t Term) string { return times(grpc, t) }),
		r.grid("One way against NATS: messages/s", "", oneWayCase, func(t Term) string { return times(nats, t) }),
		r.grid("Datagrams delivered a second (loss)", "blast: as fast as the sender can; flight N: at most N under way", datagramCase, r.rateAndLoss),
	}
	all = append(append(all, r.openTables()...), r.weightTable())
	var shown []Table
	for _, t := range all {
		if len(t.Rows) > 0 {
			shown = append(shown, t)
		}
	}
	return shown
}

// grid has a row for each case and a column for each system, without those that
// have nothing to show.
func (r *Report) grid(title, note string, in func(string) bool, cell func(Term) string) Table {
	t := Table{Title: title, Note: note, Head: []string{"case"}}
	names := r.cases(in)
	rows := make([][]string, len(names))
	for _, s := range r.systems(in) {
		column := make([]string, len(names))
		for i, c := range names {
			column[i] = tidy(cell(Term{System: s, Case: c}))
		}
		if !blank(column) {
			t.Head = append(t.Head, s)
			for i, text := range column {
				rows[i] = append(rows[i], text)
			}
		}
	}
	for i, row := range rows {
		if !blank(row) {
			t.Rows = append(t.Rows, append([]string{names[i]}, row...))
		}
	}
	return t
}

func blank(cells []string) bool {
	return !slices.ContainsFunc(cells, func(c string) bool { return c != "-" })
}

// tidy makes one dash of a cell in which nothing was measured.
func tidy(cell string) string {
	if strings.Trim(cell, "-x,()/ %") == "" {
		return "-"
	}
	return cell
}

func (r *Report) mixedTable() Table {
	t := Table{
		Title: "Mixed load: 64 B requests while four streams carry replies of 1 MiB",
		Note:  "p50 / p99 µs of the small requests",
		Head:  []string{"system", "idle", "busy", "busy p50 to idle", "bulk MB/s", "p99 to gRPC's", "bulk to gRPC's"},
	}
	for _, s := range r.systems(mixedCase) {
		for _, c := range r.cases(mixedCase) {
			x := Term{System: s, Case: c}
			t.Rows = append(t.Rows, []string{
				s, r.pair(x, load.IdleP50, load.IdleP99), r.pair(x, load.P50, load.P99),
				r.ratio(Term{s, c, load.P50}, Term{s, c, load.IdleP50}), r.value(x, load.Bulk),
				r.ratio(Term{s, c, load.P99}, Term{grpc, c, load.P99}), r.ratio(Term{s, c, load.Bulk}, Term{grpc, c, load.Bulk}),
			})
		}
	}
	return t
}

func (r *Report) weightTable() Table {
	t := Table{
		Title: "Weight of a small program",
		Note:  "stripped binary without cgo; packages beside the standard library and the program itself, and those of them that are not of the library itself; the modules these come from",
		Head:  []string{"on", "MB", "packages", "of others", "modules"},
	}
	for _, s := range r.systems(weightCase) {
		x := Term{System: s, Case: weight.Case}
		t.Rows = append(t.Rows, []string{s, r.value(x, weight.MB), r.number(x, weight.Packages), r.number(x, weight.Others), r.number(x, weight.Modules)})
	}
	return t
}

func (r *Report) costAndRate(t Term) string {
	return r.value(t, load.CPU) + " (" + r.value(t, load.Rate) + ")"
}

func (r *Report) rateAndLoss(t Term) string {
	t.Metric = load.Loss
	loss, ok := r.Median(t)
	if !ok {
		return "-"
	}
	return r.value(t, load.Rate) + " (" + digits(100*loss) + " %)"
}

func (r *Report) value(t Term, m load.Metric) string {
	t.Metric = m
	v, ok := r.Median(t)
	if !ok {
		return "-"
	}
	return short(v)
}

// number is the value of what can be counted.
func (r *Report) number(t Term, m load.Metric) string {
	t.Metric = m
	v, ok := r.Median(t)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.0f", v)
}

func (r *Report) pair(t Term, a, b load.Metric) string {
	return r.value(t, a) + " / " + r.value(t, b)
}

func (r *Report) ratio(a, b Term) string {
	v, ok := r.Ratio(a, b)
	if !ok {
		return "-"
	}
	return digits(v)
}

// CheckTable shows findings.
func CheckTable(findings []Finding) Table {
	t := Table{
		Title: "Targets",
		Note:  "case, system, metric / what it is divided by; CPU and allocations of both ends",
		Head:  []string{"target", "measured", ""},
	}
	for _, f := range findings {
		value := "-"
		if f.State == OK || f.State == Missed {
			value = fmt.Sprintf("%.3g", f.Value)
		}
		t.Rows = append(t.Rows, []string{f.String(), value, f.State})
	}
	return t
}
