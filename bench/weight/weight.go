// Package weight builds a small program on each library, as a user would write
// it, and says how heavy it is.
//
// The programs are in programs/; [Programs] lists them and [Weigh] builds one
// with the go command.
package weight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kith/bench/load"
)

// Case is the name under which weights are reported.
const Case = "weight"

// What is weighed.
const (
	MB       load.Metric = "mb"       // size of the stripped binary, 10^6 bytes
	Packages load.Metric = "packages" // that it imports beside std and itself
	Modules  load.Metric = "modules"  // that these packages come from, beside its own
)

// A Program is a main package on one library.
type Program struct {
	// Name is that of the library.
	Name string
	// Dir is the directory of its module below that of bench, Package its main
	// package in there.
	Dir, Package string
}

// Programs lists what is weighed.
func Programs() []Program {
	return []Program{
		{"crypto/tls", ".", "./weight/programs/tls"},
		{"quic-go", ".", "./weight/programs/quic"},
		{"grpc", ".", "./weight/programs/grpc"},
		{"nats.go", ".", "./weight/programs/nats"},
		{"libp2p", "libp2p", "./weight"},
		{"kith/p2p, no transport", ".", "./weight/programs/p2p"},
		{"kith/cluster", ".", "./weight/programs/cluster"},
		{"cmd/kith", "..", "./cmd/kith"},
	}
}

// Weigh builds the program; bench is the directory of this module. It fails
// with load.ErrUnsupported where there is no such program.
func Weigh(ctx context.Context, bench string, p Program) (load.Values, error) {
	dir := filepath.Join(bench, p.Dir)
	if _, err := os.Stat(filepath.Join(dir, p.Package)); err != nil {
		return nil, load.ErrUnsupported
	}
	size, err := size(ctx, dir, p.Package)
	if err != nil {
		return nil, fmt.Errorf("weight: %s: %w", p.Name, err)
	}
	out, err := run(ctx, dir, "list", "-deps", "-json=ImportPath,Standard,Module", p.Package)
	if err != nil {
		return nil, fmt.Errorf("weight: %s: %w", p.Name, err)
	}
	packages, modules, err := count(out)
	if err != nil {
		return nil, fmt.Errorf("weight: %s: %w", p.Name, err)
	}
	return load.Values{MB: float64(size) / 1e6, Packages: float64(packages), Modules: float64(modules)}, nil
}

// size builds a package and tells the size of the stripped binary.
func size(ctx context.Context, dir, pkg string) (int64, error) {
	tmp, err := os.MkdirTemp("", "weight")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "program")
	if _, err := run(ctx, dir, "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg); err != nil {
		return 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// count reads the output of go list -deps: the packages beside std and the last
// one, which is the program, and the modules beside that of the program.
func count(list string) (packages, modules int, err error) {
	others := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(list)); ; {
		var p struct {
			ImportPath string
			Standard   bool
			Module     *struct {
				Path string
				Main bool
			}
		}
		if err := dec.Decode(&p); err == io.EOF {
			return packages - 1, len(others), nil
		} else if err != nil {
			return 0, 0, err
		}
		if p.Standard {
			continue
		}
		packages++
		if m := p.Module; m != nil && !m.Main {
			others[m.Path] = true
		}
	}
}

func run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	return string(out), err
}
