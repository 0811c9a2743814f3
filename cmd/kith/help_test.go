package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEveryHelpHasAnExample also sees that each example is a command line that
// parses.
func TestEveryHelpHasAnExample(t *testing.T) {
	parser, err := kong.New(new(cli), kong.Name("kith"))
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		_, example, found := strings.Cut(leaf.Detail, "Example:\n\n")
		if !found || !strings.Contains(example, leaf.FullPath()) {
			t.Errorf("%s --help has no example of itself", leaf.FullPath())
		}
		for line := range strings.SplitSeq(example, "\n") {
			line = strings.TrimSpace(line)
			line, _, _ = strings.Cut(line, " | ")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "kith" {
				continue
			}
			if _, err := parser.Parse(words[1:]); err != nil {
				t.Errorf("%s --help: example %q: %v", leaf.FullPath(), line, err)
			}
		}
	}
}

// TestLicensesAreKnown sees that version --licenses has no gap.
func TestLicensesAreKnown(t *testing.T) {
	_, _, deps := build()
	testsOnly := map[string]bool{
		"github.com/rogpeppe/go-internal": true, "go.uber.org/goleak": true,
		"golang.org/x/tools": true, "golang.org/x/mod": true, "pgregory.net/rapid": true,
	}
	for _, d := range deps {
		if licenses[d.Path] == "" && !testsOnly[d.Path] {
			t.Errorf("the licence of %s is not known", d.Path)
		}
	}
}
