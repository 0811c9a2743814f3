package port

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Errors that callers compare with, by errors.Is. ErrClosed is a net.ErrClosed.
// When a deadline passes the error is a context.DeadlineExceeded.
var (
	// ErrNoPort: the node has no handler at this number.
	ErrNoPort = errors.New("no such port")
	// ErrWrongMode is a *ModeError, which says what the port takes.
	ErrWrongMode = errors.New("wrong mode")
	// ErrBusy: the node has no room for the call; it was not run.
	ErrBusy = errors.New("busy")
	// ErrTooLarge is a *TooLargeError, which says what the limit is.
	ErrTooLarge = errors.New("message too large")
	// ErrClosed: the session ended, or the Client or the Mux was closed. A
	// request may have been run.
	ErrClosed = fmt.Errorf("port: %w", net.ErrClosed)
	// ErrStale: another run of the node than the one asked for is there.
	ErrStale = errors.New("stale generation")
	// ErrDraining: the node is about to leave and takes no new work.
	ErrDraining = errors.New("draining")
	// ErrInUse: the number has a handler already.
	ErrInUse = errors.New("port already in use")
)

// A ModeError says that a port was used against its mode.
type ModeError struct{ Mode Mode } // Mode is the port's own.

func (e *ModeError) Error() string { return "wrong mode: the port takes " + e.Mode.takes() }

// Is tells that it is an ErrWrongMode.
func (e *ModeError) Is(target error) bool { return target == ErrWrongMode }

// A TooLargeError says that a message, or the reply to it, is over a limit.
type TooLargeError struct {
	// Size is how large it is; 0 if the other side did not say.
	Size int
	// Limit is the most that is allowed, in bytes.
	Limit int
	// Reply tells that it is the reply.
	Reply bool
}

func (e *TooLargeError) Error() string {
	what := "message"
	if e.Reply {
		what = "reply"
	}
	if e.Size == 0 {
		return fmt.Sprintf("%s too large: the limit is %d bytes", what, e.Limit)
	}
	return fmt.Sprintf("%s too large: %d bytes, the limit is %d", what, e.Size, e.Limit)
}

// Is tells that it is an ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// A RemoteError is what a handler of the other side failed with.
type RemoteError struct {
	// Message is the text of the handler's error, at most 1 KiB of it, or
	// "panic: " and what it panicked with.
	Message string
}

func (e *RemoteError) Error() string { return "handler failed: " + e.Message }

// A breach is something that no honest peer sends. It ends the session.
type breach struct{ what string }

func (e *breach) Error() string { return "port: breach of protocol: " + e.what }

// The codes of errors on the wire. They only grow.
type code uint8

const (
	codeHandler   code = 1 // text: the handler's
	codeNoPort    code = 2
	codeWrongMode code = 3 // detail: the port's mode
	codeBusy      code = 4 // text: what there is too much of
	codeTooLarge  code = 5 // detail: the limit
	codeReplySize code = 6 // detail: size << 32 | limit
	codeStale     code = 7 // detail: the generation that is there
	codeDraining  code = 8
	codeCanceled  code = 9
	codeDeadline  code = 10
	codeClosed    code = 11
)

// refusal makes the error that a code, its detail and its text stand for.
func refusal(c code, detail uint64, text string) error {
	switch c {
	case codeHandler:
		return &RemoteError{text}
	case codeNoPort:
		return ErrNoPort
	case codeWrongMode:
		return &ModeError{Mode(detail)}
	case codeBusy:
		if text != "" {
			return fmt.Errorf("%w: %s", ErrBusy, text)
		}
		return ErrBusy
	case codeTooLarge:
		return &TooLargeError{Limit: int(uint32(detail))}
	case codeReplySize:
		return &TooLargeError{Size: int(detail >> 32), Limit: int(uint32(detail)), Reply: true}
	case codeStale:
		return fmt.Errorf("%w: generation %d is there", ErrStale, detail)
	case codeDraining:
		return ErrDraining
	case codeCanceled:
		return context.Canceled
	case codeDeadline:
		return context.DeadlineExceeded
	case codeClosed:
		return ErrClosed
	}
	return &RemoteError{fmt.Sprintf("error %d: %s", c, text)}
}
