package report

import (
	"slices"

	"kith/bench/load"
)

// A Report is what a run has found.
type Report struct {
	// Command made it.
	Command string `json:"command"`
	// About describes the machine and the versions, one fact an entry.
	About []string `json:"about"`
	// Note is what there is to say about the findings, as Markdown for the page.
	Note    string   `json:"-"`
	Results []Result `json:"results"`
}

// A Term is one value of one system in one case.
type Term struct {
	System string      `json:"system"`
	Case   string      `json:"case"`
	Metric load.Metric `json:"metric"`
}

// Median is the median of a term over the rounds, and whether there is one.
func (r *Report) Median(t Term) (float64, bool) {
	var values []float64
	for _, v := range r.perRound(t) {
		values = append(values, v)
	}
	return median(values)
}

// Ratio is the median of a over b, taken in each round that has both.
func (r *Report) Ratio(a, b Term) (float64, bool) {
	below := r.perRound(b)
	var values []float64
	for round, v := range r.perRound(a) {
		if w := below[round]; w != 0 {
			values = append(values, v/w)
		}
	}
	return median(values)
}

func (r *Report) perRound(t Term) map[int]float64 {
	found := map[int]float64{}
	for _, res := range r.Results {
		if res.System != t.System || res.Case != t.Case {
			continue
		}
		if v, ok := res.Values[t.Metric]; ok {
			found[res.Round] = v
		}
	}
	return found
}

// Errors lists what went wrong, each once.
func (r *Report) Errors() []string {
	var all []string
	for _, res := range r.Results {
		line := res.Case + " " + res.System + ": " + res.Err
		if res.Err != "" && !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// systems lists those that have values in a case, in the order of the results
// of the first round, which is that of the plan.
func (r *Report) systems(in func(name string) bool) []string {
	var names []string
	for _, res := range r.Results {
		if res.Err == "" && in(res.Case) && !slices.Contains(names, res.System) {
			names = append(names, res.System)
		}
	}
	return names
}

// cases lists the cases with values for which in holds, in order.
func (r *Report) cases(in func(name string) bool) []string {
	var names []string
	for _, res := range r.Results {
		if res.Err == "" && in(res.Case) && !slices.Contains(names, res.Case) {
			names = append(names, res.Case)
		}
	}
	return names
}

// median of no values is nothing; of an even number, the mean of the two in the
// middle.
func median(values []float64) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2, true
}
