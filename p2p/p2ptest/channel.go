package p2ptest

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"kith/p2p"
)

// A channel is one protocol on one end of a session.
type channel struct {
	s        *session
	index    uint16
	length   uint64
	most     int // bytes of a message
	out      *window
	in       *inbox
	odds     chance // of messages; guarded by s.out.mu
	gramOdds chance // of datagrams; guarded by s.out.mu

	onDatagram atomic.Pointer[func([]byte)]
	direct     atomic.Pointer[attachment]
	woken      atomic.Bool // fill has something, or there is room again
}

// What Open gives out has the methods of what it offers and no others.
type (
	stream    struct{ *channel }
	direct    struct{ *channel }
	datagrams struct{ *channel }
)

func (c *channel) offer(withDirect, withDatagrams bool) p2p.MsgReadWriter {
	switch {
	case withDirect && withDatagrams:
		return struct {
			stream
			direct
			datagrams
		}{stream{c}, direct{c}, datagrams{c}}
	case withDirect:
		return struct {
			stream
			direct
		}{stream{c}, direct{c}}
	case withDatagrams:
		return struct {
			stream
			datagrams
		}{stream{c}, datagrams{c}}
	}
	return stream{c}
}

// Open starts reading.
func (s *session) Open(channels []p2p.Channel) ([]p2p.MsgReadWriter, error) {
	if len(channels) > math.MaxUint16 {
		return nil, fmt.Errorf("p2ptest: open %d channels: %w", len(channels), p2p.ErrTooLarge)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.stage != stageReady {
		return nil, errOpen
	}
	s.stage = stageOpen
	rws := make([]p2p.MsgReadWriter, len(channels))
	for i, ch := range channels {
		c := &channel{
			s: s, index: uint16(i), length: ch.Length, most: maxMessage, out: newWindow(), in: newInbox(),
			odds: s.chance("messages", i), gramOdds: s.chance("datagrams", i),
		}
		if ch.MaxMessage > 0 {
			c.most = min(c.most, ch.MaxMessage)
		}
		s.channels = append(s.channels, c)
		rws[i] = c.offer(!s.t.NoDirect, !s.t.NoDatagrams)
	}
	s.loops.Go(s.readLoop)
	return rws, nil
}

// readLoop takes what arrives until the session ends.
func (s *session) readLoop() {
	for {
		select {
		case <-s.done:
			return
		default:
		}
		a := s.in.take(time.Now(), math.MaxInt)
		s.count.datagramsDropped.Add(uint64(a.dropped))
		for _, b := range a.stream {
			if !s.receive(b) {
				return
			}
		}
		s.deliver()
		for _, b := range a.grams {
			s.receiveDatagram(b)
		}
		if a.broken {
			s.broken()
		} else if len(a.stream)+len(a.grams) == 0 {
			s.wait(context.Background(), a.next)
		}
	}
}

// receive handles one frame; false ends the reader.
func (s *session) receive(b []byte) bool {
	s.count.bytesIn.Add(uint64(len(b)))
	f, err := parseFrame(b)
	if err == nil && (f.kind == kindClose || f.kind == kindReset) {
		s.deliver() // what came before
		return !s.over(f)
	}
	if err == nil {
		err = s.sort(f)
	}
	if err != nil {
		s.deliver()
		s.breach(err)
		return false
	}
	return true
}

func (s *session) sort(f frame) error {
	switch f.kind {
	case kindMsg:
		if int(f.channel) >= len(s.channels) {
			return &frameError{1, "no such channel"}
		}
		c := s.channels[f.channel]
		if uint64(f.code) >= c.length {
			return fmt.Errorf("message %d of %d codes: %w", f.code, c.length, p2p.ErrBadCode)
		}
		if len(f.payload) > c.most {
			return fmt.Errorf("message of %d bytes, at most %d: %w", len(f.payload), c.most, p2p.ErrTooLarge)
		}
		s.count.msgsIn.Add(1)
		c.in.put(p2p.Msg{Code: uint64(f.code), Payload: f.payload})
	case kindAsk:
		s.answer()
	case kindAnswer:
		s.carrier.answer(string(f.payload))
	default:
		return &frameError{0, "not the kind that comes now"}
	}
	return nil
}

// size is what a message takes of a window.
func size(n int) int { return headerSize + n }

// read tells the sender that so many bytes have been read.
func (c *channel) read(n int) {
	peer := c.s.peer
	peer.mu.Lock()
	channels := peer.channels
	peer.mu.Unlock()
	if int(c.index) < len(channels) {
		if theirs := channels[c.index]; theirs.out.give(n) {
			theirs.wake()
		}
	}
}

// check says what is wrong with a message.
func (c *channel) check(code uint64, n, limit int) error {
	if code >= c.length || code > math.MaxUint16 {
		return fmt.Errorf("p2ptest: message %d of %d codes: %w", code, c.length, p2p.ErrBadCode)
	}
	if limit = min(limit, c.most); n > limit {
		return fmt.Errorf("p2ptest: message of %d bytes, at most %d: %w", n, limit, p2p.ErrTooLarge)
	}
	return nil
}

// write sends a message for which there is room.
func (c *channel) write(code uint64, head, body []byte) {
	b := frame{kind: kindMsg, channel: c.index, code: uint16(code), payload: head}.bytes(body...)
	c.s.count.msgsOut.Add(1)
	c.s.count.bytesOut.Add(uint64(len(b)))
	c.s.out.send(b, c.odds)
}

func (c *channel) post(code uint64, head, body []byte, limit int) error {
	n := len(head) + len(body)
	if err := c.check(code, n, limit); err != nil {
		return err
	}
	if err := c.out.take(size(n)); err != nil {
		return err
	}
	c.write(code, head, body)
	return nil
}

func (c *channel) end(err error, discard bool) {
	c.out.end(err)
	c.in.end(err, discard)
}

// WriteMsg sends a message, or waits.
func (c stream) WriteMsg(m p2p.Msg) error { return c.post(m.Code, m.Payload, nil, maxMessage) }

// ReadMsg waits for a message.
func (c stream) ReadMsg() (p2p.Msg, error) {
	m, err := c.in.get()
	if err == nil {
		c.read(size(len(m.Payload)))
	}
	return m, err
}

// attachment is what Attach was given.
type attachment struct {
	deliver func([]p2p.Msg)
	fill    func(put func(code uint64, head, body []byte) bool)
}
