package p2p

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// Errors that callers compare with. ErrClosed is a net.ErrClosed.
var (
	ErrNoTransport = errors.New("p2p: no Transport: set PrivateKey for RLPx, or Transport")
	// ErrTwoTransports: PrivateKey makes a Transport, so there cannot be another.
	ErrTwoTransports = errors.New("p2p: PrivateKey and Transport are both set: PrivateKey is for RLPx alone")
	ErrClosed        = fmt.Errorf("p2p: server closed: %w", net.ErrClosed)
	ErrNotRunning    = errors.New("p2p: server not started")
	ErrNoAddress     = errors.New("no address known")
	ErrBackOff       = errors.New("failed a moment ago")
	ErrTooLarge      = errors.New("message too large")
	ErrBadCode       = errors.New("message code out of range")
	ErrPendingLimit  = errors.New("too many pending handshakes")
	ErrThrottled     = errors.New("address throttled")
	ErrRestricted    = errors.New("address outside NetRestrict")
	ErrNoDial        = errors.New("NoDial is set")
)

// A DiscReason is why a session ended, in the numbers of devp2p's Disconnect
// message. Those from 0x20 on are ours. It is an error, to compare with
// errors.Is.
type DiscReason uint8

// The reasons.
const (
	DiscRequested           DiscReason = 0x00
	DiscNetworkError        DiscReason = 0x01
	DiscProtocolError       DiscReason = 0x02
	DiscUselessPeer         DiscReason = 0x03
	DiscTooManyPeers        DiscReason = 0x04
	DiscAlreadyConnected    DiscReason = 0x05
	DiscIncompatibleVersion DiscReason = 0x06
	DiscInvalidIdentity     DiscReason = 0x07
	DiscQuitting            DiscReason = 0x08
	DiscUnexpectedIdentity  DiscReason = 0x09
	DiscSelf                DiscReason = 0x0a
	DiscReadTimeout         DiscReason = 0x0b
	DiscSubprotocolError    DiscReason = 0x10
	// DiscIdle: nobody used the session.
	DiscIdle DiscReason = 0x20
	// DiscSuperseded: a newer run of the same node has taken its place.
	DiscSuperseded DiscReason = 0x21
	// DiscRefused: the other side does not accept who we are; the text says why.
	DiscRefused DiscReason = 0x22
	// DiscUnreadable: the other side gave a reason that cannot be read.
	DiscUnreadable DiscReason = 0xff
)

var discText = map[DiscReason]string{
	DiscRequested:           "disconnect requested",
	DiscNetworkError:        "network error",
	DiscProtocolError:       "breach of protocol",
	DiscUselessPeer:         "no shared protocol",
	DiscTooManyPeers:        "too many peers",
	DiscAlreadyConnected:    "already connected",
	DiscIncompatibleVersion: "incompatible version",
	DiscInvalidIdentity:     "invalid identity",
	DiscQuitting:            "shutting down",
	DiscUnexpectedIdentity:  "unexpected identity",
	DiscSelf:                "connected to ourselves",
	DiscReadTimeout:         "read timeout",
	DiscSubprotocolError:    "protocol error",
	DiscIdle:                "idle",
	DiscSuperseded:          "superseded by a newer generation",
	DiscRefused:             "refused",
	DiscUnreadable:          "a reason that cannot be read",
}

// Error is the reason in words.
func (r DiscReason) Error() string {
	if text, ok := discText[r]; ok {
		return text
	}
	return fmt.Sprintf("unknown reason %#02x", uint8(r))
}

// A DisconnectError says that a session was ended, by whom and why.
type DisconnectError struct {
	Reason DiscReason
	// Text is what the other side, or we, said beside the reason. It may be
	// empty.
	Text string
	// Remote tells that the other side ended it.
	Remote bool
}

func (e *DisconnectError) Error() string {
	text := e.Reason.Error()
	if e.Text != "" && e.Text != text {
		if (e.Reason == DiscRefused || e.Reason == DiscSubprotocolError) && !strings.HasPrefix(e.Text, text) {
			text += ": " + e.Text
		} else {
			text = e.Text
		}
	}
	if e.Remote {
		return "peer said: " + text
	}
	return text
}

// Unwrap gives the DiscReason.
func (e *DisconnectError) Unwrap() error { return e.Reason }

// Disconnection says what to tell the peer when a session is closed for reason:
// a *DisconnectError's own code and text, the DiscReason that reason wraps with
// its text, else DiscSubprotocolError with the text. nil is DiscRequested.
func Disconnection(reason error) (DiscReason, string) {
	if reason == nil {
		return DiscRequested, ""
	}
	var d *DisconnectError
	if errors.As(reason, &d) && !d.Remote {
		return d.Reason, d.Text
	}
	var code DiscReason
	if errors.As(reason, &code) {
		if text := reason.Error(); text != code.Error() {
			return code, text
		}
		return code, ""
	}
	return DiscSubprotocolError, reason.Error()
}
