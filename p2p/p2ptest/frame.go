package p2ptest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unicode/utf8"

	"kith/node"
	"kith/p2p"
)

// A frame is what goes over a line:
//
//	1 byte   kind
//	2 bytes  channel   of messages and datagrams, else 0
//	2 bytes  code      of messages, else 0
//	4 bytes  length    of the payload
//	         payload
type frame struct {
	kind    kind
	channel uint16
	code    uint16
	payload []byte
}

type kind byte

const (
	kindID       kind = iota + 1 // payload: 32 bytes, who the sender is
	kindHello                    // payload: see appendHello
	kindMsg                      // payload: the protocol's
	kindClose                    // payload: 1 byte reason, then text; nothing follows
	kindReset                    // the sender's process was killed; nothing follows
	kindDatagram                 // payload: the protocol's
	kindAsk                      // let us have a carrier for datagrams
	kindAnswer                   // payload: why there is none; empty: it is there
)

const (
	headerSize = 9
	// maxMessage is the most that the payload of a message may have.
	maxMessage = 16 << 20
	maxText    = 1024 // of the text in kindClose and kindAnswer
	maxCaps    = 256
)

// A frameError says where a frame stopped making sense.
type frameError struct {
	offset int
	reason string
}

func (e *frameError) Error() string {
	return fmt.Sprintf("p2ptest: bad frame at byte %d: %s", e.offset, e.reason)
}

// bytes encodes f, whose payload is followed by more.
func (f frame) bytes(more ...byte) []byte {
	b := make([]byte, 0, headerSize+len(f.payload)+len(more))
	b = append(b, byte(f.kind))
	b = binary.BigEndian.AppendUint16(b, f.channel)
	b = binary.BigEndian.AppendUint16(b, f.code)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.payload)+len(more)))
	return append(append(b, f.payload...), more...)
}

// parseFrame reads what bytes writes. The payload shares memory with b.
func parseFrame(b []byte) (f frame, err error) {
	if len(b) < headerSize {
		return f, &frameError{len(b), "the header needs 9 bytes"}
	}
	f = frame{
		kind:    kind(b[0]),
		channel: binary.BigEndian.Uint16(b[1:]),
		code:    binary.BigEndian.Uint16(b[3:]),
		payload: b[headerSize:len(b):len(b)],
	}
	switch n := binary.BigEndian.Uint32(b[5:]); {
	case f.kind < kindID || f.kind > kindAnswer:
		return f, &frameError{0, "no such kind"}
	case uint64(n) != uint64(len(f.payload)):
		return f, &frameError{5, "the length is not that of the payload"}
	case n > maxMessage:
		return f, &frameError{5, "too long"}
	}
	return f, nil
}

// closing is the frame that tells the peer why we end the session.
func closing(reason p2p.DiscReason, text string) []byte {
	return frame{kind: kindClose, payload: []byte{byte(reason)}}.bytes([]byte(shorten(text))...)
}

// shorten cuts text to maxText bytes, between characters.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func parseClosing(b []byte) (*p2p.DisconnectError, error) {
	if len(b) < 1 || len(b) > 1+maxText {
		return nil, &frameError{headerSize, "not a reason to close"}
	}
	return &p2p.DisconnectError{Reason: p2p.DiscReason(b[0]), Text: string(b[1:]), Remote: true}, nil
}

func parseID(b []byte) (id node.ID, err error) {
	if len(b) != len(id) {
		return id, &frameError{headerSize, "not an id"}
	}
	return node.ID(b), nil
}

// appendHello encodes a hello:
//
//	1 byte   length of the name, then the name
//	6 bytes  version
//	2 bytes  listen port
//	8 bytes  epoch
//	1 byte   length of the address: 0, 4 or 16; then the address, and if there
//	         is one 2 bytes port
//	2 bytes  number of capabilities, each
//	         1 byte length of the name, the name, 8 bytes version
func appendHello(b []byte, h p2p.Hello) ([]byte, error) {
	if len(h.Name) > 255 || len(h.Caps) > maxCaps {
		return nil, fmt.Errorf("p2ptest: hello with a name of %d bytes and %d capabilities: %w", len(h.Name), len(h.Caps), p2p.ErrTooLarge)
	}
	b = append(append(b, byte(len(h.Name))), h.Name...)
	for _, v := range h.Version {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b = binary.BigEndian.AppendUint16(b, h.ListenPort)
	b = binary.BigEndian.AppendUint64(b, h.Epoch)
	addr := h.You.Addr().Unmap().AsSlice()
	b = append(append(b, byte(len(addr))), addr...)
	if len(addr) > 0 {
		b = binary.BigEndian.AppendUint16(b, h.You.Port())
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Caps)))
	for _, c := range h.Caps {
		if len(c.Name) > 255 {
			return nil, fmt.Errorf("p2ptest: capability with a name of %d bytes: %w", len(c.Name), p2p.ErrTooLarge)
		}
		b = append(append(b, byte(len(c.Name))), c.Name...)
		b = binary.BigEndian.AppendUint64(b, uint64(c.Version))
	}
	return b, nil
}

// A cursor reads numbers and texts until there are not enough bytes left.
type cursor struct {
	b    []byte
	read int
	err  error
}

func (c *cursor) next(n int) []byte {
	if c.err == nil && len(c.b)-c.read < n {
		c.err = &frameError{c.read, "it ends too early"}
	}
	if c.err != nil {
		return make([]byte, n) // n is at most 255
	}
	c.read += n
	return c.b[c.read-n : c.read]
}

func (c *cursor) uint16() uint16 { return binary.BigEndian.Uint16(c.next(2)) }
func (c *cursor) uint64() uint64 { return binary.BigEndian.Uint64(c.next(8)) }
func (c *cursor) short() []byte  { return c.next(int(c.next(1)[0])) }

// parseHello reads what appendHello writes.
func parseHello(b []byte) (h p2p.Hello, err error) {
	c := &cursor{b: b}
	h.Name = string(c.short())
	h.Version = [3]uint16{c.uint16(), c.uint16(), c.uint16()}
	h.ListenPort, h.Epoch = c.uint16(), c.uint64()
	if addr := c.short(); len(addr) > 0 {
		ip, ok := netip.AddrFromSlice(addr)
		if !ok || ip.Is4In6() {
			return h, &frameError{c.read, "not an address"}
		}
		h.You = netip.AddrPortFrom(ip, c.uint16())
	}
	n := c.uint16()
	if n > maxCaps {
		return h, &frameError{c.read, "too many capabilities"}
	}
	for range n {
		name := string(c.short())
		h.Caps = append(h.Caps, p2p.Cap{Name: name, Version: uint(c.uint64())})
		if c.err != nil {
			return h, c.err
		}
	}
	if c.err == nil && c.read != len(b) {
		return h, &frameError{c.read, "something follows the hello"}
	}
	return h, c.err
}
