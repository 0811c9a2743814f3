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
	Others   load.Metric = "others"   // those of Packages that are not of the library's own module
	Modules  load.Metric = "modules"  // that these packages come from, beside its own
)

// A Program is a main package on one library.
type Program struct {
	// Name is that of the library.
	Name string
	// Dir is the directory of its module below that of bench, Package its main
	// package in there.
	Dir, Package string
	// Library is the module that the program is on. Empty: the standard library.
	Library string
}

// Programs lists what is weighed.
func Programs() []Program {
	return []Program{
		{"crypto/tls", ".", "./weight/programs/tls", ""},
		{"quic-go", ".", "./weight/programs/quic", "github.com/quic-go/quic-go"},
		{"grpc", ".", "./weight/programs/grpc", "google.golang.org/grpc"},
		{"nats.go", ".", "./weight/programs/nats", "github.com/nats-io/nats.go"},
		{"libp2p", "libp2p", "./weight", "github.com/libp2p/go-libp2p"},
		{"geth p2p", "geth", "./weight", "github.com/ethereum/go-ethereum"},
		{"kith/p2p", ".", "./weight/programs/p2p", "kith"},
		{"kith/cluster", ".", "./weight/programs/cluster", "kith"},
		{"cmd/kith", "..", "./cmd/kith", "kith"},
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
	n, err := count(out, p.Library)
	if err != nil {
		return nil, fmt.Errorf("weight: %s: %w", p.Name, err)
	}
	return load.Values{MB: float64(size) / 1e6, Packages: float64(n.packages), Others: float64(n.others), Modules: float64(n.modules)}, nil
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

// counts are of the packages beside std and the program, and of the modules
// beside that of the program.
type counts struct{ packages, others, modules int }

// count reads the output of go list -deps, whose last package is the program.
func count(list, library string) (n counts, err error) {
	modules := map[string]bool{}
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
			n.packages--
			n.modules = len(modules)
			return n, nil
		} else if err != nil {
			return n, err
		}
		if p.Standard {
			continue
		}
		n.packages++
		if m := p.Module; m != nil && !m.Main {
			modules[m.Path] = true
			if m.Path != library {
				n.others++
			}
		}
	}
}

func run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, exit.Stderr)
	}
	return string(out), err
}
