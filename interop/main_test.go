package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// The implementations.
type kind string

const (
	ours kind = "kith"
	geth kind = "geth"
	js   kind = "ethereumjs"
)

var binaries string // where TestMain has put the nodes written in Go

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/...")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// command makes the process of a node, or skips the test for want of a tool.
func (k kind) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	switch k {
	case js:
		for _, tool := range []string{"node", "npm"} {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skip("SKIP ethereumjs: no " + tool)
			}
		}
		if err := install(); err != nil {
			t.Fatal(err)
		}
		return exec.Command("node", append([]string{"js/node.js"}, args...)...)
	case geth:
		return exec.Command(filepath.Join(binaries, "gethnode"), args...)
	}
	return exec.Command(filepath.Join(binaries, "kithnode"), args...)
}

// install fetches the packages of js/package-lock.json, unless they are there.
var install = sync.OnceValue(func() error {
	want, err := os.Stat("js/package-lock.json")
	if err != nil {
		return err
	}
	have, err := os.Stat("js/node_modules/.package-lock.json") // npm writes it last
	if err == nil && have.ModTime().After(want.ModTime()) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = "js"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
})
