package load

import (
	"context"
	"os/exec"
)

// A Runner measures one system.
type Runner interface {
	Name() string
	Measure(ctx context.Context, c Case, span Span) (Values, error)
	Close() error
}

// Here measures a System in this process, and for the cases with two processes
// with the server in the one that Far makes. A nil Far cannot do those.
type Here struct {
	System
	Identity *Identity
	Far      func() *exec.Cmd
}

// Measure does what the function of that name does.
func (h Here) Measure(ctx context.Context, c Case, span Span) (Values, error) {
	sys := h.System
	if some, ok := sys.(Chooser); ok && !some.Does(c) {
		return nil, ErrUnsupported
	}
	if c.TwoProcesses {
		if h.Far == nil {
			return nil, ErrUnsupported
		}
		sys = Elsewhere{sys, h.Far}
	}
	return Measure(ctx, sys, h.Identity, c, span)
}

// Close has nothing to close.
func (h Here) Close() error { return nil }
