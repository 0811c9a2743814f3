package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// settle is how long what is under way may take to arrive once nothing more is
// sent.
const settle = 15 * time.Second

// oneway measures messages without a reply: one sender, a handler call each.
func oneway(ctx context.Context, c Case, span Span, srv Server, client Client) (Values, error) {
	sender, ok := client.(OneWayer)
	if !ok {
		return nil, ErrUnsupported
	}
	send := func(ctx context.Context, _ uint64, payload []byte) error { return sender.OneWay(ctx, payload) }
	if c.Kind == Decoded {
		valuer, ok := client.(Valuer)
		if !ok {
			return nil, ErrUnsupported
		}
		send = valuer.Value
	}
	gate := int64(1) << 62
	if gated, ok := client.(Gated); ok {
		gate = max(1, int64(gated.Gate()/c.Size))
	}
	crew := newCrew(ctx)
	var sent atomic.Int64
	crew.start(1, func(int) error {
		payload := noise(c.Size, 1)
		for n := int64(1); crew.phase.Load() != stopped; n++ {
			for n-srv.Delivered() > gate && crew.ctx.Err() == nil {
				srv.Until(n-gate+gate/2, patience)
			}
			if err := send(crew.ctx, uint64(n), payload); err != nil {
				return fmt.Errorf("load: one way: %w", err)
			}
			sent.Store(n)
		}
		return sender.Flush()
	})
	values, err := delivered(crew, span, srv)
	if err != nil {
		return nil, err
	}
	if err := arrive(srv, sent.Load()); err != nil {
		return nil, err
	}
	return values, nil
}

// delivered warms, measures what the server was handed, and stops the crew.
func delivered(crew *crew, span Span, srv Server) (Values, error) {
	if err := crew.sleep(span.Warm); err != nil {
		return nil, crew.quit(err)
	}
	first := srv.Delivered()
	wall, used, err := crew.measure(srv, func() error {
		return crew.patient(span.Time, func() bool { return srv.Delivered() > first })
	})
	if err != nil {
		return nil, crew.quit(err)
	}
	last := srv.Delivered()
	if err := crew.stop(); err != nil {
		return nil, err
	}
	if last == first {
		return nil, fmt.Errorf("load: nothing was delivered within %v", span.Time)
	}
	return cost(last-first, wall, used), nil
}

// arrive waits until all that was sent has come, whole.
func arrive(srv Server, sent int64) error {
	for begin := time.Now(); srv.Delivered() < sent; time.Sleep(time.Millisecond) {
		if time.Since(begin) > settle {
			return fmt.Errorf("load: one way: %d of %d messages never came", sent-srv.Delivered(), sent)
		}
	}
	if n := srv.Delivered(); n != sent || srv.Mangled() != 0 {
		return fmt.Errorf("load: one way: %d came for %d sent, %d of another length", n, sent, srv.Mangled())
	}
	return nil
}
