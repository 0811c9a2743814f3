package rlpx

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"

	"github.com/golang/snappy"

	"kith/rlp"
)

const (
	headerSize = 16
	blockSize  = 16
	// frameStart is what comes before the data of a frame.
	frameStart = headerSize + macSize
	// maxData is the most that a header can claim, and what a message may have
	// before it is compressed.
	maxData = 1<<24 - 1
	// maxCode is the most that the number of a message takes of a frame.
	maxCode = 9
)

// ErrTooLarge is wrapped by the error for a message that does not fit in a frame,
// where bytes that cannot be compressed may grow by a sixth, or is longer than its
// protocol's MaxMessage.
var ErrTooLarge = errors.New("message too large")

// appendMessage appends a frame that holds one message: not encrypted, and with
// room for its MACs. It leaves b as it is if there is an error.
func appendMessage(b []byte, code uint64, data []byte, compress bool) ([]byte, error) {
	if len(data) > maxData {
		return b, tooLarge(len(data), maxData)
	}
	start := len(b)
	b = append(b, make([]byte, frameStart)...)
	b = rlp.AppendUint(b, code)
	if compress {
		b = slices.Grow(b, snappy.MaxEncodedLen(len(data)))
		b = b[:len(b)+len(snappy.Encode(b[len(b):cap(b)], data))]
	} else {
		b = append(b, data...)
	}
	size := len(b) - start - frameStart
	if size > maxData {
		return b[:start], fmt.Errorf("rlpx: message of %d bytes has %d in a frame, at most %d: %w", len(data), size, maxData, ErrTooLarge)
	}
	copy(b[start:], []byte{byte(size >> 16), byte(size >> 8), byte(size), 0xc2, 0x80, 0x80})
	return append(b, zeros[:padded(size)-size+macSize]...), nil
}

func tooLarge(n, most int) error {
	return fmt.Errorf("rlpx: message of %d bytes, at most %d: %w", n, most, ErrTooLarge)
}

var zeros [blockSize + macSize]byte

// padded is the size of data in a frame.
func padded(size int) int { return (size + blockSize - 1) &^ (blockSize - 1) }

// frameSize is the size that stands in a header.
func frameSize(header []byte) int {
	return int(header[0])<<16 | int(header[1])<<8 | int(header[2])
}

// A sealer encrypts the frames of one direction.
type sealer struct {
	stream cipher.Stream
	mac    mac
	left   int // bytes still to come of the data of the frame that was begun
}

// seal encrypts, in place, what appendMessage has appended, about most bytes of
// it, and returns how many are done. The next call goes on from there.
func (s *sealer) seal(b []byte, most int) (n int) {
	for n < len(b) && n < most {
		if s.left == 0 {
			h := b[n : n+headerSize]
			s.left = padded(frameSize(h))
			s.stream.XORKeyStream(h, h)
			copy(b[n+headerSize:], s.mac.header(h))
			n += frameStart
		}
		part := b[n : n+min(s.left, max(most-n, blockSize))]
		s.stream.XORKeyStream(part, part)
		s.mac.body(part)
		n += len(part)
		if s.left -= len(part); s.left == 0 {
			copy(b[n:], s.mac.frame())
			n += macSize
		}
	}
	return n
}
