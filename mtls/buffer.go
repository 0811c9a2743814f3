package mtls

import "io"

// A buffer holds what was read and not yet parsed: buf[r:w].
type buffer struct {
	buf  []byte
	r, w int
}

// readSize fits the rest of a frame and a whole TLS record after it: a read
// never gives more than one record.
const readSize = 2 * maxFrame

// frame reads one frame and no more than it needs to look at, for the time
// before the reader runs. The payload is valid until the next call.
func (b *buffer) frame(from io.Reader) (header, []byte, error) {
	b.compact()
	if err := b.need(from, headerSize); err != nil {
		return header{}, nil, err
	}
	h := parseHeader(b.buf[b.r:])
	if err := h.check(); err != nil {
		return h, nil, err
	}
	if h.length > maxControl {
		return h, nil, breach("frame of kind %d before hello", h.kind)
	}
	if err := b.need(from, headerSize+h.length); err != nil {
		return h, nil, err
	}
	payload := b.buf[b.r+headerSize : b.r+headerSize+h.length]
	b.r += headerSize + h.length
	return h, payload, nil
}

// need reads until there are n bytes.
func (b *buffer) need(from io.Reader, n int) error {
	for b.w-b.r < n {
		if err := b.fill(from); err != nil {
			if err == io.EOF && b.w > b.r {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// fill reads once. There must be room.
func (b *buffer) fill(from io.Reader) error {
	n, err := from.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	return err
}

// compact makes room by moving what is left to the front.
func (b *buffer) compact() {
	if b.r == b.w {
		b.r, b.w = 0, 0
	} else if len(b.buf)-b.w < maxFrame {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
}

// grow gives the buffer the size that the reader needs.
func (b *buffer) grow() {
	buf := make([]byte, readSize)
	b.w = copy(buf, b.buf[b.r:b.w])
	b.r, b.buf = 0, buf
}
