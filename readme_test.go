package kith_test

import (
	"os"
	"strings"
	"testing"
)

// The README's program is one that compiles.
func TestReadmeProgramIsAnExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("cluster/readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no Go program")
	}
	if !strings.Contains(unindent(string(example)), unindent(program)) {
		t.Errorf("cluster/readme_test.go does not have the README's program:\n%s", program)
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
