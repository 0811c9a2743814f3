// Package report runs systems side by side and says how they compare.
//
// [Rounds] measures every case of every system once a round, so that what slows
// the machine down for a while slows all of them. A [Report] holds the results;
// its values are medians over rounds, and its ratios are medians of the ratios
// within each round. [Report.Tables] shows them, [Report.Check] holds them
// against [Targets].
package report

import (
	"context"
	"errors"
	"regexp"

	"kith/bench/load"
)

// A Result is what one system did in one case of one round.
type Result struct {
	System string      `json:"system"`
	Case   string      `json:"case"`
	Round  int         `json:"round"`
	Values load.Values `json:"values,omitempty"`
	// Err says why there are no values. Empty means there are.
	Err string `json:"err,omitempty"`
}

// A Plan is what Rounds does.
type Plan struct {
	Runners []load.Runner
	Cases   []load.Case
	Rounds  int
	Span    load.Span
	// Only picks what is run by its "case system". Nil means everything.
	Only *regexp.Regexp
	// Did is told each result. Nil tells nobody.
	Did func(Result)
}

// Run measures until the plan is done or ctx ends. What a system cannot do at
// all is left out; what went wrong is a Result with its Err.
func (p Plan) Run(ctx context.Context) []Result {
	var all []Result
	unsupported := map[string]bool{}
	for round := range p.Rounds {
		for _, c := range p.Cases {
			for i := range p.Runners {
				r := p.Runners[(i+round)%len(p.Runners)] // nobody always goes first
				what := c.Name() + " " + r.Name()
				if ctx.Err() != nil || unsupported[what] || p.Only != nil && !p.Only.MatchString(what) {
					continue
				}
				values, err := r.Measure(ctx, c, p.Span)
				if errors.Is(err, load.ErrUnsupported) {
					unsupported[what] = true
					continue
				}
				result := Result{System: r.Name(), Case: c.Name(), Round: round, Values: values}
				if err != nil {
					result.Values, result.Err = nil, err.Error()
				}
				if p.Did != nil {
					p.Did(result)
				}
				all = append(all, result)
			}
		}
	}
	return all
}
