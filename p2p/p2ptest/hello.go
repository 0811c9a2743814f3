package p2ptest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kith/node"
	"kith/p2p"
)

// The calls of a session come in an order.
var (
	errHello = errors.New("p2ptest: Hello was called before")
	errOpen  = errors.New("p2ptest: Open must come once, after Hello")
)

// proveDialler says who we are, and ends the session unless it is want who
// answers.
func (s *session) proveDialler(ctx context.Context, want node.ID) error {
	ours := s.t.ID()
	s.send(frame{kind: kindID, payload: ours[:]}.bytes())
	id, err := s.readID(ctx)
	if err == nil && !want.IsZero() && id != want {
		err = fmt.Errorf("%s answered: %w", id.Short(), p2p.DiscUnexpectedIdentity)
		s.end(err, closing(p2p.DiscUnexpectedIdentity, ""), true)
	}
	if err != nil {
		s.end(err, frame{kind: kindReset}.bytes(), true)
		return err
	}
	return s.proved(id)
}

// proveAcceptor says who we are to somebody who has.
func (s *session) proveAcceptor(ctx context.Context, since time.Time) error {
	id, err := s.readID(ctx)
	if err != nil {
		return err
	}
	s.rtt.Store(int64(time.Since(since)))
	ours := s.t.ID()
	s.send(frame{kind: kindID, payload: ours[:]}.bytes())
	return s.proved(id)
}

func (s *session) readID(ctx context.Context) (node.ID, error) {
	f, err := s.next(ctx, kindID)
	if err != nil {
		return node.ID{}, err
	}
	return parseID(f.payload)
}

func (s *session) proved(id node.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.stage = id, stageProved
	return s.err
}

// Hello exchanges hellos; the dialler's goes first.
func (s *session) Hello(ctx context.Context, ours p2p.Hello, decide func(p2p.Hello) error) (p2p.Hello, error) {
	s.mu.Lock()
	err := s.err
	if err == nil && s.stage != stageProved {
		err = errHello
	} else {
		s.stage = stageHello
	}
	s.mu.Unlock()
	if err != nil {
		return p2p.Hello{}, err
	}
	theirs, err := s.exchange(ctx, ours, decide)
	if err != nil {
		s.Close(err)
		return p2p.Hello{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = stageReady
	return theirs, s.err
}

func (s *session) exchange(ctx context.Context, ours p2p.Hello, decide func(p2p.Hello) error) (theirs p2p.Hello, err error) {
	ours.You = s.remote
	b, err := appendHello(nil, ours)
	if err != nil {
		return theirs, err
	}
	b = frame{kind: kindHello, payload: b}.bytes()
	if s.dialled {
		s.send(b)
	}
	f, err := s.next(ctx, kindHello)
	if err != nil {
		s.end(&p2p.DisconnectError{Reason: p2p.DiscReadTimeout, Text: "no hello"}, closing(p2p.DiscReadTimeout, "no hello"), true)
		return theirs, err
	}
	if theirs, err = parseHello(f.payload); err != nil {
		return theirs, s.breach(err)
	}
	if theirs.Version[0] != ours.Version[0] {
		return theirs, fmt.Errorf("the peer has version %d, we have %d: %w", theirs.Version[0], ours.Version[0], p2p.DiscIncompatibleVersion)
	}
	if err := decide(theirs); err != nil {
		return theirs, err
	}
	if !s.dialled {
		s.send(b)
	}
	return theirs, nil
}
