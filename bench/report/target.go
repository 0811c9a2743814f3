package report

import (
	"fmt"

	"kith/bench/load"
)

// A Target is what Kith promises: a value, or its ratio to another, is at most
// or at least a bound.
type Target struct {
	Of Term `json:"of"`
	// Per is what Of is divided by. The zero Term means Of is taken as it is.
	Per Term `json:"per,omitzero"`
	// Most and Least are the bounds. Zero means none.
	Most  float64 `json:"most,omitempty"`
	Least float64 `json:"least,omitempty"`
	// Later tells that what it is about is not there yet: not to be measured is
	// no failure.
	Later bool `json:"later,omitempty"`
}

// String says the target in a line: "echo/64B/64 kith cpu_us / grpc <= 0.1".
func (t Target) String() string {
	s := fmt.Sprintf("%s %s %s", t.Of.Case, t.Of.System, t.Of.Metric)
	if t.Per != (Term{}) {
		s += " / " + t.Per.System
		if t.Per.Case != t.Of.Case {
			s += " " + t.Per.Case
		}
		if t.Per.Metric != t.Of.Metric {
			s += " " + string(t.Per.Metric)
		}
	}
	if t.Most != 0 {
		return fmt.Sprintf("%s <= %.3g", s, t.Most)
	}
	return fmt.Sprintf("%s >= %.3g", s, t.Least)
}

// A Finding is a target with what was measured.
type Finding struct {
	Target
	Value float64 `json:"value"`
	// State is "ok", "missed", "not measured", or "later" if that was expected.
	State string `json:"state"`
}

// The states of a Finding.
const (
	OK          = "ok"
	Missed      = "missed"
	NotMeasured = "not measured"
	Later       = "later"
)

// Check holds the report against the targets.
func (r *Report) Check(targets []Target) []Finding {
	var all []Finding
	for _, t := range targets {
		f := Finding{Target: t, State: OK}
		var found bool
		if t.Per == (Term{}) {
			f.Value, found = r.Median(t.Of)
		} else {
			f.Value, found = r.Ratio(t.Of, t.Per)
		}
		switch {
		case !found && t.Later:
			f.State = Later
		case !found:
			f.State = NotMeasured
		case t.Most != 0 && f.Value > t.Most, t.Least != 0 && f.Value < t.Least:
			f.State = Missed
		}
		all = append(all, f)
	}
	return all
}

// against makes a target out of one case and metric of two systems.
func against(name string, m load.Metric, us, them string) Target {
	return Target{Of: Term{us, name, m}, Per: Term{them, name, m}}
}

func (t Target) most(x float64) Target {
	t.Most = x
	return t
}

func (t Target) least(x float64) Target {
	t.Least = x
	return t
}
