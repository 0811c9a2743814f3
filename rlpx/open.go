package rlpx

import (
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/golang/snappy"

	"kith/rlp"
)

const (
	// minBuffer is what an idle connection reads into.
	minBuffer = 512
	// batchBuffer is how much is read at a time where much comes.
	batchBuffer = 64 << 10
	// calmReads is how many reads in a row must have brought little before the
	// buffer is made small again.
	calmReads = 8
)

// An opener reads and decrypts the frames of one direction. Its buffer grows when
// a read has filled it, so with the bytes that have come and not with what a
// header claims, and shrinks when little comes.
type opener struct {
	conn   io.Reader
	stream cipher.Stream
	mac    mac
	limit  int // the most that a frame may claim

	buf  []byte
	r, w int  // what is unread is buf[r:w]
	full bool // the last read has filled buf
	calm int  // reads that have brought little

	size int // of the data of the frame that has begun; 0 before its header
	done int // how much of it, with its zeros, is decrypted
}

// next waits for a frame and returns its data, valid until the next call.
func (o *opener) next() ([]byte, error) {
	for {
		if data, err := o.parse(); data != nil || err != nil {
			return data, err
		}
		if err := o.fill(); err != nil {
			return nil, err
		}
	}
}

// parse returns the data of the next frame, nil if not all of it has come. It is
// valid until the next fill. Nothing is handed out before its MAC was right.
func (o *opener) parse() ([]byte, error) {
	if o.size == 0 {
		if o.w-o.r < frameStart {
			return nil, nil
		}
		if err := o.header(o.buf[o.r : o.r+frameStart]); err != nil {
			return nil, err
		}
		o.r += frameStart
	}
	b, whole := o.buf[o.r:o.w], padded(o.size)
	if n := min(len(b), whole); n > o.done {
		part := b[o.done:n]
		o.mac.body(part)
		o.stream.XORKeyStream(part, part)
		o.done = n
	}
	if len(b) < whole+macSize {
		return nil, nil
	}
	if subtle.ConstantTimeCompare(o.mac.frame(), b[whole:whole+macSize]) != 1 {
		return nil, breach("wrong MAC of a frame")
	}
	data := b[:o.size:o.size]
	o.r += whole + macSize
	o.size, o.done = 0, 0
	return data, nil
}

// header takes the header of a frame with its MAC.
func (o *opener) header(b []byte) error {
	h := b[:headerSize]
	if subtle.ConstantTimeCompare(o.mac.header(h), b[headerSize:]) != 1 {
		return breach("wrong MAC of a header")
	}
	o.stream.XORKeyStream(h, h)
	o.size = frameSize(h)
	if o.size == 0 {
		return breach("empty frame")
	}
	if o.size > o.limit {
		return breach("frame of %d bytes, at most %d", o.size, o.limit)
	}
	return nil
}

// fill reads once. What parse has returned is not valid any more.
func (o *opener) fill() error {
	if o.r > 0 {
		o.w = copy(o.buf, o.buf[o.r:o.w])
		o.r = 0
	}
	o.resize()
	n, err := o.conn.Read(o.buf[o.w:])
	o.w += n
	o.full = o.w == len(o.buf)
	if o.w <= len(o.buf)/4 && o.frame() <= len(o.buf)/4 {
		o.calm++
	} else {
		o.calm = 0
	}
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// resize makes the buffer larger if the last read has filled it, or small if it
// need not be large.
func (o *opener) resize() {
	size, most := len(o.buf), max(o.frame(), batchBuffer)
	switch {
	case size == 0:
		size = minBuffer
	case o.full && size < most:
		size = min(2*size, most)
	case size > maxKept && max(o.w, most) == batchBuffer:
		size = batchBuffer
	case o.calm >= calmReads:
		size, o.calm = max(minBuffer, 2*o.w), 0
	}
	if size != len(o.buf) {
		buf := make([]byte, size)
		copy(buf, o.buf[:o.w])
		o.buf = buf
	}
}

// frame is how much the frame that has begun still takes up in the buffer.
func (o *opener) frame() int {
	if o.size == 0 {
		return 0
	}
	return padded(o.size) + macSize
}

// parseMessage takes the data of a frame apart. What is compressed stays so.
func parseMessage(data []byte) (code uint64, rest []byte, err error) {
	code, rest, err = rlp.SplitUint(data)
	if err != nil {
		return 0, nil, breach("the number of a message is no integer")
	}
	return code, rest, nil
}

// payload returns a copy of what a message holds, decompressed if need be. What
// is claimed is checked before memory is taken for it: against the most that it
// may have, and against the most that so many bytes can stand for.
func payload(b []byte, compressed bool, most int) ([]byte, error) {
	if !compressed {
		if len(b) > most {
			return nil, breach("message of %d bytes, at most %d", len(b), most)
		}
		if len(b) == 0 {
			return nil, nil
		}
		return append(make([]byte, 0, len(b)), b...), nil
	}
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, breach("broken snappy")
	}
	if n > most {
		return nil, breach("message of %d bytes, at most %d", n, most)
	}
	if n > maxExpansion(len(b)) {
		return nil, breach("snappy claims %d bytes from %d", n, len(b))
	}
	if n == 0 {
		return nil, checkEmpty(b)
	}
	out, err := snappy.Decode(make([]byte, n), b)
	if err != nil {
		return nil, breach("broken snappy")
	}
	return out, nil
}

// maxExpansion is the most that n bytes of snappy can stand for: its best element
// copies 64 bytes and takes 3.
func maxExpansion(n int) int { return 64 * (n/3 + 1) }

// checkEmpty refuses what claims to be nothing and is not.
func checkEmpty(b []byte) error {
	if _, err := snappy.Decode(nil, b); err != nil {
		return breach("broken snappy")
	}
	return nil
}

// breach is an error of the peer's.
func breach(format string, args ...any) error {
	return &DisconnectError{Reason: ProtocolError, Text: fmt.Sprintf(format, args...)}
}
