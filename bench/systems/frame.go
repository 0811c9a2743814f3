package systems

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// A frame is how the systems without messages of their own carry ours:
//
//	1 byte   kind
//	4 bytes  id      a reply carries the id of its request
//	4 bytes  length
type frame struct {
	kind byte
	id   uint32
	data *[]byte // pooled: whoever is done with it puts it back
}

const (
	kindEcho = iota
	kindBulk
	kindOneWay
	frameHeader = 9
	frameLimit  = 2 << 20
)

var buffers = sync.Pool{New: func() any { return new([]byte) }}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func buffer(n int) *[]byte {
	b := buffers.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

// readFrame reads one into a pooled buffer, or into a new one that is the
// caller's to keep.
func readFrame(r *bufio.Reader, pooled bool) (f frame, err error) {
	h, err := r.Peek(frameHeader)
	if err != nil {
		return f, err
	}
	f.kind, f.id = h[0], binary.BigEndian.Uint32(h[1:])
	n := binary.BigEndian.Uint32(h[5:])
	if n > frameLimit {
		return f, fmt.Errorf("frame of %d bytes", n)
	}
	r.Discard(frameHeader)
	if pooled {
		f.data = buffer(int(n))
	} else {
		b := make([]byte, n)
		f.data = &b
	}
	_, err = io.ReadFull(r, *f.data)
	return f, err
}

// writeFrame writes one in one Write, which must not keep it.
func writeFrame(w io.Writer, kind byte, id uint32, data []byte) error {
	b := buffer(frameHeader + len(data))
	defer buffers.Put(b)
	putHeader((*b)[:frameHeader], kind, id, len(data))
	copy((*b)[frameHeader:], data)
	_, err := w.Write(*b)
	return err
}

func putHeader(h []byte, kind byte, id uint32, n int) {
	h[0] = kind
	binary.BigEndian.PutUint32(h[1:], id)
	binary.BigEndian.PutUint32(h[5:], uint32(n))
}
