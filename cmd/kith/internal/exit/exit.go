// Package exit says how the command ends: every error has a code, a sentence
// and, where there is one, the next thing to try.
//
// Start with [Errorf] where an error is made, and [Report] where the command
// ends. What is reported goes to standard error and nowhere else.
package exit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Code is what the process ends with.
type Code int

// The codes are part of the command's promise: scripts rely on them.
const (
	OK          Code = 0
	Failed      Code = 1   // anything that has no code of its own
	Usage       Code = 2   // the command line
	Config      Code = 3   // configuration or certificates
	NoNode      Code = 4   // no running node
	Timeout     Code = 5   // it took too long
	NotFound    Code = 6   // no such peer or port
	Refused     Code = 7   // the peer said no
	Partly      Code = 8   // some of it was done
	Superseded  Code = 9   // a newer generation of the node took over
	Interrupted Code = 130 // Ctrl-C
)

// An Error is an error with a code and a hint.
type Error struct {
	// Code is what the process ends with.
	Code Code
	// Err says what was tried, on what, and why it failed.
	Err error
	// Hint is what to do about it, if possible a command. It may be empty.
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error; format may use %w.
func Errorf(code Code, hint, format string, args ...any) *Error {
	return &Error{Code: code, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// With gives err a code and a hint, unless it has them or is nil.
func With(err error, code Code, hint string) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &Error{Code: code, Err: err, Hint: hint}
}

// CodeOf is the code of any error; nil is OK.
func CodeOf(err error) Code {
	var known *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &known):
		return known.Code
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failed
}

// Report writes an error as "kith: error: …", its further lines indented, and
// its hint as "kith: hint: …". It returns the error's code. Nil writes nothing,
// nor does being interrupted, since whoever interrupts knows.
func Report(w io.Writer, err error) Code {
	code := CodeOf(err)
	if code == OK || code == Interrupted {
		return code
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n  ")
	fmt.Fprintf(w, "kith: error: %s\n", text)
	var known *Error
	if errors.As(err, &known) && known.Hint != "" {
		fmt.Fprintf(w, "kith: hint: %s\n", known.Hint)
	}
	return code
}
