package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// OpenDatagrams waits for a carrier. It does nothing if there is one.
func (c *channel) OpenDatagrams(ctx context.Context) error {
	if err := c.s.grams.open(ctx); err != nil {
		return fmt.Errorf("mtls: datagrams with %s: %w", c.s.remote.Short(), err)
	}
	return nil
}

func (g *datagrams) open(ctx context.Context) error {
	if g.s.cfg.noQUIC {
		return errNoQUIC
	}
	ctx, cancel := context.WithTimeout(ctx, g.s.cfg.handshake)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lane == nil {
		g.startLocked()
	}
	for g.lane == nil && g.opening && !g.ended {
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			g.mu.Lock()
			return ctx.Err()
		}
		g.mu.Lock()
	}
	switch {
	case g.lane != nil:
		return nil
	case g.ended:
		return net.ErrClosed
	}
	return g.err
}

var (
	errNoQUIC    = errors.New("QUIC is off")
	errJustTried = errors.New("tried a moment ago")
)

// askedEvery is how often the other side may make us dial.
const askedEvery = time.Second

// startLocked dials, or asks the other side to, unless that is under way.
func (g *datagrams) startLocked() {
	if g.opening || g.ended {
		return
	}
	g.opening = true
	if g.s.dialled {
		g.loops.Go(g.dial)
		return
	}
	g.loops.Go(g.askFor)
}

// dial makes the carrier, on the side that dialled the session.
func (g *datagrams) dial() {
	ctx, cancel := context.WithTimeout(g.ctx, g.s.cfg.handshake)
	defer cancel()
	if err := g.s.attach(ctx); err != nil {
		g.failed(err)
		g.s.tell(func(o *out) { o.none = []byte(clip(err.Error())) })
	}
}

// askFor has the other side dial, and waits for what comes of it.
func (g *datagrams) askFor() {
	g.s.tell(func(o *out) { o.ask = true })
	t := time.NewTimer(g.s.cfg.handshake)
	defer t.Stop()
	for {
		g.mu.Lock()
		changed, over := g.changed, g.lane != nil || !g.opening || g.ended
		g.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-t.C:
			g.failed(errors.New("the peer did not dial"))
			return
		}
	}
}

// failed ends an attempt.
func (g *datagrams) failed(err error) {
	g.mu.Lock()
	over := g.lane != nil || g.ended || !g.opening
	if !over {
		g.opening, g.err = false, err
		if g.s.dialled {
			g.retryLocked()
		}
		g.changeLocked()
	}
	g.mu.Unlock()
	if !over {
		g.s.log.Debug("datagrams have no carrier", "err", err)
	}
}

// asked is called by the reader when the other side wants a carrier.
func (g *datagrams) asked() error {
	if !g.s.dialled {
		return breach("asked to dial by the side that has dialled")
	}
	now, no := time.Now(), errNoQUIC
	if !g.s.cfg.noQUIC {
		if no = errJustTried; now.Sub(g.heeded) >= askedEvery {
			g.heeded, no = now, nil
		}
	}
	if no != nil {
		g.s.tell(func(o *out) { o.none = []byte(no.Error()) })
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lane == nil {
		g.startLocked()
	}
	return nil
}

// refused is called by the reader when the other side cannot dial.
func (g *datagrams) refused(text []byte) {
	if !g.s.dialled {
		g.failed(fmt.Errorf("peer said: %s", clean(text)))
	}
}

// beat tries again for a carrier that was lost, and lets go of memory that a
// burst has taken; the session's timer calls it.
func (g *datagrams) beat(now time.Time) {
	g.mu.Lock()
	if !g.writing {
		g.spare = nil
	}
	retry := g.lane == nil && !g.again.IsZero() && !now.Before(g.again)
	first, err := g.pause == firstRetry && !g.opening, g.err
	if retry {
		g.startLocked()
	}
	g.mu.Unlock()
	if retry && first {
		g.s.log.Info("datagrams have no carrier of their own", "err", err)
	}
}

const (
	firstRetry = 5 * time.Second
	lastRetry  = 2 * time.Minute
)

// retryLocked plans another try for a carrier that somebody has wanted.
func (g *datagrams) retryLocked() {
	g.pause = min(max(2*g.pause, firstRetry), lastRetry)
	g.again = time.Now().Add(g.pause)
}
