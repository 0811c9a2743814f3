package load

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// The kinds of load of open networks. Only an Opener does them.
const (
	Decoded Kind = "decoded" // OneWay, but of a value: encoded by the sender, decoded by the handler
	Idle    Kind = "idle"    // connections on which nothing happens
	Work    Kind = "work"    // the same piece of work again and again, in one goroutine
)

// The pieces of work, which are the names of their cases.
const (
	Handshake        = "rlpx/handshake" // both ends of one
	EncodeHeader     = "rlp/header/encode"
	DecodeHeader     = "rlp/header/decode"
	EncodeNeighbours = "rlp/neighbours/encode"
	DecodeNeighbours = "rlp/neighbours/decode"
)

// IdleNodes are connected each with all others in a case of the kind Idle.
const IdleNodes = 24

// What is measured of idle connections: what an end of one takes.
const (
	Heap       Metric = "heap_bytes"
	Stack      Metric = "stack_bytes"
	Goroutines Metric = "goroutines"
)

// An Opener is a System of open networks. It does the cases with Open, and no
// others.
type Opener interface {
	System
	// Open has no meaning but to be there.
	Open()
}

// A Valuer sends values: the payload in a list with a number.
type Valuer interface {
	Value(ctx context.Context, number uint64, payload []byte) error
}

// A Worker does pieces of work.
type Worker interface {
	// Work prepares one and returns what is to be repeated: ErrUnsupported if it
	// does not know it.
	Work(name string) (func() error, error)
}

// A Mesher has nodes in this process.
type Mesher interface {
	// Mesh starts n nodes that know nobody.
	Mesh(n int) (Mesh, error)
}

// A Mesh is some nodes.
type Mesh interface {
	// Connect connects each with all others and returns when that is done.
	Connect(ctx context.Context) error
	Close() error
}

// OpenCases are the cases of open networks, in the order of the tables.
func OpenCases() []Case {
	var cases []Case
	for _, size := range []int{256, 1 << 10, 16 << 10, 1 << 20} {
		cases = append(cases, Case{Kind: OneWay, Size: size, Open: true})
	}
	cases = append(cases,
		Case{Kind: Decoded, Size: 256, Open: true},
		Case{Kind: Echo, Size: 64, Callers: 1, Open: true},
		Case{Kind: Idle, Open: true},
	)
	for _, work := range []string{Handshake, EncodeHeader, DecodeHeader, EncodeNeighbours, DecodeNeighbours} {
		cases = append(cases, Case{Kind: Work, Work: work, Open: true})
	}
	return cases
}

// alone does the kinds of load that have no server and no client.
func alone(ctx context.Context, sys System, c Case, span Span) (Values, error) {
	if c.Kind == Idle {
		m, ok := sys.(Mesher)
		if !ok {
			return nil, ErrUnsupported
		}
		return idle(ctx, m)
	}
	w, ok := sys.(Worker)
	if !ok {
		return nil, ErrUnsupported
	}
	op, err := w.Work(c.Work)
	if err != nil {
		return nil, err
	}
	return work(ctx, op, span)
}

// batchTime is how long a piece of work is repeated between two looks at the
// clock.
const batchTime = time.Millisecond

func work(ctx context.Context, op func() error, span Span) (Values, error) {
	batch := 1
	run := func(most time.Duration) (n int64, err error) {
		for begin := time.Now(); time.Since(begin) < most && ctx.Err() == nil; {
			before := time.Now()
			for range batch {
				if err := op(); err != nil {
					return n, fmt.Errorf("load: work: %w", err)
				}
			}
			n += int64(batch)
			if time.Since(before) < batchTime/2 {
				batch *= 2
			}
		}
		return n, ctx.Err()
	}
	if _, err := run(span.Warm); err != nil {
		return nil, err
	}
	before, err := Spent()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	n, err := run(span.Time)
	if err != nil {
		return nil, err
	}
	wall := time.Since(begin)
	after, err := Spent()
	return cost(n, wall, after.minus(before)), err
}

// idle measures what the ends of IdleNodes*(IdleNodes-1)/2 connections take, each
// end with a protocol that waits for a message.
func idle(ctx context.Context, sys Mesher) (_ Values, err error) {
	mesh, err := sys.Mesh(IdleNodes)
	if err != nil {
		return nil, fmt.Errorf("load: mesh: %w", err)
	}
	defer func() {
		if shut := bounded(mesh.Close); err == nil {
			err = shut
		}
	}()
	heap, stack, goroutines := held()
	if err := mesh.Connect(ctx); err != nil {
		return nil, fmt.Errorf("load: connect: %w", err)
	}
	heap2, stack2, goroutines2 := held()
	const ends = IdleNodes * (IdleNodes - 1)
	return Values{
		Heap:       (heap2 - heap) / ends,
		Stack:      (stack2 - stack) / ends,
		Goroutines: (goroutines2 - goroutines) / ends,
	}, nil
}

// held is what the process holds once it has settled.
func held() (heap, stack, goroutines float64) {
	time.Sleep(200 * time.Millisecond) // what ends soon is not idle
	runtime.GC()
	runtime.GC() // the second frees what pools kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse), float64(runtime.NumGoroutine())
}
