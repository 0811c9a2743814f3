package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The phases of a run. Goroutines of a crew read it once an operation.
const (
	warming int32 = iota
	measuring
	stopped
)

// A crew is the goroutines of one run and the phase they are in.
type crew struct {
	phase atomic.Int32
	wg    sync.WaitGroup
	ctx   context.Context // the run: ends when one of them fails
	fail  context.CancelCauseFunc
}

func newCrew(ctx context.Context) *crew {
	c := new(crew)
	c.ctx, c.fail = context.WithCancelCause(ctx)
	return c
}

// start runs f in n goroutines, which end when the phase is stopped.
func (c *crew) start(n int, f func(i int) error) {
	for i := range n {
		c.wg.Go(func() {
			if err := f(i); err != nil {
				c.fail(err)
			}
		})
	}
}

// sleep waits unless the run fails.
func (c *crew) sleep(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// patient sleeps at least d, and on until enough says so, but for no more than
// ten seconds longer.
func (c *crew) patient(d time.Duration, enough func() bool) error {
	err := c.sleep(d)
	for end := time.Now().Add(10 * time.Second); err == nil && !enough() && time.Now().Before(end); {
		err = c.sleep(2 * time.Millisecond)
	}
	return err
}

// measure lets the phase be measuring while wait lasts and tells how long that
// was by the wall clock, and what was spent. The crew goes on working.
func (c *crew) measure(srv Server, wait func() error) (time.Duration, Usage, error) {
	before, err := bothEnds(srv)
	if err != nil {
		return 0, Usage{}, err
	}
	begin := time.Now()
	c.phase.Store(measuring)
	err = wait()
	c.phase.CompareAndSwap(measuring, warming)
	wall := time.Since(begin)
	if err != nil {
		return 0, Usage{}, err
	}
	after, err := bothEnds(srv)
	return wall, after.minus(before), err
}

// stop ends the goroutines and waits for them, or for the run's deadline.
func (c *crew) stop() error {
	c.phase.Store(stopped)
	c.wg.Wait()
	err := context.Cause(c.ctx)
	c.fail(nil)
	return err
}

// quit ends the goroutines of a run that has failed already.
func (c *crew) quit(err error) error {
	c.fail(err)
	c.stop()
	return err
}

func bothEnds(srv Server) (Usage, error) {
	far, err := srv.Usage()
	if err != nil {
		return Usage{}, fmt.Errorf("load: usage of the server: %w", err)
	}
	near, err := Spent()
	return near.plus(far), err
}
