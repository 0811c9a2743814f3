package mtls

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"kith/p2p"
)

// reading is what the reader alone touches, but for deaf.
type reading struct {
	touched []*channel  // those with a batch
	deaf    atomic.Bool // closing: what comes is thrown away
}

func (s *session) readLoop() {
	defer s.left()
	err := s.read()
	if d, ok := errors.AsType[*p2p.DisconnectError](err); ok && !d.Remote {
		s.shut(err) // a breach: the peer is told
		drain(s.conn)
	}
	s.fail(err)
}

// read takes frames until the session ends. Its error says why.
func (s *session) read() error {
	in := &s.in
	for {
		if err := s.parse(); err != nil {
			return err
		}
		s.deliver()
		in.compact()
		n, err := s.conn.Read(in.buf[in.w:])
		if n > 0 {
			s.rate.heard.Store(int64(time.Since(s.began)))
			in.w += n
		} else if err != nil {
			return s.broken(err)
		}
		if s.deaf.Load() {
			in.r, in.w = 0, 0
		}
	}
}

// parse takes all whole frames of the buffer.
func (s *session) parse() error {
	in := &s.in
	msgs := uint64(0)
	defer func() { s.msgsIn.Add(msgs) }()
	for in.w-in.r >= headerSize {
		b := in.buf[in.r:in.w]
		h := parseHeader(b)
		if err := h.check(); err != nil {
			return err
		}
		if len(b) < headerSize+h.length {
			return nil
		}
		in.r += headerSize + h.length
		payload := b[headerSize : headerSize+h.length : headerSize+h.length]
		if h.kind < kindMessage || h.kind > kindCredit {
			if err := s.control(h, payload); err != nil {
				return err
			}
			continue
		}
		if int(h.channel) >= len(s.channels) {
			return breach("frame for protocol %d of %d", h.channel, len(s.channels))
		}
		c := s.channels[h.channel]
		if h.kind == kindCredit {
			s.addCredit(c, binary.BigEndian.Uint32(payload))
			continue
		}
		if h.kind != kindMore {
			if uint64(h.code) >= c.length {
				return breach("code %d on %v, which has %d", h.code, c.cap, c.length)
			}
			msgs++
		}
		if err := c.take(h, payload); err != nil {
			return err
		}
	}
	return nil
}

// take is where a frame of a message goes.
func (c *channel) take(h header, payload []byte) error {
	total := len(payload)
	if h.kind == kindFirst {
		total = int(binary.BigEndian.Uint32(payload))
	}
	if total > c.most && h.kind != kindMore {
		return breach("a message of %d bytes on %v, at most %d", total, c.cap, c.most)
	}
	if c.direct.Load() != nil {
		return c.receiveDirect(h, payload)
	}
	return c.receive(h, payload)
}

// deliver gives what was gathered to those who do their own queueing.
func (s *session) deliver() {
	for _, c := range s.touched {
		if !s.deaf.Load() {
			c.direct.Load().deliver(c.batch)
		}
		clear(c.batch)
		c.batch = c.batch[:0]
	}
	s.touched = s.touched[:0]
}

// control takes a frame that is not a message's.
func (s *session) control(h header, payload []byte) error {
	switch h.kind {
	case kindPing:
		s.mu.Lock()
		s.pong = slices.Clone(payload)
		s.kickLocked()
		s.mu.Unlock()
	case kindPong:
		s.rate.back(binary.BigEndian.Uint64(payload), time.Since(s.began))
	case kindDisconnect:
		return parseFarewell(payload)
	case kindAsk:
		return s.grams.asked()
	case kindNone:
		s.grams.refused(payload)
	case kindRenewed:
		s.renewed(payload)
	case kindHello, kindRefused, kindAttach, kindAttached:
		return breach("frame of kind %d after hello", h.kind)
	}
	return nil
}
