package filter

import (
	"context"
	"sync/atomic"

	"kith/port"
)

// Slots bounds how many commands run at once. It is safe for concurrent use.
type Slots struct {
	free    chan struct{}
	waiting atomic.Int64
}

// maxWaiting is how many messages of a port may wait for a slot. The node has a
// bounded number of workers for all its ports, and a slow command must not take
// them all. One message more is refused as busy.
const maxWaiting = 64

// NewSlots lets n commands run at once.
func NewSlots(n int) *Slots {
	return &Slots{free: make(chan struct{}, n)}
}

func (s *Slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return port.ErrBusy
	}
	defer s.waiting.Add(-1)
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Slots) give() { <-s.free }
