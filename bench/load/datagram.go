package load

import (
	"context"
	"fmt"
	"runtime"
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
		flight := flight{limit: int64(c.InFlight), delivered: srv.Delivered}
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
	limit     int64 // 0: none
	delivered func() int64
	lost      int64
}

const patience = 20 * time.Millisecond

// room tells whether another may be sent after n.
func (f *flight) room(n int64) bool {
	under := n - f.lost - f.delivered()
	if under < 0 { // some that were given up came late
		f.lost += under
	}
	return under < f.limit
}

// wait returns when another may be sent after n.
func (f *flight) wait(n int64) {
	if f.limit == 0 || f.room(n) {
		return
	}
	begin, seen := time.Now(), f.delivered()
	for spins := 1; !f.room(n); spins++ {
		runtime.Gosched()
		if spins%64 != 0 {
			continue
		}
		switch now := f.delivered(); {
		case now != seen:
			begin, seen = time.Now(), now
		case time.Since(begin) > patience:
			f.lost = n - now
		}
	}
}
