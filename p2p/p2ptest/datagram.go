package p2ptest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"kith/p2p"
)

// maxDatagram is the most that a datagram may have.
const maxDatagram = 1200

var _ p2p.Datagrams = datagrams{}

// A carrier is where datagrams go beside the stream. Either side opens it for
// both: it asks, and the other one answers.
type carrier struct {
	mu       sync.Mutex // guards what follows
	open     bool
	asking   bool
	lost     string        // why there is none, once one was asked for
	answered chan struct{} // closed and replaced at each answer
}

// state is what Stats says.
func (c *carrier) state() (name, lost string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		return "memory", ""
	}
	return "", c.lost
}

func (c *carrier) have() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// ask tells whether the peer has to be asked, and what is closed when it has
// answered; nil if there is a carrier already.
func (c *carrier) ask() (first bool, answered chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		return false, nil
	}
	first, c.asking = !c.asking, true
	return first, c.answered
}

// answer is the peer's: why there is no carrier, or nothing.
func (c *carrier) answer(lost string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.asking, c.lost = lost == "", false, lost
	close(c.answered)
	c.answered = make(chan struct{})
}

// lose takes an open carrier away.
func (c *carrier) lose(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		c.open, c.lost = false, why
	}
}

// answer says to the peer whether there is a carrier now.
func (s *session) answer() {
	why := s.noDatagrams()
	if why == "" {
		s.carrier.mu.Lock()
		s.carrier.open, s.carrier.lost = true, ""
		s.carrier.mu.Unlock()
	}
	s.send(frame{kind: kindAnswer, payload: []byte(why)}.bytes())
}

func (s *session) noDatagrams() string {
	switch {
	case s.t.NoDatagrams:
		return "the peer has no datagrams"
	case !s.t.net.datagramsHaveAWay():
		return errNoUDP.Error()
	}
	return ""
}

// OpenDatagrams takes one round trip, unless there is a carrier.
func (c datagrams) OpenDatagrams(ctx context.Context) error {
	s := c.s
	first, answered := s.carrier.ask()
	if answered == nil {
		return nil
	}
	if first {
		s.send(frame{kind: kindAsk}.bytes())
	}
	select {
	case <-answered:
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("p2ptest: open datagrams with %s: %w", s.remote, context.Cause(ctx))
	}
	if _, lost := s.carrier.state(); lost != "" {
		return fmt.Errorf("p2ptest: open datagrams with %s: %w", s.remote, errors.New(lost))
	}
	return nil
}

// HaveDatagrams tells whether the carrier is there.
func (c datagrams) HaveDatagrams() bool { return c.s.carrier.have() && c.s.Err() == nil }

// MaxDatagram is 1200.
func (c datagrams) MaxDatagram() int { return maxDatagram }

// SendDatagram sends head and body, or drops them at once.
func (c datagrams) SendDatagram(head, body []byte) bool {
	s := c.s
	if len(head)+len(body) > maxDatagram || !c.HaveDatagrams() {
		return false
	}
	b := frame{kind: kindDatagram, channel: c.index, payload: head}.bytes(body...)
	if !s.out.sendDatagram(b, c.gramOdds) {
		s.count.datagramsDropped.Add(1)
		return false
	}
	s.count.datagramsOut.Add(1)
	s.count.bytesOut.Add(uint64(len(b)))
	return true
}

// OnDatagram sets who gets the datagrams.
func (c datagrams) OnDatagram(f func([]byte)) {
	if !c.onDatagram.CompareAndSwap(nil, &f) {
		panic("p2ptest: OnDatagram was called before")
	}
}

// receiveDatagram hands a datagram on. One that makes no sense is dropped: it
// could come from anybody.
func (s *session) receiveDatagram(b []byte) {
	f, err := parseFrame(b)
	if err != nil || f.kind != kindDatagram || int(f.channel) >= len(s.channels) {
		return
	}
	s.count.bytesIn.Add(uint64(len(b)))
	s.count.datagramsIn.Add(1)
	if on := s.channels[f.channel].onDatagram.Load(); on != nil && s.Err() == nil {
		(*on)(f.payload)
		spoil(f.payload)
	}
}
