package mtls

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"kith/p2p"
)

// A hello frame is
//
//	4 bytes  "kith"
//	1 byte   the lowest version of these frames that the sender speaks
//	1 byte   the highest
//
// and then fields, each a tag of 1 byte, a length of 2 bytes and a value:
//
//	1  name          text
//	2  version       3 times 2 bytes
//	3  capability    version 4 bytes, name; once for each
//	4  listen port   2 bytes
//	5  epoch         8 bytes
//	6  you           IP address of 4 or 16 bytes, port 2 bytes
//	7  max message   4 bytes: longer messages are not taken
//
// A field with another tag is skipped, a field that is missing is zero.
type hello struct {
	p2p.Hello
	low, high  uint8
	maxMessage uint32
}

const (
	helloMagic  = "kith"
	lowVersion  = 1
	highVersion = 1
)

const (
	fieldName       = 1
	fieldVersion    = 2
	fieldCap        = 3
	fieldPort       = 4
	fieldEpoch      = 5
	fieldYou        = 6
	fieldMaxMessage = 7
)

func appendField(b []byte, tag byte, values ...[]byte) []byte {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	b = append(b, tag, byte(n>>8), byte(n))
	for _, v := range values {
		b = append(b, v...)
	}
	return b
}

// append writes the payload of a hello frame.
func (h *hello) append(b []byte) []byte {
	b = append(b, helloMagic...)
	b = append(b, h.low, h.high)
	b = appendField(b, fieldName, []byte(clip(h.Name)))
	var v []byte
	for _, n := range h.Version {
		v = binary.BigEndian.AppendUint16(v, n)
	}
	b = appendField(b, fieldVersion, v)
	for _, c := range h.Caps {
		b = appendField(b, fieldCap, binary.BigEndian.AppendUint32(nil, uint32(c.Version)), []byte(c.Name))
	}
	b = appendField(b, fieldPort, binary.BigEndian.AppendUint16(nil, h.ListenPort))
	b = appendField(b, fieldEpoch, binary.BigEndian.AppendUint64(nil, h.Epoch))
	if h.You.IsValid() {
		b = appendField(b, fieldYou, h.You.Addr().Unmap().AsSlice(), binary.BigEndian.AppendUint16(nil, h.You.Port()))
	}
	return appendField(b, fieldMaxMessage, binary.BigEndian.AppendUint32(nil, h.maxMessage))
}

// parseHello reads the payload of a hello frame.
func parseHello(b []byte) (*hello, error) {
	if len(b) < len(helloMagic)+2 || string(b[:len(helloMagic)]) != helloMagic {
		return nil, breach("hello does not begin with %q", helloMagic)
	}
	h := &hello{low: b[4], high: b[5]}
	for b = b[6:]; len(b) > 0; {
		if len(b) < 3 {
			return nil, breach("hello ends within a field")
		}
		tag, n := b[0], int(binary.BigEndian.Uint16(b[1:]))
		if b = b[3:]; len(b) < n {
			return nil, breach("field %d of hello claims %d bytes, %d are left", tag, n, len(b))
		}
		if !h.set(tag, b[:n]) {
			return nil, breach("field %d of hello has %d bytes that make no sense", tag, n)
		}
		b = b[n:]
	}
	return h, nil
}

// set takes one field; false if its value cannot be right.
func (h *hello) set(tag byte, v []byte) bool {
	switch tag {
	case fieldName:
		h.Name = clean(v)
	case fieldVersion:
		if len(v) != 6 {
			return false
		}
		for i := range h.Version {
			h.Version[i] = binary.BigEndian.Uint16(v[2*i:])
		}
	case fieldCap:
		if len(v) < 5 || len(v) > 4+64 {
			return false
		}
		h.Caps = append(h.Caps, p2p.Cap{Name: string(v[4:]), Version: uint(binary.BigEndian.Uint32(v))})
	case fieldPort:
		if len(v) != 2 {
			return false
		}
		h.ListenPort = binary.BigEndian.Uint16(v)
	case fieldEpoch:
		if len(v) != 8 {
			return false
		}
		h.Epoch = binary.BigEndian.Uint64(v)
	case fieldYou:
		return h.setYou(v)
	case fieldMaxMessage:
		if len(v) != 4 {
			return false
		}
		h.maxMessage = binary.BigEndian.Uint32(v)
	}
	return true
}

func (h *hello) setYou(v []byte) bool {
	if len(v) != 4+2 && len(v) != 16+2 {
		return false
	}
	ip, _ := netip.AddrFromSlice(v[:len(v)-2])
	h.You = netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(v[len(v)-2:]))
	return true
}

// compatible says why two sides cannot talk, as the error to tell the peer.
func compatible(ours, theirs *hello) error {
	if theirs.high < ours.low || theirs.low > ours.high {
		return incompatible("frames of version %d to %d meet those of version %d to %d", ours.low, ours.high, theirs.low, theirs.high)
	}
	if ours.Version[0] != theirs.Version[0] {
		return incompatible("version %s cannot talk to version %s", versionText(ours.Version), versionText(theirs.Version))
	}
	return nil
}

func incompatible(format string, args ...any) error {
	return &p2p.DisconnectError{Reason: p2p.DiscIncompatibleVersion, Text: fmt.Sprintf(format, args...)}
}

func versionText(v [3]uint16) string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
