package main

import (
	"context"
	"log/slog"

	"kith/interop/puppet"
)

// refusals makes events of the connections that came in and came to nothing, of
// which a server says in its log alone.
type refusals struct{ actor *puppet.Actor }

func (r *refusals) Enabled(context.Context, slog.Level) bool { return true }

func (r *refusals) Handle(_ context.Context, rec slog.Record) error {
	if rec.Message != "refused" {
		return nil
	}
	rec.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			r.actor.Tell(puppet.Event{Event: puppet.Failed, Reason: reason(err), Why: err.Error()})
		}
		return true
	})
	return nil
}

func (r *refusals) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r *refusals) WithGroup(string) slog.Handler      { return r }
