package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Measure starts both ends of a system, runs the case and closes them. It
// comes back within a bounded time, with an error if the system does not.
func Measure(ctx context.Context, sys System, id *Identity, c Case, span Span) (Values, error) {
	if _, open := sys.(Opener); open != c.Open {
		return nil, ErrUnsupported
	}
	span = span.of(c)
	ctx, cancel := context.WithTimeout(ctx, span.limit())
	defer cancel()
	runtime.GC() // what the last run has left is not this one's cost
	if c.Kind == Work || c.Kind == Idle {
		return alone(ctx, sys, c, span)
	}
	srv, err := sys.Serve(id)
	if err != nil {
		return nil, fmt.Errorf("load: serve %s: %w", sys.Name(), err)
	}
	client, err := sys.Dial(ctx, id, srv.Addr())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load: dial %s: %w", sys.Name(), err), bounded(srv.Close))
	}
	type outcome struct {
		values Values
		err    error
	}
	done := make(chan outcome, 1)
	go func() { // not waited for when the system does not heed its ctx
		values, err := run(ctx, c, span, srv, client)
		done <- outcome{values, err}
	}()
	var got outcome
	select {
	case got = <-done:
	case <-time.After(span.limit() + 5*time.Second):
		got.err = fmt.Errorf("load: %s hangs in %s", sys.Name(), c.Name())
	}
	return got.values, errors.Join(got.err, bounded(client.Close), bounded(srv.Close))
}

func run(ctx context.Context, c Case, span Span, srv Server, client Client) (Values, error) {
	switch c.Kind {
	case Echo:
		return echo(ctx, c, span, srv, client)
	case Mixed:
		return mixed(ctx, c, span, srv, client)
	case OneWay, Decoded:
		return oneway(ctx, c, span, srv, client)
	case Datagram:
		return datagram(ctx, c, span, srv, client)
	}
	return nil, fmt.Errorf("load: no such kind of load: %q", c.Kind)
}

// bounded gives a Close ten seconds.
func bounded(shut func() error) error {
	done := make(chan error, 1)
	go func() { done <- shut() }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		return errors.New("load: close hangs")
	}
}
