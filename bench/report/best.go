package report

import (
	"strings"

	"kith/bench/load"
)

// mayLose is the loss that a system may have and still count as delivering.
const mayLose = 0.01

// Best adds, for each round, what each system delivers at best among the cases
// that start with the prefix: case "PREFIX/best" over all of them, "PREFIX/kept"
// over those that lost at most a hundredth. It returns results with the new ones.
func Best(results []Result, prefix string) []Result {
	type key struct {
		system, name string
		round        int
	}
	top := map[key]Result{}
	var order []key
	raise := func(name string, r Result) {
		k := key{r.System, name, r.Round}
		have, ok := top[k]
		if !ok {
			order = append(order, k)
		}
		if !ok || r.Values[load.Rate] > have.Values[load.Rate] {
			r.Case = name
			top[k] = r
		}
	}
	for _, r := range results {
		if r.Err != "" || !strings.HasPrefix(r.Case, prefix+"/") {
			continue
		}
		raise(prefix+"/best", r)
		if r.Values[load.Loss] <= mayLose {
			raise(prefix+"/kept", r)
		}
	}
	for _, k := range order {
		results = append(results, top[k])
	}
	return results
}
