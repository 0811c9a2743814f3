package rlp

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

const (
	emptyString = 0x80
	emptyList   = 0xc0
)

// AppendUint appends an integer.
func AppendUint(dst []byte, x uint64) []byte {
	if x-1 < 0x7f { // 1 to 127
		return append(dst, byte(x))
	}
	n := (bits.Len64(x) + 7) / 8
	end := len(dst)
	if cap(dst)-end < 9 {
		return appendLongUint(dst, x, n)
	}
	b := dst[end : end+9] // eight bytes in one store, of which n stay
	b[0] = emptyString + byte(n)
	binary.BigEndian.PutUint64(b[1:], x<<(64-8*n))
	return dst[:end+1+n]
}

func appendLongUint(dst []byte, x uint64, n int) []byte {
	var b [9]byte
	b[0] = emptyString + byte(n)
	binary.BigEndian.PutUint64(b[1:], x<<(64-8*n))
	return append(dst, b[:1+n]...)
}

// AppendBig appends an integer. Nil is 0; ErrNegative leaves dst as it is.
func AppendBig(dst []byte, x *big.Int) ([]byte, error) {
	if x == nil || x.Sign() == 0 {
		return append(dst, emptyString), nil
	}
	if x.Sign() < 0 {
		return dst, ErrNegative
	}
	if x.IsUint64() {
		return AppendUint(dst, x.Uint64()), nil
	}
	n := (x.BitLen() + 7) / 8
	dst = appendHead(dst, emptyString, n)
	dst = append(dst, make([]byte, n)...) // extends in place: the compiler makes no slice
	x.FillBytes(dst[len(dst)-n:])
	return dst, nil
}

// AppendBytes appends a string.
func AppendBytes(dst, b []byte) []byte {
	if len(b) == 1 && b[0] < 0x80 {
		return append(dst, b[0])
	}
	if len(b) <= 55 {
		dst = append(dst, emptyString+byte(len(b)))
	} else {
		dst = appendHead(dst, emptyString, len(b))
	}
	return append(dst, b...)
}

// AppendString appends a string.
func AppendString(dst []byte, s string) []byte {
	if len(s) == 1 && s[0] < 0x80 {
		return append(dst, s[0])
	}
	if len(s) <= 55 {
		dst = append(dst, emptyString+byte(len(s)))
	} else {
		dst = appendHead(dst, emptyString, len(s))
	}
	return append(dst, s...)
}

// AppendListHead appends the head of a list; the size bytes of its content must follow.
func AppendListHead(dst []byte, size int) []byte {
	return appendHead(dst, emptyList, size)
}

// WrapList makes a list of the values from dst[start] on, for who does not know
// their size beforehand:
//
//	start := len(dst)
//	dst = rlp.AppendUint(dst, x)
//	dst = rlp.AppendString(dst, s)
//	return rlp.WrapList(dst, start)
func WrapList(dst []byte, start int) []byte {
	return closeList(dst, start, 0)
}

// UintSize is how many bytes AppendUint appends.
func UintSize(x uint64) int {
	if x < 0x80 {
		return 1
	}
	return 1 + (bits.Len64(x)+7)/8
}

// BytesSize is how many bytes AppendBytes appends.
func BytesSize(b []byte) int {
	if len(b) == 1 && b[0] < 0x80 {
		return 1
	}
	return headSize(len(b)) + len(b)
}

// StringSize is how many bytes AppendString appends.
func StringSize(s string) int {
	if len(s) == 1 && s[0] < 0x80 {
		return 1
	}
	return headSize(len(s)) + len(s)
}

// ListSize is how many bytes a list with size bytes of content takes.
func ListSize(size int) int { return headSize(size) + size }

func headSize(size int) int {
	if size <= 55 {
		return 1
	}
	return 1 + (bits.Len64(uint64(size))+7)/8
}

func appendHead(dst []byte, base byte, size int) []byte {
	switch {
	case size <= 55:
		return append(dst, base+byte(size))
	case size < 1<<8:
		return append(dst, base+56, byte(size))
	case size < 1<<16:
		return append(dst, base+57, byte(size>>8), byte(size))
	}
	n := headSize(size)
	dst = openHead(dst, n)
	putHead(dst[len(dst)-n:], base, size)
	return dst
}

// putHead writes a head to b, which has room for it.
func putHead(b []byte, base byte, size int) {
	if size <= 55 {
		b[0] = base + byte(size)
		return
	}
	n := headSize(size) - 1
	b[0] = base + 55 + byte(n)
	for i := n; i > 0; i-- {
		b[i] = byte(size)
		size >>= 8
	}
}

// openHead makes room for a head of room bytes.
func openHead(dst []byte, room int) []byte {
	for range room {
		dst = append(dst, 0)
	}
	return dst
}

// closeList writes the head of the list that starts at dst[start] into the room
// that openHead has made, and moves the content if that is not enough. It must
// not be too much.
func closeList(dst []byte, start, room int) []byte {
	size := len(dst) - start - room
	need := headSize(size)
	if need > room {
		dst = openHead(dst, need-room)
		copy(dst[start+need:], dst[start+room:])
	}
	putHead(dst[start:], emptyList, size)
	return dst
}
