package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kith/bench/load"
)

// A child is a system whose requirements exclude those of others, so that it is a
// module and a process of its own.
type child struct {
	name, dir string
	env       []string // of its build
	open      bool     // an Opener
	works     []string // if it does but this; empty: all
}

// children lists them. geth is measured without cgo, as Kith is; its handshake,
// for which cgo makes a difference, with it too.
func children() []child {
	all := []child{
		{name: "libp2p", dir: "libp2p"},
		{name: "geth", dir: "geth", env: []string{"CGO_ENABLED=0"}, open: true},
	}
	if _, err := exec.LookPath("gcc"); err == nil {
		all = append(all, child{name: "geth cgo", dir: "geth", env: []string{"CGO_ENABLED=1"}, open: true, works: []string{load.Handshake}})
	}
	return all
}

func (c child) start(ctx context.Context, tmp string) (load.Runner, error) {
	file := filepath.Join(tmp, strings.ReplaceAll(c.name, " ", "-"))
	cmd := exec.CommandContext(ctx, "go", "build", "-C", c.dir, "-o", file, ".")
	cmd.Env = append(os.Environ(), c.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s (run bench in its directory): %w: %s", c.name, err, out)
	}
	run, err := load.StartChild(c.name, exec.Command(file))
	if err != nil || len(c.works) == 0 {
		return run, err
	}
	return only{run, c.works}, nil
}

// only does some cases of a Runner's.
type only struct {
	load.Runner
	works []string
}

func (o only) Measure(ctx context.Context, c load.Case, span load.Span) (load.Values, error) {
	for _, work := range o.works {
		if c.Work == work {
			return o.Runner.Measure(ctx, c, span)
		}
	}
	return nil, load.ErrUnsupported
}
