package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// datagram measures messages that may get lost: how many arrive a second, and
// which share never does.
func datagram(ctx context.Context, c Case, span Span, srv Server, client Client) (Values, error) {
	sender, ok := client.(Datagrammer)
	if !ok {
		return nil, ErrUnsupported
	}
	crew := newCrew(ctx)
	var sent atomic.Int64
	crew.start(1, func(int) error {
		payload := noise(c.Size, 1)
		flight := flight{limit: int64(c.InFlight), srv: srv}
		for n := int64(0); crew.phase.Load() != stopped; n++ {
			flight.wait(n)
			if err := sender.Datagram(payload); err != nil {
				return fmt.Errorf("load: datagram: %w", err)
			}
			sent.Store(n + 1)
		}
		return nil
	})
	values, err := delivered(crew, span, srv)
	if err != nil {
		return nil, err
	}
	came := settled(srv)
	if srv.Mangled() != 0 || came > sent.Load() {
		return nil, fmt.Errorf("load: datagram: %d came for %d sent, %d of another length", came, sent.Load(), srv.Mangled())
	}
	return values.with(Values{Loss: 1 - float64(came)/float64(sent.Load())}), nil
}

// settled is how many were delivered once no more come for 100 ms.
func settled(srv Server) int64 {
	last := srv.Delivered()
	for {
		time.Sleep(100 * time.Millisecond)
		now := srv.Delivered()
		if now == last {
			return now
		}
		last = now
	}
}

// A flight bounds the datagrams under way. What has not come for patience is
// given up for lost, so that a loss does not stop the sender for good.
type flight struct {
	limit int64 // 0: none
	srv   Server
	lost  int64
}

const patience = 20 * time.Millisecond

// under is how many are under way of n that were sent.
func (f *flight) under(n int64) int64 {
	under := n - f.lost - f.srv.Delivered()
	if under < 0 { // some that were given up came late
		f.lost += under
	}
	return max(0, under)
}

// wait returns when another may be sent after n. It sleeps until half of those
// under way have come: a sender that spins would be paid with the time of the
// goroutines that it waits for.
func (f *flight) wait(n int64) {
	if f.limit == 0 || f.under(n) < f.limit {
		return
	}
	for f.under(n) > f.limit/2 {
		seen := f.srv.Delivered()
		f.srv.Until(n-f.lost-f.limit/2, patience)
		if now := f.srv.Delivered(); now == seen {
			f.lost = n - now
		}
	}
}
