package load

import (
	"context"
	"fmt"
	"sync/atomic"
)

// mixed measures one caller of small requests, first alone and then while
// streams carry bulk.
func mixed(ctx context.Context, c Case, span Span, srv Server, client Client) (Values, error) {
	puller, ok := client.(Puller)
	if !ok {
		return nil, ErrUnsupported
	}
	small := newCaller(0, c.Size)
	idle := newCrew(ctx)
	idle.start(1, func(int) error { return small.loop(idle, client) })
	if err := idle.sleep(span.Warm); err != nil {
		return nil, idle.quit(err)
	}
	if _, _, err := idle.measure(srv, func() error { return small.some(idle, span) }); err != nil {
		return nil, idle.quit(err)
	}
	if err := idle.stop(); err != nil {
		return nil, err
	}
	before := small.hist
	small.hist = Histogram{}

	crew := newCrew(ctx)
	var bulk atomic.Int64
	crew.start(1, func(int) error { return small.loop(crew, client) })
	crew.start(BulkStreams, func(i int) error { return pull(crew, puller, i, &bulk) })
	if err := crew.sleep(span.Warm); err != nil {
		return nil, crew.quit(err)
	}
	wall, used, err := crew.measure(srv, func() error { return small.some(crew, span) })
	if err != nil {
		return nil, crew.quit(err)
	}
	carried := bulk.Load()
	if err := crew.stop(); err != nil {
		return nil, err
	}
	if small.hist.Count() == 0 {
		return nil, fmt.Errorf("load: no small request ended within %v beside bulk", span.Time)
	}
	return cost(small.hist.Count(), wall, used).with(Values{
		IdleP50: micros(before.Quantile(0.50)),
		IdleP99: micros(before.Quantile(0.99)),
		P50:     micros(small.hist.Quantile(0.50)),
		P99:     micros(small.hist.Quantile(0.99)),
		Bulk:    float64(carried) / 1e6 / wall.Seconds(),
	}), nil
}

// some lets the span pass, and what it takes to note a request.
func (c *caller) some(crew *crew, span Span) error {
	first := c.done.Load()
	return crew.patient(span.Time, func() bool { return c.done.Load() > first+1 })
}

// pull asks for bulk until the crew stops and counts what comes while it is
// measured.
func pull(crew *crew, puller Puller, stream int, carried *atomic.Int64) error {
	for crew.phase.Load() != stopped {
		reply, err := puller.Pull(crew.ctx, stream)
		if err != nil {
			return fmt.Errorf("load: pull: %w", err)
		}
		if len(reply) != BulkSize {
			return fmt.Errorf("load: pull: %d bytes, want %d", len(reply), BulkSize)
		}
		if crew.phase.Load() == measuring {
			carried.Add(int64(len(reply)))
		}
	}
	return nil
}
