package mtls

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kith/p2p"
)

// A channel is one protocol on a session: a MsgReadWriter with a queue and a
// window of its own, so that no protocol can stall another. It is also a
// p2p.Direct and a p2p.Datagrams.
//
// A sender may have at most a window of bytes on their way and unread, each
// message counted with overhead bytes more. The window begins with
// firstWindow and is widened for a fast reader over a slow line. Bytes come back
// when ReadMsg takes a message; those of a long message while it arrives, if it
// is the one that ReadMsg waits for, else a message longer than the window would
// never end. So an idle reader costs no more than its window.
type channel struct {
	s      *session
	index  uint8
	length uint64
	most   int // bytes of a message, if that is less than Transport.MaxMessage
	cap    p2p.Cap

	sending // guarded by session.mu
	direct  atomic.Pointer[direct]
	batch   []p2p.Msg // the reader's: what arrived together for direct
	gram    atomic.Pointer[func([]byte)]

	mu      sync.Mutex // guards what follows
	arrived sync.Cond
	queue   []arrival // unread messages: queue[head:]; bounded by the window
	head    int
	part    *partial // the long message that is arriving
	skip    int      // bytes still to come of a message that was too long
	window  int
	allowed int       // bytes that the peer may still send
	eaten   int       // bytes to give back to the peer
	granted time.Time // when bytes were last given back
	waiting bool      // ReadMsg waits
	err     error     // why there will be no more
}

const (
	// firstWindow is what a peer may send on a channel before it is given more.
	firstWindow = 256 << 10
	// overhead is what a message counts beside its bytes, so that small ones
	// cannot fill the memory.
	overhead = 64
)

// An arrival is a message in the queue, and how many bytes to give back for it.
type arrival struct {
	msg  p2p.Msg
	cost int
}

// A partial is a message of which some is still to come. Its memory grows with
// what has arrived, not with what is claimed.
type partial struct {
	code  uint64
	data  []byte
	total int
	held  int // bytes not yet given back
}

// direct is who does his own queueing.
type direct struct {
	deliver func([]p2p.Msg)
	fill    func(put func(code uint64, head, body []byte) bool)
}

func newChannel(s *session, index uint8, c p2p.Channel) *channel {
	ch := &channel{s: s, index: index, length: c.Length, most: cmp.Or(c.MaxMessage, math.MaxInt), cap: c.Cap, window: firstWindow, allowed: firstWindow}
	ch.credit = firstWindow
	ch.arrived.L = &ch.mu
	return ch
}

// ReadMsg waits for a message. What arrived before the session ended is still
// given.
func (c *channel) ReadMsg() (p2p.Msg, error) {
	for {
		msg, grant, ok, err := c.next()
		if grant > 0 {
			c.s.grant(c, grant)
		}
		if ok || err != nil {
			return msg, err
		}
	}
}

// next takes a message from the queue. It returns without one if bytes are to be
// given back first, which must not be done with mu held.
func (c *channel) next() (msg p2p.Msg, grant int, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.head == len(c.queue) {
		if c.err != nil {
			return msg, 0, false, c.err
		}
		c.waiting = true
		if c.part != nil && c.part.held > 0 {
			c.eaten += c.part.held
			c.part.held = 0
			if grant := c.grantLocked(); grant > 0 {
				return msg, grant, false, nil
			}
		}
		c.arrived.Wait()
	}
	c.waiting = false
	a := c.queue[c.head]
	c.queue[c.head] = arrival{}
	if c.head++; c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
	}
	c.eaten += a.cost
	return a.msg, c.grantLocked(), true, nil
}

// grantLocked returns how many bytes the peer is to get back now. They are
// returned in halves of the window. If half a window was eaten in less than two
// round trips the window is what holds the sender up, and is doubled.
func (c *channel) grantLocked() int {
	if c.eaten < c.window/2 {
		return 0
	}
	grant, now := c.eaten, time.Now()
	if rtt := time.Duration(c.s.rate.rtt.Load()); rtt > 0 && c.window < c.s.cfg.maxWindow && now.Sub(c.granted) < 2*rtt {
		more := min(c.window, c.s.cfg.maxWindow-c.window)
		c.window += more
		grant += more
	}
	c.granted, c.eaten = now, 0
	c.allowed += grant
	return grant
}

// receive takes a frame of a message, called by the reader. An error is the
// peer's fault.
func (c *channel) receive(h header, payload []byte) error {
	c.mu.Lock()
	if c.direct.Load() != nil {
		defer c.mu.Unlock()
		return c.receiveDirect(h, payload)
	}
	cost := len(payload)
	switch h.kind {
	case kindMessage:
		cost += overhead
	case kindFirst:
		cost += overhead - 4
	}
	if c.allowed -= cost; c.allowed < 0 {
		c.mu.Unlock()
		return breach("more sent on %v than its window allows", c.cap)
	}
	err := c.takeLocked(h, payload, cost)
	grant := c.grantLocked()
	c.mu.Unlock()
	if grant > 0 {
		c.s.grant(c, grant)
	}
	return err
}

func (c *channel) takeLocked(h header, payload []byte, cost int) error {
	if h.kind == kindMessage {
		if c.part != nil || c.skip > 0 {
			return c.within()
		}
		c.arriveLocked(arrival{p2p.Msg{Code: uint64(h.code), Payload: slices.Clone(payload)}, cost})
		return nil
	}
	whole, err := c.assemble(h, payload)
	switch {
	case err != nil:
		return err
	case c.part == nil && whole == nil: // too long, and thrown away
		c.eaten += cost
	case c.waiting && c.head == len(c.queue):
		c.eaten += cost
	case whole != nil:
		whole.held += cost
	default:
		c.part.held += cost
	}
	if whole != nil {
		c.arriveLocked(arrival{p2p.Msg{Code: whole.code, Payload: whole.data}, whole.held})
	}
	return nil
}

func (c *channel) arriveLocked(a arrival) {
	c.queue = append(c.queue, a)
	c.arrived.Signal()
}

// assemble adds a frame of a long message; it returns the message when it is
// whole. Of a message longer than we take all frames are thrown away.
func (c *channel) assemble(h header, payload []byte) (*partial, error) {
	if h.kind == kindFirst {
		total := int(binary.BigEndian.Uint32(payload))
		payload = payload[4:]
		if c.part != nil || c.skip > 0 {
			return nil, c.within()
		}
		if total <= len(payload) {
			return nil, breach("a message of %d bytes on %v begins with %d", total, c.cap, len(payload))
		}
		if total > c.s.cfg.maxMessage {
			c.skip = total - len(payload)
			c.s.log.Debug("message refused", "proto", c.cap.String(), "bytes", total, "most", c.s.cfg.maxMessage)
			return nil, nil
		}
		c.part = &partial{code: uint64(h.code), total: total}
	} else if c.skip > 0 {
		if c.skip -= len(payload); c.skip < 0 {
			return nil, breach("more of a message on %v than it claimed", c.cap)
		}
		return nil, nil
	} else if c.part == nil {
		return nil, breach("more of a message on %v that has not begun", c.cap)
	}
	p := c.part
	if len(p.data)+len(payload) > p.total {
		return nil, breach("more of a message on %v than it claimed", c.cap)
	}
	p.grow(len(payload))
	p.data = append(p.data, payload...)
	if len(p.data) < p.total {
		return nil, nil
	}
	c.part = nil
	return p, nil
}

func (c *channel) within() error { return breach("a message begins on %v within another", c.cap) }

// grow makes room for n bytes more, at most doubling what is there.
func (p *partial) grow(n int) {
	if len(p.data)+n > cap(p.data) {
		room := min(max(2*cap(p.data), len(p.data)+n, 4*maxFrame), p.total)
		p.data = append(make([]byte, 0, room), p.data...)
	}
}

// end tells who reads that there will be no more.
func (c *channel) end(err error) {
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	c.arrived.Broadcast()
}

// grant queues a credit frame.
func (s *session) grant(c *channel, n int) {
	s.mu.Lock()
	if c.due == 0 {
		s.credits = append(s.credits, c)
	}
	c.due = min(c.due+n, unlimited)
	s.kickLocked()
	s.mu.Unlock()
}

// checkCode says what is wrong with a message's code or size, ours to send.
func (c *channel) checkCode(code uint64) error {
	if code >= c.length {
		return fmt.Errorf("mtls: %v: code %d of %d: %w", c.cap, code, c.length, p2p.ErrBadCode)
	}
	return nil
}

func (c *channel) tooLarge(n, most int) error {
	return fmt.Errorf("mtls: %v: message of %d bytes, at most %d: %w", c.cap, n, most, p2p.ErrTooLarge)
}
