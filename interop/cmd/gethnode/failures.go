package main

import (
	"context"
	"fmt"
	"log/slog"

	"kith/interop/puppet"
)

// failures makes events of the connections of which geth says in its log, and
// nowhere else, that they came to nothing.
type failures struct {
	actor *puppet.Actor
	peer  string
}

func (f *failures) Enabled(context.Context, slog.Level) bool { return true }

func (f *failures) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "Rejected peer", "Failed p2p handshake", "Failed RLPx handshake", "Dial error", "Wrong devp2p handshake identity":
	default:
		return nil
	}
	e := puppet.Event{Event: puppet.Failed, Peer: f.peer, Reason: puppet.NoReason, Why: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "id":
			e.Peer = fmt.Sprint(a.Value.Any())
		case "err":
			text := fmt.Sprint(a.Value.Any())
			e.Why += ": " + text
			e.Reason = reason(text)
		}
		return true
	})
	f.actor.Tell(e)
	return nil
}

func (f *failures) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *f
	for _, a := range attrs {
		if a.Key == "id" {
			with.peer = fmt.Sprint(a.Value.Any())
		}
	}
	return &with
}

func (f *failures) WithGroup(string) slog.Handler { return f }
