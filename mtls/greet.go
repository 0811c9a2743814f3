package mtls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"kith/p2p"
)

// Hello exchanges hellos. The side that was dialled judges first.
func (s *session) Hello(ctx context.Context, ours p2p.Hello, decide func(theirs p2p.Hello) error) (p2p.Hello, error) {
	var refusal error
	theirs, err := s.greet(ctx, ours, func(h p2p.Hello) error {
		refusal = decide(h)
		return refusal
	})
	if refusal != nil {
		s.Close(refusal)
		return p2p.Hello{}, refusal
	}
	if err == nil {
		return theirs, nil
	}
	err = explain(err)
	if d, ok := errors.AsType[*p2p.DisconnectError](err); ok && !d.Remote {
		s.Close(d) // what they said makes no sense to us
	} else {
		s.fail(err)
	}
	<-s.done
	return p2p.Hello{}, fmt.Errorf("mtls: hello with %v: %w", s.peer, err)
}

func (s *session) greet(ctx context.Context, ours p2p.Hello, decide func(theirs p2p.Hello) error) (theirs p2p.Hello, err error) {
	mine := &hello{Hello: ours, low: lowVersion, high: highVersion, maxMessage: uint32(s.cfg.maxMessage)}
	mine.You = s.peer
	payload := mine.append(nil)
	if len(payload) > maxControl {
		return theirs, fmt.Errorf("ours has %d bytes, at most %d can be sent: %w", len(payload), maxControl, p2p.ErrTooLarge)
	}
	say := func() error {
		_, err := s.conn.Write(appendFrame(nil, kindHello, payload))
		return err
	}
	err = within(ctx, s.cfg.handshake, s.conn, func() error {
		var sayErr error
		if s.dialled {
			sayErr = say()
		}
		h, err := s.hear() // if they have hung up already, what they said is still to be read
		switch {
		case sayErr != nil && !wasTold(err):
			return sayErr
		case err != nil:
			return err
		}
		if err := compatible(mine, h); err != nil {
			return err
		}
		s.theirMax = cmp.Or(int(h.maxMessage), defaultMaxMessage)
		theirs = h.Hello
		if err := decide(theirs); err != nil || s.dialled {
			return err
		}
		s.t.expect(s)
		return say()
	})
	return theirs, err
}

// wasTold tells whether an error is what the peer said.
func wasTold(err error) bool {
	err = explain(err)
	d, ok := errors.AsType[*p2p.DisconnectError](err)
	_, isAlert := errors.AsType[*alert](err)
	return isAlert || (ok && d.Remote)
}

// hear reads one frame, which must be a hello or say why there is none.
func (s *session) hear() (*hello, error) {
	h, payload, err := s.in.frame(s.conn)
	if err != nil {
		return nil, err
	}
	switch h.kind {
	case kindHello:
		return parseHello(payload)
	case kindDisconnect:
		return nil, parseFarewell(payload)
	case kindRefused:
		return nil, &p2p.DisconnectError{Reason: p2p.DiscRefused, Text: clean(payload), Remote: true}
	}
	return nil, breach("frame of kind %d before hello", h.kind)
}

// within calls f with the deadline of ctx, but at most limit, on conn.
func within(ctx context.Context, limit time.Duration, conn deadliner, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(stopped)
	})
	err := f()
	if stop() {
		return err
	}
	<-stopped
	if err == nil {
		conn.SetDeadline(time.Time{})
		return nil
	}
	return fmt.Errorf("%w (%v)", ctx.Err(), err)
}

type deadliner interface{ SetDeadline(time.Time) error }
