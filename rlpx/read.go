package rlpx

import (
	"errors"
	"time"
)

func (s *Session) readLoop() {
	err := s.read()
	if d, ok := errors.AsType[*DisconnectError](err); ok && !d.Remote {
		s.shut(d) // a breach: the peer is told
	} else if !s.deaf.Load() {
		s.mu.Lock()
		if s.lost != nil && !ok {
			err = s.lost
		}
		s.mu.Unlock()
		s.fail(err)
	}
	s.finish()
}

// read takes frames until the session ends. Its error says why.
func (s *Session) read() error {
	in := &s.conn.in
	for got := false; ; {
		frame, err := in.parse()
		if frame != nil {
			got = true
			if err = s.handle(frame); err == nil {
				continue
			}
		}
		s.deliver()
		if err != nil {
			return err
		}
		if got {
			s.hearNow()
			got = false
		}
		if err := in.fill(); err != nil {
			return s.broken(err)
		}
		if s.deaf.Load() {
			return s.cause()
		}
	}
}

// hearNow notes that a frame has come.
func (s *Session) hearNow() { s.heard.Store(int64(time.Since(s.began))) }

// handle takes the data of a frame.
func (s *Session) handle(frame []byte) error {
	code, rest, err := parseMessage(frame)
	if err != nil {
		return err
	}
	if code < firstCode {
		return s.control(code, rest)
	}
	for _, c := range s.channels {
		if code >= c.first+c.length {
			continue
		}
		data, err := payload(rest, s.compress, c.most)
		if err != nil {
			return err
		}
		s.msgsIn.Add(1)
		if len(c.batch) == 0 {
			s.touched = append(s.touched, c)
		}
		c.batch = append(c.batch, Msg{code - c.first, data})
		if s.pending += len(data); s.pending >= batchBytes || len(c.batch) >= batchMessages {
			s.deliver()
		}
		return nil
	}
	return breach("message %#x, which no protocol has", code)
}

// control takes a message of the base protocol. Those that have no meaning any
// more are ignored.
func (s *Session) control(code uint64, rest []byte) error {
	switch code {
	case codeDisconnect:
		return &DisconnectError{Reason: parseReason(rest), Remote: true}
	case codePing:
		s.pong()
	case codePong:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answered(time.Since(s.began))
	}
	return nil
}

// deliver hands on what was gathered.
func (s *Session) deliver() {
	for _, c := range s.touched {
		c.deliver()
	}
	s.touched, s.pending = s.touched[:0], 0
}
