package p2ptest

import (
	"errors"
	"slices"

	"kith/p2p"
)

// maxPost is the most that a message of Direct may have.
const maxPost = 16 << 10

var errAttached = errors.New("p2ptest: Attach was called before")

var _ p2p.Direct = direct{}

// Attach takes deliver and fill.
func (c direct) Attach(deliver func([]p2p.Msg), fill func(func(uint64, []byte, []byte) bool)) {
	if !c.direct.CompareAndSwap(nil, &attachment{deliver: deliver, fill: fill}) {
		panic(errAttached)
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.filling {
		s.filling = true
		s.loops.Go(s.fillLoop)
	}
	s.in.notify() // something may have come before
}

// Post queues a message, or waits.
func (c direct) Post(code uint64, head, body []byte) error {
	return c.post(code, head, body, maxPost)
}

// TryPost queues a message if there is room.
func (c direct) TryPost(code uint64, head, body []byte) bool {
	n := len(head) + len(body)
	if c.check(code, n, maxPost) != nil || !c.out.tryTake(size(n)) {
		return false
	}
	c.write(code, head, body)
	return true
}

// Wake makes the writer call fill soon.
func (c direct) Wake() { c.wake() }

// MaxPost is 16 KiB, or the protocol's MaxMessage.
func (c direct) MaxPost() int { return min(maxPost, c.most) }

func (c *channel) wake() {
	c.woken.Store(true)
	select {
	case c.s.fills <- struct{}{}:
	default:
	}
}

// deliver hands out what has come for those who attached. What they keep of it
// they will find overwritten.
func (s *session) deliver() {
	for _, c := range s.channels {
		a := c.direct.Load()
		if a == nil {
			continue
		}
		msgs := c.in.all()
		if len(msgs) == 0 || s.Err() != nil {
			continue
		}
		n := 0
		lent := slices.Clone(msgs) // deliver may change batch
		a.deliver(lent)
		for _, m := range msgs {
			n += size(len(m.Payload))
			spoil(m.Payload)
		}
		clear(lent)
		c.read(n)
	}
}

// spoil makes sure that nobody goes on reading what was only lent.
func spoil(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// fillLoop is the session's writer.
func (s *session) fillLoop() {
	for {
		select {
		case <-s.fills:
		case <-s.done:
			return
		}
		for _, c := range s.channels {
			if a := c.direct.Load(); a != nil && c.woken.Swap(false) && c.out.tryTake(0) {
				a.fill(c.put)
			}
		}
	}
}

// put sends a message if there is room; if not the receiver wakes us.
func (c *channel) put(code uint64, head, body []byte) bool {
	n := len(head) + len(body)
	if err := c.check(code, n, maxPost); err != nil {
		c.s.breach(err)
		return false
	}
	if !c.out.tryTake(size(n)) {
		return false
	}
	c.write(code, head, body)
	return true
}
