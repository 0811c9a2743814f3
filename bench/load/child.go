package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// A Child measures a system that lives, with both of its ends, in a process
// built from other modules. We write an order a line; it answers each with a
// finding.
type Child struct {
	name string
	*process
}

type order struct {
	Case Case `json:"case"`
	Span Span `json:"span"`
}

type finding struct {
	Values      Values `json:"values,omitempty"`
	Err         string `json:"err,omitempty"`
	Unsupported bool   `json:"unsupported,omitempty"`
}

// StartChild runs the command, whose process calls Answer.
func StartChild(name string, cmd *exec.Cmd) (*Child, error) {
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	return &Child{name, p}, nil
}

// Name is the name of the system.
func (c *Child) Name() string { return c.name }

// Measure has the process do what the function of that name does.
func (c *Child) Measure(ctx context.Context, what Case, span Span) (Values, error) {
	if what.TwoProcesses {
		return nil, ErrUnsupported
	}
	stop := context.AfterFunc(ctx, func() { c.cmd.Process.Kill() })
	defer stop()
	if err := c.write(order{what, span}); err != nil {
		return nil, err
	}
	var f finding
	if err := c.read(&f); err != nil {
		return nil, err
	}
	switch {
	case f.Unsupported:
		return nil, ErrUnsupported
	case f.Err != "":
		return nil, fmt.Errorf("load: %s: %s", c.name, f.Err)
	}
	return f.Values, nil
}

// Answer measures what the orders on in ask for, until it ends.
func Answer(sys System, id *Identity, in io.Reader, out io.Writer) error {
	enc := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("load: order %.80q: %w", lines.Text(), err)
		}
		var f finding
		values, err := Measure(context.Background(), sys, id, o.Case, o.Span)
		switch {
		case err == nil:
			f.Values = values
		case errors.Is(err, ErrUnsupported):
			f.Unsupported = true
		default:
			f.Err = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("load: answer: %w", err)
		}
	}
	return nil
}
