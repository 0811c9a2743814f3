package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kith/bench/load"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
		ok     bool
	}{
		{nil, 0, false},
		{[]float64{7}, 7, true},
		{[]float64{9, 1, 5}, 5, true},
		{[]float64{8, 2, 4, 100}, 6, true},
	} {
		if got, ok := median(test.values); got != test.want || ok != test.ok {
			t.Errorf("median(%v) = %v, %v, want %v, %v", test.values, got, ok, test.want, test.ok)
		}
	}
}

// made is a report of two systems over three rounds, of which the second was
// twice as slow for both and the third has no value for the first system.
func made() *Report {
	result := func(system string, round int, cpu, rate float64) Result {
		return Result{System: system, Case: "echo/64B/64", Round: round, Values: load.Values{load.CPU: cpu, load.Rate: rate}}
	}
	return &Report{Command: "go run ./cmd/bench", About: []string{"A fact."}, Results: []Result{
		result("kith", 0, 2, 400), result("grpc", 0, 20, 50),
		result("kith", 1, 4, 200), result("grpc", 1, 40, 25),
		{System: "kith", Case: "echo/64B/64", Round: 2, Err: "it | hangs"},
		result("grpc", 2, 20, 50),
	}}
}

func TestRatioIsTakenWithinRounds(t *testing.T) {
	r := made()
	us, them := Term{"kith", "echo/64B/64", load.CPU}, Term{"grpc", "echo/64B/64", load.CPU}
	if got, ok := r.Ratio(us, them); !ok || got != 0.1 {
		t.Errorf("Ratio = %v, %v, want 0.1", got, ok)
	}
	if got, ok := r.Median(us); !ok || got != 3 {
		t.Errorf("Median = %v, %v, want 3", got, ok)
	}
	them.System = "nobody"
	if got, ok := r.Ratio(us, them); ok {
		t.Errorf("Ratio to nobody = %v, want none", got)
	}
}

func TestCheck(t *testing.T) {
	const name = "echo/64B/64"
	r := made()
	for _, test := range []struct {
		target Target
		want   string
	}{
		{against(name, load.CPU, "kith", "grpc").most(0.1), OK},
		{against(name, load.CPU, "kith", "grpc").most(0.09), Missed},
		{against(name, load.Rate, "kith", "grpc").least(8), OK},
		{against(name, load.Rate, "kith", "grpc").least(8.1), Missed},
		{Target{Of: Term{"kith", name, load.CPU}, Most: 3}, OK},
		{Target{Of: Term{"kith", name, load.CPU}, Most: 2.9}, Missed},
		{against(name, load.Rate, "kith", "nats").least(1), NotMeasured},
		{Target{Of: Term{"kith", name, load.Allocs}, Most: 2}, NotMeasured},
		{Target{Of: Term{"kith", name, load.Allocs}, Most: 2, Later: true}, Later},
		{Target{Of: Term{"kith", name, load.CPU}, Most: 2.9, Later: true}, Missed},
	} {
		if got := r.Check([]Target{test.target})[0]; got.State != test.want {
			t.Errorf("Check(%v) = %s at %v, want %s", test.target, got.State, got.Value, test.want)
		}
	}
}

func TestTargetsNameWhatIsMeasured(t *testing.T) {
	known := map[string]bool{"weight": true}
	for _, c := range load.Cases() {
		known[c.Name()] = true
		if c.Kind == load.Datagram {
			prefix := c.Name()[:strings.LastIndex(c.Name(), "/")]
			known[prefix+"/best"], known[prefix+"/kept"] = true, true
		}
	}
	seen := map[string]bool{}
	for _, target := range Targets() {
		if !known[target.Of.Case] || target.Per.Case != "" && !known[target.Per.Case] {
			t.Errorf("%v: no such case", target)
		}
		if (target.Most == 0) == (target.Least == 0) {
			t.Errorf("%v: want one bound", target)
		}
		if seen[target.String()] {
			t.Errorf("%v: twice", target)
		}
		seen[target.String()] = true
	}
}

func TestBest(t *testing.T) {
	row := func(name string, round int, rate, loss float64) Result {
		return Result{System: "quic", Case: "datagram/64B/" + name, Round: round, Values: load.Values{load.Rate: rate, load.Loss: loss}}
	}
	r := &Report{Results: Best([]Result{
		row("blast", 0, 500, 0.7), row("flight64", 0, 400, 0), row("flight1024", 0, 450, 0.01),
		row("blast", 1, 300, 0.9), row("flight64", 1, 400, 0.02),
		{System: "quic", Case: "datagram/64B/blast", Round: 2, Err: "gone"},
	}, "datagram/64B")}
	best := r.perRound(Term{"quic", "datagram/64B/best", load.Rate})
	if len(best) != 2 || best[0] != 500 || best[1] != 400 {
		t.Errorf("best = %v, want 500 and 400", best)
	}
	kept := r.perRound(Term{"quic", "datagram/64B/kept", load.Rate})
	if len(kept) != 1 || kept[0] != 450 {
		t.Errorf("kept = %v, want 450 in round 0", kept)
	}
	for _, table := range r.Tables() {
		for _, line := range table.Rows {
			if strings.Contains(line[0], "best") || strings.Contains(line[0], "kept") {
				t.Errorf("the tables show %s", line[0])
			}
		}
	}
}

// scripted is a Runner that notes its calls.
type scripted struct {
	name string
	log  *[]string
	err  error
}

func (s scripted) Name() string { return s.name }
func (s scripted) Close() error { return nil }

func (s scripted) Measure(_ context.Context, c load.Case, _ load.Span) (load.Values, error) {
	*s.log = append(*s.log, s.name)
	if s.err != nil {
		return nil, s.err
	}
	return load.Values{load.Rate: 1}, nil
}

func TestRoundsInterleave(t *testing.T) {
	var log []string
	p := Plan{
		Runners: []load.Runner{
			scripted{"a", &log, nil}, scripted{"b", &log, errors.New("broken")}, scripted{"c", &log, load.ErrUnsupported}, scripted{"d", &log, nil},
		},
		Cases:  []load.Case{{Kind: load.Echo, Size: 64}},
		Rounds: 3,
		Only:   regexp.MustCompile("echo/64B/1 [abc]"),
	}
	results := p.Run(t.Context())
	if want := []string{"a", "b", "c", "b", "a", "a", "b"}; !slices.Equal(log, want) {
		t.Errorf("order %v, want %v", log, want)
	}
	if len(results) != 6 {
		t.Errorf("%d results, want a and b in each round", len(results))
	}
	for _, r := range results {
		if (r.Err == "broken") != (r.System == "b") {
			t.Errorf("%s: Err = %q", r.System, r.Err)
		}
	}
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	r := made()
	r.Note = "## What is said about it\n"
	if err := r.Page(&b, Targets()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"    go run ./cmd/bench\n",
		"- A fact.\n",
		"## What is said about it\n",
		"| case | kith | grpc |\n|---|---|---|\n| echo/64B/64 | 3.00 (300) | 20.0 (50.0) |\n",
		"| case | kith |\n|---|---|\n| echo/64B/64 | 0.10, x8.00 |\n",
		"| echo/64B/64 kith cpu_us / grpc <= 0.1 | 0.1 | ok |\n",
		"| weight cmd/kith mb <= 30 | - | not measured |\n",
		"- echo/64B/64 kith: it | hangs\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "against NATS") {
		t.Error("the page has a table of ratios to a system that did not run")
	}
}

func TestJSONReadsBack(t *testing.T) {
	var b bytes.Buffer
	if err := made().JSON(&b, Targets()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  int
		Results []Result
		Targets []Finding
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != 1 || len(got.Results) != 6 || len(got.Targets) != len(Targets()) || got.Results[0].Values[load.CPU] != 2 {
		t.Errorf("JSON = %+v", got)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.054: "0.05", 3.14159: "3.14", 31.4: "31.4", 314.2: "314", 5000: "5000", 56789: "56.8k", 1.5e6: "1.50M"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %s, want %s", v, got, want)
		}
	}
}
