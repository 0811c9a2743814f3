package rlpx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/golang/snappy"

	"kith/rlp"
)

// A Reason is why a session ended, as its number stands in a disconnect message.
// It is an error, to compare with errors.Is.
type Reason uint8

// The reasons.
const (
	Requested           Reason = 0x00
	NetworkError        Reason = 0x01
	ProtocolError       Reason = 0x02
	UselessPeer         Reason = 0x03
	TooManyPeers        Reason = 0x04
	AlreadyConnected    Reason = 0x05
	IncompatibleVersion Reason = 0x06
	InvalidIdentity     Reason = 0x07
	Quitting            Reason = 0x08
	UnexpectedIdentity  Reason = 0x09
	Self                Reason = 0x0a
	ReadTimeout         Reason = 0x0b
	SubprotocolError    Reason = 0x10
	// Unreadable: the peer said something that is no reason.
	Unreadable Reason = 0xff
)

var reasonText = map[Reason]string{
	Requested:           "disconnect requested",
	NetworkError:        "network error",
	ProtocolError:       "breach of protocol",
	UselessPeer:         "no shared protocol",
	TooManyPeers:        "too many peers",
	AlreadyConnected:    "already connected",
	IncompatibleVersion: "incompatible version",
	InvalidIdentity:     "invalid identity",
	Quitting:            "shutting down",
	UnexpectedIdentity:  "unexpected identity",
	Self:                "connected to ourselves",
	ReadTimeout:         "read timeout",
	SubprotocolError:    "protocol error",
	Unreadable:          "unreadable reason",
}

// Error is the reason in words.
func (r Reason) Error() string {
	if text, ok := reasonText[r]; ok {
		return text
	}
	return fmt.Sprintf("unknown reason %#02x", uint8(r))
}

// A DisconnectError says that a session was ended, by whom and why.
type DisconnectError struct {
	Reason Reason
	// Text is what we know beside the reason. It may be empty; it does not travel.
	Text string
	// Remote tells that the other side ended it.
	Remote bool
}

func (e *DisconnectError) Error() string {
	text := e.Reason.Error()
	if strings.Contains(e.Text, text) {
		text = e.Text
	} else if e.Text != "" {
		text += ": " + e.Text
	}
	if e.Remote {
		return "peer said: " + text
	}
	return text
}

// Unwrap gives the Reason.
func (e *DisconnectError) Unwrap() error { return e.Reason }

// disconnection says what a session ends with that is closed for reason.
func disconnection(reason error) *DisconnectError {
	if reason == nil {
		return &DisconnectError{Reason: Requested}
	}
	if d, ok := errors.AsType[*DisconnectError](reason); ok && !d.Remote {
		return d
	}
	if r, ok := errors.AsType[Reason](reason); ok {
		return &DisconnectError{Reason: r}
	}
	return &DisconnectError{Reason: SubprotocolError, Text: reason.Error()}
}

// appendReason writes a disconnect message: a list of one number. A reason that
// devp2p has no number for is told as Requested.
func appendReason(b []byte, r Reason) []byte {
	if _, known := reasonText[r]; !known || r == Unreadable {
		r = Requested
	}
	return rlp.AppendUint(rlp.AppendListHead(b, rlp.UintSize(uint64(r))), uint64(r))
}

// parseReason reads a disconnect message in every form that peers send: a list or
// the number alone, with more behind it, or nothing at all; zero as an integer or as a
// byte; compressed or not, whatever was agreed. Nothing that is a reason when it
// is not compressed can be decompressed too.
func parseReason(b []byte) Reason {
	if n, err := snappy.DecodedLen(b); err == nil && n <= maxExpansion(len(b)) {
		if text, err := snappy.Decode(nil, b); err == nil {
			return readReason(text)
		}
	}
	return readReason(b)
}

func readReason(b []byte) Reason {
	if len(b) == 0 {
		return Requested
	}
	kind, content, _, err := rlp.Split(b)
	if err == nil && kind == rlp.List {
		if len(content) == 0 {
			return Requested
		}
		_, content, _, err = rlp.Split(content)
	}
	switch {
	case err != nil || len(content) > 1:
		return Unreadable
	case len(content) == 0:
		return Requested
	}
	return Reason(content[0])
}
