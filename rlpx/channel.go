package rlpx

import (
	"errors"
	"fmt"
	"sync"

	"github.com/golang/snappy"
)

const (
	// maxUnread is how many bytes of messages may wait to be read on a channel,
	// each counted with overhead bytes more; then the session's reader waits. As
	// many again may be with ReadMsg.
	maxUnread = 256 << 10
	overhead  = 256
	// A batch is what the reader gathers before it calls who waits in ReadMsg.
	batchMessages = 32
	batchBytes    = 16 << 10
)

// ErrBadCode is wrapped by the error for a message whose number is out of range.
var ErrBadCode = errors.New("message code out of range")

// A Msg is one message of a protocol. Its number counts from the protocol's
// first.
type Msg struct {
	Code    uint64
	Payload []byte
}

// A Channel is one protocol on a session.
type Channel struct {
	s      *Session
	first  uint64 // its messages are first to first + length - 1 on the wire
	length uint64
	most   int // bytes of a message

	batch []Msg // the session's reader's
	taken []Msg // ReadMsg's: taken[next:] is to be given
	next  int

	mu      sync.Mutex // guards what follows; Session.mu may be held when it is taken
	arrived sync.Cond  // for ReadMsg
	room    sync.Cond  // for the session's reader
	queue   []Msg
	spare   []Msg // empty; the next queue
	unread  int   // bytes in queue, with overhead
	over    bool
	err     error // why there will be no more
}

func newChannel(s *Session, first uint64, p Protocol) *Channel {
	c := &Channel{s: s, first: first, length: p.Length, most: maxData}
	if p.MaxMessage > 0 {
		c.most = min(p.MaxMessage, maxData)
	}
	c.arrived.L, c.room.L = &c.mu, &c.mu
	return c
}

// frame is how many bytes a frame may have with the longest message, compressed
// as badly as can be.
func (c *Channel) frame() int { return min(maxCode+snappy.MaxEncodedLen(c.most), maxData) }

// ReadMsg waits for a message, whose payload belongs to the caller. What arrived
// before the session ended is still given; then the error says why it has ended.
// Only one goroutine may read.
func (c *Channel) ReadMsg() (Msg, error) {
	if c.next == len(c.taken) {
		if err := c.take(); err != nil {
			return Msg{}, err
		}
	}
	m := c.taken[c.next]
	c.taken[c.next] = Msg{}
	c.next++
	return m, nil
}

// take waits for messages and takes all there are.
func (c *Channel) take() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare, c.taken, c.next = c.taken[:0], nil, 0
	for len(c.queue) == 0 {
		if c.err != nil {
			return c.err
		}
		c.arrived.Wait()
	}
	c.taken, c.queue, c.spare = c.queue, c.spare, nil
	c.unread = 0
	c.room.Signal()
	return nil
}

// trim lets go of what a burst has made large.
func (c *Channel) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.queue, c.spare = nil, nil
	}
}

// WriteMsg sends a message; the payload is copied. It waits while the peer is too
// slow to take more. ErrTooLarge and ErrBadCode are about the message, and the
// session goes on; any other error says why the session has ended. Several
// goroutines may call it.
func (c *Channel) WriteMsg(m Msg) error {
	if m.Code >= c.length {
		return fmt.Errorf("rlpx: write message %d of a protocol that has %d: %w", m.Code, c.length, ErrBadCode)
	}
	if len(m.Payload) > c.most {
		return tooLarge(len(m.Payload), c.most)
	}
	err := c.s.post(c.first+m.Code, m.Payload)
	if err == nil || errors.Is(err, ErrTooLarge) {
		return err
	}
	c.s.mu.Lock()
	cause := c.s.err
	c.s.mu.Unlock()
	if cause == nil { // writing failed: what the peer has said last tells why
		<-c.s.done
		cause = c.s.cause()
	}
	return cause
}

// deliver hands the reader's batch to ReadMsg. It waits while too much is unread;
// if the session ends meanwhile the batch is dropped.
func (c *Channel) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unread >= maxUnread && !c.over {
		c.s.held.Store(true)
		c.room.Wait()
		c.s.held.Store(false)
		c.s.hearNow()
	}
	if c.unread < maxUnread {
		for _, m := range c.batch {
			c.unread += len(m.Payload) + overhead
		}
		c.queue = append(c.queue, c.batch...)
		c.arrived.Signal()
	}
	clear(c.batch)
	c.batch = c.batch[:0]
}

// halt lets go of the reader: the session is about to end.
func (c *Channel) halt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.room.Signal()
}

// end says why there will be no more messages.
func (c *Channel) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.err = true, err
	c.arrived.Signal()
}
