package rlpx

import (
	"context"
	"errors"
	"fmt"
)

// Hello exchanges hellos: Version and Key of ours are filled in. decide is called
// once with theirs; its error is told to the peer, closes the session and is
// returned. The side that was dialled judges before it says hello, so that the
// other's Hello returns its refusal. It takes at most five seconds. An error means
// that the session has ended.
func (s *Session) Hello(ctx context.Context, ours Hello, decide func(theirs Hello) error) (Hello, error) {
	var refusal error
	theirs, err := s.greet(ctx, ours, func(h Hello) error {
		refusal = decide(h)
		return refusal
	})
	if err == nil {
		return theirs, nil
	}
	if refusal != nil {
		s.Close(refusal)
		return Hello{}, refusal
	}
	if d, ok := errors.AsType[*DisconnectError](err); ok && !d.Remote {
		s.Close(d) // what they said makes no sense to us
	} else {
		s.fail(err)
	}
	<-s.done
	return Hello{}, fmt.Errorf("rlpx: hello: %w", s.cause())
}

func (s *Session) greet(ctx context.Context, ours Hello, decide func(theirs Hello) error) (theirs Hello, err error) {
	ours.Version, ours.Key = baseVersion, s.conn.local.Bytes()
	text := ours.append(nil)
	if len(text) >= maxHello {
		return theirs, fmt.Errorf("ours has %d bytes, at most %d can be sent: %w", len(text), maxHello-1, ErrTooLarge)
	}
	err = within(ctx, handshakeTime, s.conn.conn, func() error {
		var sayErr error
		if s.conn.dialer {
			sayErr = s.post(codeHello, text)
		}
		h, err := s.hear() // if they have hung up already, what they said is still to be read
		if d, told := errors.AsType[*DisconnectError](err); sayErr != nil && (!told || !d.Remote) {
			return sayErr
		}
		if err != nil {
			return err
		}
		theirs = h
		if s.conn.dialer {
			s.agree(theirs)
			return decide(theirs)
		}
		if err := decide(theirs); err != nil {
			return err
		}
		if err := s.post(codeHello, text); err != nil {
			return err
		}
		s.agree(theirs)
		return nil
	})
	return theirs, err
}

// hear reads one message, which must be a hello or say why there is none.
func (s *Session) hear() (h Hello, err error) {
	in := &s.conn.in
	in.limit = maxHello
	defer func() { in.limit = maxData }()
	frame, err := in.next()
	if err != nil {
		return h, err
	}
	code, rest, err := parseMessage(frame)
	switch {
	case err != nil:
		return h, err
	case code == codeDisconnect:
		return h, &DisconnectError{Reason: parseReason(rest), Remote: true}
	case code != codeHello:
		return h, breach("message %#x before hello", code)
	}
	if h, err = parseHello(rest); err != nil {
		return h, err
	}
	if h.Key != s.conn.remote.Bytes() {
		return h, &DisconnectError{Reason: UnexpectedIdentity, Text: "hello names another key than the handshake"}
	}
	return h, nil
}
