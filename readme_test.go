package kith_test

import (
	"os"
	"strings"
	"testing"
)

// The programs in the documents are taken from files that compile, and as a rule
// run, as examples or tests.
func TestProgramsInTheDocumentsCompile(t *testing.T) {
	var code strings.Builder
	for _, name := range []string{"cluster/readme_test.go", "open_example_test.go", "testdata/seed/main.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(unindent(string(text)))
	}
	for _, name := range []string{"README.md", "docs/OPEN-NETWORKS.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		programs := strings.Split(string(text), "```go\n")[1:]
		if len(programs) == 0 {
			t.Errorf("%s has no Go program", name)
		}
		for _, p := range programs {
			p, _, _ = strings.Cut(p, "```")
			if !strings.Contains(code.String(), unindent(p)) {
				t.Errorf("%s has a program that is in no file:\n%s", name, p)
			}
		}
	}
}

func unindent(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

// The README's first two commands are the demo and the tests.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "# Kith\n\n```\ngo run ./cmd/kith demo\ngo test ./...\n```\n"; !strings.HasPrefix(string(readme), want) {
		t.Errorf("the README does not begin with %q", want)
	}
}
