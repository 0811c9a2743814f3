package port

import "fmt"

// A Mode says what a port takes and whether it answers. Both ends enforce it.
type Mode uint8

const (
	// Send takes messages in the order in which one Client sent them, one at a
	// time, loses none while the session lives, and answers nothing.
	Send Mode = 1
	// Request takes requests, many at a time, and answers each.
	Request Mode = 2
	// Unreliable takes messages of at most [MaxUnreliable] bytes that may be
	// lost, doubled or overtaken, and never holds up their sender.
	Unreliable Mode = 3
)

// String is "send", "request" or "unreliable".
func (m Mode) String() string {
	switch m {
	case Send:
		return "send"
	case Request:
		return "request"
	case Unreliable:
		return "unreliable"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// MarshalText writes what String does.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what String writes.
func (m *Mode) UnmarshalText(text []byte) error {
	for _, known := range []Mode{Send, Request, Unreliable} {
		if string(text) == known.String() {
			*m = known
			return nil
		}
	}
	return fmt.Errorf("port: mode %q: want send, request or unreliable", text)
}

func (m Mode) valid() bool { return m >= Send && m <= Unreliable }

// takes says in a few words what a port of the mode is for.
func (m Mode) takes() string {
	switch m {
	case Send:
		return "messages only (mode send)"
	case Request:
		return "requests only (mode request)"
	case Unreliable:
		return "unreliable messages only (mode unreliable)"
	}
	return "an unknown mode"
}
