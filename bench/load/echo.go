package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A caller sends the same payload again and again, but for its first bytes,
// which tell callers and requests apart.
type caller struct {
	payload []byte
	count   uint32
	hist    Histogram
	done    atomic.Int64 // requests in any phase
}

func newCaller(number, size int) *caller {
	c := &caller{payload: noise(size, uint64(number))}
	binary.BigEndian.PutUint32(c.payload, uint32(number))
	return c
}

// noise is n bytes that do not compress.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// loop makes requests until the crew stops. A request belongs to the phase in
// which its reply comes.
func (c *caller) loop(crew *crew, client Client) error {
	begin := time.Now()
	for {
		phase := crew.phase.Load()
		if phase == stopped {
			return nil
		}
		if err := c.once(crew.ctx, client, phase == warming); err != nil {
			return err
		}
		c.done.Add(1)
		end := time.Now()
		if crew.phase.Load() == measuring {
			c.hist.Add(end.Sub(begin))
		}
		begin = end
	}
}

// once makes one request. It compares the whole reply, or only its length and
// its ends, which costs nothing that could be measured.
func (c *caller) once(ctx context.Context, client Client, whole bool) error {
	c.count++
	binary.BigEndian.PutUint32(c.payload[4:], c.count)
	reply, err := client.Request(ctx, c.payload)
	if err != nil {
		return fmt.Errorf("load: request: %w", err)
	}
	n := len(c.payload)
	same := len(reply) == n && bytes.Equal(reply[:16], c.payload[:16]) && bytes.Equal(reply[n-16:], c.payload[n-16:])
	if !same || whole && !bytes.Equal(reply, c.payload) {
		return fmt.Errorf("load: reply of %d bytes to request %d of %d bytes is not its echo", len(reply), c.count, n)
	}
	return nil
}

// A large payload times many callers come back in waves, one every second or
// so: a span has to hold several for its average to mean something.
const waves = 6

// echo measures requests of c.Callers at once.
func echo(ctx context.Context, c Case, span Span, srv Server, client Client) (Values, error) {
	crew := newCrew(ctx)
	callers := make([]*caller, max(1, c.Callers))
	for i := range callers {
		callers[i] = newCaller(i, c.Size)
	}
	done := func() (n int64) {
		for _, one := range callers {
			n += one.done.Load()
		}
		return n
	}
	crew.start(len(callers), func(i int) error { return callers[i].loop(crew, client) })
	wave := int64(len(callers))
	if err := crew.patient(span.Warm, func() bool { return done() >= wave }); err != nil {
		return nil, crew.quit(err)
	}
	first := done()
	wall, used, err := crew.measure(srv, func() error {
		return crew.patient(span.Time, func() bool { return done()-first >= waves*wave })
	})
	if err != nil {
		return nil, crew.quit(err)
	}
	if err := crew.stop(); err != nil {
		return nil, err
	}
	var all Histogram
	for _, one := range callers {
		all.Merge(&one.hist)
	}
	if all.Count() == 0 {
		return nil, fmt.Errorf("load: no request ended within %v", wall)
	}
	return cost(all.Count(), wall, used).with(Values{
		P50: micros(all.Quantile(0.50)),
		P99: micros(all.Quantile(0.99)),
	}), nil
}
