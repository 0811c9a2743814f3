// Package load puts load on a messaging system and measures what it costs.
//
// Implement [System] for whatever is to be measured and give it to
// [Measure] with a [Case] and a [Span]; it starts both ends, runs the case and
// closes them. The package imports the standard library only, so that systems
// whose requirements exclude each other can be measured by the same code in
// processes of their own: see [Child] and [Answer].
//
// A caller is a goroutine that sends a payload, checks the reply and notes the
// time in its own [Histogram]; CPU time and allocations are read from the
// process, and from the other one where there is one, when the measured span
// begins and when it ends.
package load

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrUnsupported is returned by Measure for a case that the system has no
// means for.
var ErrUnsupported = errors.ErrUnsupported

// A System is one way to get messages from here to there. Both ends run on
// loopback and prove who they are with the certificates of an Identity.
type System interface {
	// Name is short and constant: it names the column in every table.
	Name() string
	// Serve starts the answering end. Nothing stays open if it fails.
	Serve(id *Identity) (Server, error)
	// Dial connects to the address of a Server, which may live in another
	// process.
	Dial(ctx context.Context, id *Identity, addr string) (Client, error)
}

// A Chooser is a System that is measured in some cases only.
type Chooser interface {
	Does(c Case) bool
}

// A Server is the answering end of a System.
type Server interface {
	// Addr is what Dial wants.
	Addr() string
	// Delivered is how many messages without a reply a handler was called for.
	Delivered() int64
	// Until waits until Delivered is at least n, but no longer than most. It has
	// one caller at a time.
	Until(n int64, most time.Duration)
	// Mangled is how many of them had another length than the first.
	Mangled() int64
	// Usage is what the server spent outside of this process: nothing, for
	// servers within it.
	Usage() (Usage, error)
	Close() error
}

// A Client is one connection. Its methods are safe for concurrent use but for
// those of OneWayer, which have one sender. Callers keep what they pass and own
// what they get.
type Client interface {
	// Request sends the payload and returns what the server echoed.
	Request(ctx context.Context, payload []byte) ([]byte, error)
	Close() error
}

// A Puller can ask for replies of BulkSize bytes on several streams.
type Puller interface {
	// Pull asks for one on the stream, which is below BulkStreams. A stream has
	// one caller.
	Pull(ctx context.Context, stream int) ([]byte, error)
}

// What mixed load is made of.
const (
	BulkStreams = 4
	BulkSize    = 1 << 20
)

// A OneWayer sends messages that have no reply and are not lost.
type OneWayer interface {
	// OneWay sends one; the payload is never changed while the client is open.
	OneWay(ctx context.Context, payload []byte) error
	// Flush sends what OneWay has kept back.
	Flush() error
}

// A Gated client loses one-way messages, or runs out of memory, when the sender
// is faster than the receiver. The harness waits for it.
type Gated interface {
	// Gate is how many bytes may be under way.
	Gate() int
}

// A Datagrammer sends messages that may get lost.
type Datagrammer interface {
	Datagram(payload []byte) error
}

// A Tally counts messages at a server that lives in this process. The zero
// Tally is ready.
type Tally struct {
	count   atomic.Int64
	size    atomic.Int64
	mangled atomic.Int64
	waiter  atomic.Pointer[waiter] // nil: nobody is in Until
}

type waiter struct {
	count int64
	done  chan struct{}
}

// Got notes a message of n bytes.
func (t *Tally) Got(n int) {
	if int64(n) != t.size.Load() && !t.size.CompareAndSwap(0, int64(n)) {
		t.mangled.Add(1)
	}
	came := t.count.Add(1)
	if w := t.waiter.Load(); w != nil && came >= w.count && t.waiter.CompareAndSwap(w, nil) {
		close(w.done)
	}
}

// Until sleeps, so that who waits takes no time from those it waits for.
func (t *Tally) Until(n int64, most time.Duration) {
	w := &waiter{n, make(chan struct{})}
	t.waiter.Store(w)
	defer t.waiter.Store(nil)
	if t.count.Load() >= n {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	}
}

// Delivered is how many messages Got was told of.
func (t *Tally) Delivered() int64 { return t.count.Load() }

// Mangled is how many of them had another length than the first.
func (t *Tally) Mangled() int64 { return t.mangled.Load() }

// Usage is zero: what is spent in this process is counted there.
func (t *Tally) Usage() (Usage, error) { return Usage{}, nil }
