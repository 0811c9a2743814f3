package mtls

import (
	"slices"

	"kith/p2p"
)

// MaxPost is what fits in one frame, or the protocol's MaxMessage.
func (c *channel) MaxPost() int { return min(maxPayload, c.most) }

// Attach lifts the window for the peer and hands on what has come so far.
func (c *channel) Attach(deliver func([]p2p.Msg), fill func(put func(code uint64, head, body []byte) bool)) {
	c.mu.Lock()
	// The reader waits for mu if it has something for us meanwhile, but not for
	// long: deliver does not block.
	var early []p2p.Msg
	for _, a := range c.queue[c.head:] {
		early = append(early, a.msg)
	}
	c.queue, c.head = nil, 0
	if len(early) > 0 {
		deliver(early)
	}
	c.direct.Store(&direct{deliver, fill})
	c.mu.Unlock()
	c.s.grant(c, unlimited)
}

// receiveDirect gathers messages for one call of deliver. The reader calls it.
// There is no window to bound what a long message takes, and no need for one.
func (c *channel) receiveDirect(h header, payload []byte) error {
	if h.kind != kindMessage || c.part != nil || c.skip > 0 {
		return breach("a long message on %v, which takes none", c.cap)
	}
	if len(c.batch) == 0 {
		c.s.touched = append(c.s.touched, c)
	}
	c.batch = append(c.batch, p2p.Msg{Code: uint64(h.code), Payload: payload})
	return nil
}

// Post queues one message. It waits while too much is queued.
func (c *channel) Post(code uint64, head, body []byte) error {
	n := len(head) + len(body)
	if most := c.MaxPost(); n > most {
		return c.tooLarge(n, most)
	}
	if err := c.checkCode(code); err != nil {
		return err
	}
	s := c.s
	s.mu.Lock()
	for s.err == nil && !c.roomLocked(n) {
		s.waitLocked()
	}
	if err := s.err; err != nil {
		s.mu.Unlock()
		return err
	}
	c.appendLocked(code, head, body)
	s.mu.Unlock()
	return nil
}

// TryPost is Post without the wait.
func (c *channel) TryPost(code uint64, head, body []byte) bool {
	n := len(head) + len(body)
	if n > c.MaxPost() || code >= c.length {
		return false
	}
	s := c.s
	s.mu.Lock()
	ok := s.err == nil && c.roomLocked(n)
	if ok {
		c.appendLocked(code, head, body)
	}
	s.mu.Unlock()
	return ok
}

// Wake makes the writer call fill.
func (c *channel) Wake() {
	s := c.s
	s.mu.Lock()
	if !c.filling {
		c.filling = true
		s.readyLocked(c)
		s.kickLocked()
	}
	s.mu.Unlock()
}

// roomLocked tells whether a message of n bytes may be queued now.
func (c *channel) roomLocked(n int) bool {
	return len(c.s.buf) <= maxQueued && len(c.queued) == 0 && c.credit >= n+overhead
}

// appendLocked queues a whole message that roomLocked has let in.
func (c *channel) appendLocked(code uint64, head, body []byte) {
	s, n := c.s, len(head)+len(body)
	c.credit -= n + overhead
	b := header{kindMessage, c.index, uint16(code), n}.append(s.buf)
	b = append(b, head...)
	s.buf = append(b, body...)
	s.msgsOut++
	s.kickLocked()
}

// WriteMsg queues a message. A long one it keeps until the writer has copied all
// of it, in turns with those of other channels.
func (c *channel) WriteMsg(m p2p.Msg) error {
	if err := c.checkCode(m.Code); err != nil {
		return err
	}
	n, s := len(m.Payload), c.s
	if most := min(s.theirMax, s.cfg.maxMessage, c.most); n > most {
		return c.tooLarge(n, most)
	}
	s.mu.Lock()
	for n <= maxPayload && s.err == nil && len(c.queued) == 0 && c.credit >= n+overhead {
		if len(s.buf) <= maxQueued {
			c.appendLocked(m.Code, nil, m.Payload)
			s.mu.Unlock()
			return nil
		}
		s.waitLocked()
	}
	if err := s.err; err != nil {
		s.mu.Unlock()
		return err
	}
	o := &outgoing{code: uint16(m.Code), data: m.Payload, taken: make(chan error, 1)}
	c.queued = append(c.queued, o)
	s.readyLocked(c)
	s.kickLocked()
	s.mu.Unlock()
	return <-o.taken
}

// remove takes the first element out without giving up its place in memory.
func remove[T any](list []T) []T { return slices.Delete(list, 0, 1) }

var _ p2p.Direct = (*channel)(nil)
