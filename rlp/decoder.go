package rlp

import (
	"io"
)

// A Decoder reads values from a stream. It reads no byte beyond the value that it
// returns, and a few bytes at a time, so give it a bufio.Reader for a connection.
// It is for one goroutine.
type Decoder struct {
	r     io.Reader
	limit int
	buf   []byte // the last value
}

// defaultLimit is the limit of a Decoder that is given none.
const defaultLimit = 16 << 20

// NewDecoder returns a Decoder that refuses values whose encoding is larger than
// limit bytes, with ErrTooLarge. Zero is 16 MiB.
func NewDecoder(r io.Reader, limit int) *Decoder {
	if limit <= 0 {
		limit = defaultLimit
	}
	return &Decoder{r: r, limit: limit}
}

// Decode reads the next value into what v points to, as [Unmarshal] does. At the
// end of the stream it returns io.EOF, within a value io.ErrUnexpectedEOF. After
// an error that is not a *DecodeError the stream cannot be read further.
func (d *Decoder) Decode(v any) error {
	raw, err := d.Next()
	if err != nil {
		return err
	}
	err = Unmarshal(raw, v)
	d.drop()
	return err
}

// Next reads the next value as it is. It is valid until the next call, and only
// its outer head is checked. The errors are those of Decode.
func (d *Decoder) Next() (Raw, error) {
	d.drop()
	if err := d.read(1); err != nil {
		return nil, err
	}
	n, err := d.readHead()
	if err == nil {
		err = d.read(n)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		_, _, _, err = head(d.buf)
	}
	if err != nil {
		return nil, err
	}
	return d.buf[:len(d.buf):len(d.buf)], nil
}

// drop empties the buffer, and keeps it unless it is large.
func (d *Decoder) drop() {
	if cap(d.buf) > maxScratch {
		d.buf = nil
	}
	d.buf = d.buf[:0]
}

// readHead reads the rest of a head and tells the size of the content after it.
func (d *Decoder) readHead() (int, error) {
	c := d.buf[0]
	switch {
	case c < emptyString:
		return 0, d.fits(0)
	case c <= emptyString+55:
		return int(c - emptyString), d.fits(uint64(c - emptyString))
	case c < emptyList:
		return d.readSize(int(c - emptyString - 55))
	case c <= emptyList+55:
		return int(c - emptyList), d.fits(uint64(c - emptyList))
	}
	return d.readSize(int(c - emptyList - 55))
}

// readSize reads a size in n bytes.
func (d *Decoder) readSize(n int) (int, error) {
	if err := d.read(n); err != nil {
		return 0, err
	}
	var size uint64
	for _, c := range d.buf[1:] {
		size = size<<8 | uint64(c)
	}
	return int(size), d.fits(size)
}

// fits tells whether content of that size is within the limit.
func (d *Decoder) fits(size uint64) error {
	if uint64(len(d.buf))+size > uint64(d.limit) || size > uint64(d.limit) {
		return ErrTooLarge
	}
	return nil
}

// read appends n bytes to the buffer, which grows with what has arrived.
func (d *Decoder) read(n int) error {
	for n > 0 {
		have := len(d.buf)
		chunk := min(n, max(512, have))
		if cap(d.buf)-have < chunk {
			d.buf = append(d.buf, make([]byte, chunk)...)
		}
		d.buf = d.buf[:have+chunk]
		got, err := io.ReadFull(d.r, d.buf[have:])
		d.buf = d.buf[:have+got]
		if err != nil {
			return err
		}
		n -= chunk
	}
	return nil
}
