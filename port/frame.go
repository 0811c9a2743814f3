package port

import (
	"encoding/binary"
	"fmt"
)

// A kind is the code of a message of the protocol. Each message is one frame:
// a head of fixed size, drawn here in bytes and big endian, and a body. Who
// opened a stream is its opener, the other side its acceptor; each side numbers
// the streams that it opens.
type kind uint8

const (
	// kindOpen, opener: stream 4, port 2, reply window 4, largest reply 4,
	// generation wanted or 0 8. Asks for a port.
	kindOpen kind = 0
	// kindOpened, acceptor: stream 4, mode 1, window 4, largest message 4,
	// generation 8, length of name 1. Body: the name of the port.
	kindOpened kind = 1
	// kindClose, acceptor: stream 4, error code 1, detail 8. Body: text. The
	// stream is not open, or no longer.
	kindClose kind = 2
	// kindLeave, opener: stream 4. Nothing more comes on the stream.
	kindLeave kind = 3
	// kindRequest, opener: request 4, stream 4, index 4, timeout in ms or 0 4.
	// Body: the whole request.
	kindRequest kind = 4
	// kindRequestFirst is kindRequest with total size 4. Body: the first
	// fragment.
	kindRequestFirst kind = 5
	// kindRequestMore, opener: request 4, stream 4. Body: the next fragment.
	kindRequestMore kind = 6
	// kindReply, acceptor: request 4, stream 4. Body: the whole reply.
	kindReply kind = 7
	// kindReplyFirst is kindReply with total size 4. Body: the first fragment.
	kindReplyFirst kind = 8
	// kindReplyMore, acceptor: request 4, stream 4. Body: the next fragment.
	kindReplyMore kind = 9
	// kindError, acceptor: request 4, error code 1, detail 8. Body: text. It
	// answers a request in place of a reply.
	kindError kind = 10
	// kindCancel, opener: request 4. The request is still answered once.
	kindCancel kind = 11
	// kindSend, opener: stream 4. Body: a whole one-way message.
	kindSend kind = 12
	// kindSendFirst, opener: stream 4, total size 4. Body: the first fragment.
	kindSendFirst kind = 13
	// kindSendMore, opener: stream 4. Body: the next fragment.
	kindSendMore kind = 14
	// kindAbort, opener: stream 4. The one-way message begun is not finished.
	kindAbort kind = 15
	// kindCredit, acceptor: stream 4, bytes 4. The opener may send as many more.
	kindCredit kind = 16
	// kindReplyCredit, opener: stream 4, bytes 4. The acceptor may send as many
	// more.
	kindReplyCredit kind = 17
	// kindDatagram, opener: stream 4. Body: an unreliable message, for want of a
	// carrier of datagrams.
	kindDatagram kind = 18
	// kindPing, either: token 4. Answered by kindPong with the token.
	kindPing kind = 19
	kindPong kind = 20

	// kinds is how many there are; those from there to codes are skipped.
	kinds = 21
	codes = 32
)

var headSize = [kinds]int{
	kindOpen: 22, kindOpened: 22, kindClose: 13, kindLeave: 4,
	kindRequest: 16, kindRequestFirst: 20, kindRequestMore: 8,
	kindReply: 8, kindReplyFirst: 12, kindReplyMore: 8,
	kindError: 13, kindCancel: 4,
	kindSend: 4, kindSendFirst: 8, kindSendMore: 4, kindAbort: 4,
	kindCredit: 8, kindReplyCredit: 8, kindDatagram: 4, kindPing: 4, kindPong: 4,
}

// maxHead is the longest head.
const maxHead = 22

// A frame is any of them; a kind uses the fields that its head has.
type frame struct {
	kind    kind
	mode    Mode
	code    code
	port    uint16
	id      uint32 // the head's first field: a stream, a request or a token
	stream  uint32
	index   uint32
	timeout uint32
	total   uint32
	window  uint32 // or the bytes of a credit
	max     uint32
	detail  uint64 // or a generation
	body    []byte
}

// appendHead appends the head to b.
func (f *frame) appendHead(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, f.id)
	switch f.kind {
	case kindOpen:
		b = be.AppendUint16(b, f.port)
		b = be.AppendUint32(b, f.window)
		b = be.AppendUint32(b, f.max)
		b = be.AppendUint64(b, f.detail)
	case kindOpened:
		b = append(b, byte(f.mode))
		b = be.AppendUint32(b, f.window)
		b = be.AppendUint32(b, f.max)
		b = be.AppendUint64(b, f.detail)
		b = append(b, byte(len(f.body)))
	case kindClose, kindError:
		b = append(b, byte(f.code))
		b = be.AppendUint64(b, f.detail)
	case kindRequest, kindRequestFirst:
		b = be.AppendUint32(b, f.stream)
		b = be.AppendUint32(b, f.index)
		b = be.AppendUint32(b, f.timeout)
		if f.kind == kindRequestFirst {
			b = be.AppendUint32(b, f.total)
		}
	case kindReplyFirst:
		b = be.AppendUint32(b, f.stream)
		b = be.AppendUint32(b, f.total)
	case kindRequestMore, kindReply, kindReplyMore:
		b = be.AppendUint32(b, f.stream)
	case kindSendFirst:
		b = be.AppendUint32(b, f.total)
	case kindCredit, kindReplyCredit:
		b = be.AppendUint32(b, f.window)
	}
	return b
}

// A frameError says what is wrong with a frame.
type frameError struct {
	kind kind
	size int
	want int
}

func (e *frameError) Error() string {
	return fmt.Sprintf("port: frame of kind %d with %d bytes, want %d", e.kind, e.size, e.want)
}

// parse reads the frame of kind k, which is below kinds. The body shares memory
// with p. Bytes after the fields of a frame without a body are for later
// versions and are skipped.
func (f *frame) parse(k kind, p []byte) error {
	size := headSize[k]
	if len(p) < size {
		return &frameError{k, len(p), size}
	}
	be := binary.BigEndian
	*f = frame{kind: k, id: be.Uint32(p), body: p[size:]}
	switch k {
	case kindRequest, kindRequestFirst:
		f.stream = be.Uint32(p[4:])
		f.index = be.Uint32(p[8:])
		f.timeout = be.Uint32(p[12:])
		if k == kindRequestFirst {
			f.total = be.Uint32(p[16:])
		}
	case kindReplyFirst:
		f.stream = be.Uint32(p[4:])
		f.total = be.Uint32(p[8:])
	case kindRequestMore, kindReply, kindReplyMore:
		f.stream = be.Uint32(p[4:])
	case kindSendFirst:
		f.total = be.Uint32(p[4:])
	case kindOpen:
		f.port = be.Uint16(p[4:])
		f.window = be.Uint32(p[6:])
		f.max = be.Uint32(p[10:])
		f.detail = be.Uint64(p[14:])
		f.body = nil
	case kindOpened:
		f.mode = Mode(p[4])
		f.window = be.Uint32(p[5:])
		f.max = be.Uint32(p[9:])
		f.detail = be.Uint64(p[13:])
		n := int(p[21])
		if len(f.body) < n {
			return &frameError{k, len(p), size + n}
		}
		f.body = f.body[:n]
	case kindClose, kindError:
		f.code = code(p[4])
		f.detail = be.Uint64(p[5:])
	case kindCredit, kindReplyCredit:
		f.window = be.Uint32(p[4:])
		f.body = nil
	case kindLeave, kindCancel, kindAbort, kindPing, kindPong:
		f.body = nil
	}
	return nil
}
