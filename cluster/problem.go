package cluster

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Problem is one thing that is wrong, or odd, in a configuration.
type Problem struct {
	// Origin is the Name of the layer; empty for FromJSON.
	Origin string
	// Line counts from 1; 0 means no line in particular, as for a missing key.
	Line int
	// Key is as the configuration wrote it, a place within it after that:
	// "serve[0].port". Empty if the problem is not about a key.
	Key string
	// Value is the start of what stands there, on one line. Empty if nothing does.
	Value string
	// Rule is what must be instead.
	Rule string
}

// String is "origin: line 4: phi_threshold: 99: must be a number from 1 to 50",
// without the parts that are empty.
func (p Problem) String() string {
	var parts []string
	if p.Origin != "" {
		parts = append(parts, p.Origin)
	}
	if p.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d", p.Line))
	}
	for _, s := range []string{p.Key, p.Value, p.Rule} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// A ConfigError lists everything that is wrong with a configuration, in the
// order of its lines, then what is missing.
type ConfigError struct{ Problems []Problem }

// A file that is not meant for us at all would fill the screen, and then the
// memory.
const (
	maxShown    = 100  // problems that are written out
	maxProblems = 1000 // then nobody looks for more
)

// Error is one line for one problem, otherwise a line each.
func (e *ConfigError) Error() string {
	if len(e.Problems) == 1 {
		return "cluster: config: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: config: %d problems:", len(e.Problems))
	for i, p := range e.Problems {
		if i == maxShown {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Problems)-i)
			break
		}
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// excerpt is the start of a value, printable and on one line.
func excerpt(raw []byte) string {
	const most = 60
	var b strings.Builder
	n := 0
	for _, r := range string(raw[:min(len(raw), 4*most)]) {
		if n++; n > most {
			return b.String() + "…"
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// meant is the key that an unknown one was probably meant to be, or "".
func meant(unknown string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.Map(func(r rune) rune {
			if strings.ContainsRune("_-. \ufeff", r) {
				return -1
			}
			return r
		}, s))
	}
	unknown = plain(unknown)
	best, most := "", 1000
	for _, k := range Keys() {
		if len(unknown) > 2*len(k.Name) {
			continue
		}
		if d := distance(unknown, plain(k.Name)); d < most {
			best, most = k.Name, d
		}
	}
	if most > max(1, len(unknown)/3) {
		return ""
	}
	return best
}

// distance is Levenshtein's, between texts of which the longer counts no more
// than 64 bytes.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

func byLine(a, b Problem) int {
	late := func(line int) int { // those without a line come last
		if line == 0 {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(late(a.Line), late(b.Line)), cmp.Compare(a.Line, b.Line))
}
