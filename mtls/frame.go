package mtls

import (
	"encoding/binary"
	"fmt"

	"kith/p2p"
)

// A header starts every frame, big endian:
//
//	1 byte   kind
//	1 byte   channel  position of the protocol in the list that both sides run; 0 where it says nothing
//	2 bytes  code     of the message; 0 where it says nothing
//	2 bytes  length   of the payload that follows, at most 16378
//
// So a full frame is one TLS record. A frame of a kind from 0x80 on that the
// receiver does not know is skipped, one below is a breach of protocol.
type header struct {
	kind    kind
	channel uint8
	code    uint16
	length  int
}

const (
	headerSize = 6
	maxFrame   = 16384 // what one TLS record carries
	maxPayload = maxFrame - headerSize
	maxControl = 4096 // payload of every frame that is not a message's
)

// A kind says what the payload of a frame is.
type kind uint8

// The kinds. Their numbers are for good.
const (
	kindHello      kind = 1  // who we are and what we run: the first frame each way
	kindRefused    kind = 2  // instead of a hello: text. Nothing follows
	kindDisconnect kind = 3  // reason u8, text. Nothing follows
	kindPing       kind = 4  // 8 bytes
	kindPong       kind = 5  // the same 8 bytes
	kindMessage    kind = 6  // a whole message
	kindFirst      kind = 7  // total u32, then the first bytes of a message of that length
	kindMore       kind = 8  // more of it
	kindCredit     kind = 9  // u32: so many more bytes may be sent on the channel
	kindAsk        kind = 10 // to the side that dialled: dial the carrier of datagrams
	kindNone       kind = 11 // answer to ask: text, why there is no such carrier
	kindAttach     kind = 12 // first on a carrier of datagrams: name 16 bytes, proof 32 bytes
	kindAttached   kind = 13 // answer to attach: this connection carries the datagrams
	kindRenewed    kind = 14 // our new certificate and those above it, DER, one after the other
)

// unlimited in a credit frame lifts the window of its channel for good.
const unlimited = 1<<32 - 1

func (h header) append(b []byte) []byte {
	return append(b, byte(h.kind), h.channel, byte(h.code>>8), byte(h.code), byte(h.length>>8), byte(h.length))
}

// parseHeader reads the first headerSize bytes of b, which must be there.
func parseHeader(b []byte) header {
	return header{
		kind:    kind(b[0]),
		channel: b[1],
		code:    binary.BigEndian.Uint16(b[2:]),
		length:  int(binary.BigEndian.Uint16(b[4:])),
	}
}

// check says whether a frame may be as long as its header claims, before any of
// it is read.
func (h header) check() error {
	low, high := 0, maxControl
	switch h.kind {
	case kindMessage:
		high = maxPayload
	case kindFirst:
		low, high = 5, maxPayload
	case kindMore:
		low, high = 1, maxPayload
	case kindPing, kindPong:
		low, high = 8, 8
	case kindCredit:
		low, high = 4, 4
	case kindAsk, kindAttached:
		high = 0
	case kindDisconnect, kindRenewed:
		low = 1
	case kindAttach:
		low, high = attachSize, attachSize
	case kindHello, kindRefused, kindNone:
	default:
		if h.kind < 0x80 {
			return breach("frame of unknown kind %d", h.kind)
		}
	}
	if h.length < low || h.length > high {
		return breach("frame of kind %d with %d bytes, want %d to %d", h.kind, h.length, low, high)
	}
	return nil
}

// appendFrame writes a whole frame that belongs to no channel.
func appendFrame(b []byte, k kind, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	b = header{kind: k, length: n}.append(b)
	for _, p := range payload {
		b = append(b, p...)
	}
	return b
}

// breach is what the peer is told when it does not keep to the protocol.
func breach(format string, args ...any) error {
	return &p2p.DisconnectError{Reason: p2p.DiscProtocolError, Text: fmt.Sprintf(format, args...)}
}

// farewell is the payload of a disconnect frame.
func farewell(reason p2p.DiscReason, text string) []byte {
	return append([]byte{byte(reason)}, clip(text)...)
}

// parseFarewell reads a disconnect frame, which is not empty.
func parseFarewell(b []byte) error {
	return &p2p.DisconnectError{Reason: p2p.DiscReason(b[0]), Text: clean(b[1:]), Remote: true}
}
