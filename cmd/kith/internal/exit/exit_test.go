package exit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kith/cmd/kith/internal/exit"
)

func TestReport(t *testing.T) {
	inner := exit.Errorf(exit.NotFound, "see kith members", "no peer %q", "x")
	for _, c := range []struct {
		name string
		err  error
		code exit.Code
		want string
	}{
		{"nil", nil, exit.OK, ""},
		{"plain", errors.New("it broke"), exit.Failed, "kith: error: it broke\n"},
		{"with hint", inner, exit.NotFound, "kith: error: no peer \"x\"\nkith: hint: see kith members\n"},
		{"wrapped", fmt.Errorf("call: %w", inner), exit.NotFound, "kith: error: call: no peer \"x\"\nkith: hint: see kith members\n"},
		{"keeps its code", exit.With(inner, exit.Failed, "no"), exit.NotFound, "kith: error: no peer \"x\"\nkith: hint: see kith members\n"},
		{"several lines", errors.Join(errors.New("one"), errors.New("two")), exit.Failed, "kith: error: one\n  two\n"},
		{"deadline", fmt.Errorf("ping: %w", context.DeadlineExceeded), exit.Timeout, "kith: error: ping: context deadline exceeded\n"},
		{"interrupted", fmt.Errorf("ping: %w", context.Canceled), exit.Interrupted, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if code := exit.Report(&b, c.err); code != c.code {
				t.Errorf("Report(%v) = %d, want %d", c.err, code, c.code)
			}
			if b.String() != c.want {
				t.Errorf("Report(%v) wrote %q, want %q", c.err, b.String(), c.want)
			}
		})
	}
}
