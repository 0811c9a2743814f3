package port

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A service is a port of ours.
type service struct {
	mux     *Mux
	number  uint16
	name    string
	mode    Mode
	handler Handler
	gone    atomic.Bool // it is no longer offered

	// Guarded by pool.mu.
	queue     ring[work] // requests, and streams with one-way messages
	waiting   int        // requests in queue
	running   int        // workers in the handler
	inReady   bool
	grams     ring[gram] // unreliable messages, at most gramQueue
	gramBytes int        // of them, at most the constant of that name
	out       int        // unreliable messages that workers have taken
	stuck     int        // workers from which some were taken back

	counters
}

// counters are a port's.
type counters struct {
	calls, errors, busy, drops, bytesIn, bytesOut atomic.Uint64
	panicked                                      atomic.Bool
	latency                                       latency
}

// errExited is what a caller hears of a handler that called runtime.Goexit.
var errExited = errors.New("the handler ended its goroutine")

// call calls the handler and turns a panic into an error.
func (s *service) call(ctx context.Context, m *Message, timed bool) (reply []byte, err error) {
	var start time.Time
	if timed {
		start = time.Now()
	}
	defer func() {
		if timed {
			s.latency.add(time.Since(start))
		}
		if v := recover(); v != nil {
			reply, err = nil, s.panic(v)
		}
	}()
	return s.handler.Handle(ctx, m)
}

// panic logs what a handler panicked with: the first time for everybody to see.
func (s *service) panic(v any) error {
	err := fmt.Errorf("panic: %v", v)
	if s.panicked.CompareAndSwap(false, true) {
		s.mux.log().Warn("port handler panicked", "port", s.number, "err", err, "stack", string(debug.Stack()))
	} else {
		s.mux.log().Debug("port handler panicked", "port", s.number, "err", err)
	}
	return err
}

// timed tells whether the n-th call is one of those whose time is taken: two
// looks at the clock would be half the cost of the smallest.
func timed(n uint64) bool { return n < 256 || n%16 == 0 }
