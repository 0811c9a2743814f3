package gossip

import (
	"context"
	"iter"
	"slices"
)

// Watch gives Members now and after each change, until ctx or the gossip ends.
// A reader that is slow misses states in between, never the last. That time
// passes, or phi grows, is no change.
func (g *Gossip) Watch(ctx context.Context) iter.Seq[[]Member] {
	return func(yield func([]Member) bool) {
		e, err := g.running()
		if err != nil {
			return
		}
		for {
			e.mu.Lock()
			members, changed := e.membersLocked(), e.changed
			e.mu.Unlock()
			if !yield(members) {
				return
			}
			select {
			case <-changed:
			case <-e.ctx.Done():
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// eventRoom is how many events a reader may be behind. Then the oldest is lost
// and counted in Missed of the next.
const eventRoom = 1024

// Events gives what happens from the call on, until ctx or the gossip ends.
func (g *Gossip) Events(ctx context.Context) iter.Seq[Event] {
	e, err := g.running()
	if err != nil {
		return func(func(Event) bool) {}
	}
	r := &reader{wake: make(chan struct{}, 1)}
	e.mu.Lock()
	if r.closed = e.over; !r.closed {
		e.feed = append(e.feed, r)
	}
	e.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { e.unfeed(r) })
	return func(yield func(Event) bool) {
		defer stop()
		defer e.unfeed(r)
		for {
			e.mu.Lock()
			ev, ok := r.take()
			closed := r.closed
			e.mu.Unlock()
			switch {
			case ok:
				if !yield(ev) {
					return
				}
			case closed:
				return
			default:
				<-r.wake
			}
		}
	}
}

// A reader holds the events that one has not taken. The engine's lock guards it.
type reader struct {
	events []Event
	missed int
	closed bool          // no more will come
	wake   chan struct{} // holds one
}

func (e *engine) unfeed(r *reader) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.feed = slices.DeleteFunc(e.feed, func(o *reader) bool { return o == r })
	r.close()
}

func (r *reader) put(ev Event) {
	if len(r.events) == eventRoom {
		r.events = slices.Delete(r.events, 0, 1)
		r.missed++
	}
	r.events = append(r.events, ev)
	r.ring()
}

func (r *reader) close() {
	r.closed = true
	r.ring()
}

func (r *reader) ring() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (r *reader) take() (ev Event, ok bool) {
	if len(r.events) == 0 {
		return ev, false
	}
	ev = r.events[0]
	r.events = slices.Delete(r.events, 0, 1)
	ev.Missed, r.missed = r.missed, 0
	return ev, true
}
