package wire

import (
	"encoding/binary"
	"fmt"
)

// An Error says where bytes stopped making sense.
type Error struct {
	What   string // the message or part that was being read
	Reason string
}

func (e *Error) Error() string { return "gossip: parse " + e.What + ": " + e.Reason }

func bad(what, format string, args ...any) error {
	return &Error{what, fmt.Sprintf(format, args...)}
}

// A cursor reads fields from the front. After the first shortage everything it
// returns is zero and short tells.
type cursor struct {
	b     []byte
	short bool
}

// take returns the next n bytes, which share memory with the input.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// size reads an unsigned varint that must not exceed what is left.
func (c *cursor) size() int {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > uint64(len(c.b)-n) {
		c.short, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return int(v)
}

// sized reads a length of one byte and that many bytes, which share memory
// with the input.
func (c *cursor) sized() []byte { return c.take(int(c.u8())) }

// signature reads what sized does, if it can be a signature.
func (c *cursor) signature() []byte {
	v := c.sized()
	if len(v) > MaxSignature {
		c.short, c.b = true, nil
		return nil
	}
	return v
}

var be = binary.BigEndian

func appendSized(b, v []byte) []byte { return append(append(b, byte(len(v))), v...) }
