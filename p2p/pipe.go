package p2p

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// ErrPipeClosed is what both ends of a MsgPipe say after Close. It is a
// net.ErrClosed.
var ErrPipeClosed = fmt.Errorf("p2p: pipe closed: %w", net.ErrClosed)

const (
	// pipeRoom is how many bytes may be written to one end of a MsgPipe and not
	// be read on the other: the next writer waits. The last message may go beyond
	// it.
	pipeRoom = 256 << 10
	// pipeCost is what a message takes of that beside its payload, so that empty
	// ones are bounded too.
	pipeCost = 16
)

// A PipeEnd is one end of a MsgPipe. It is safe for concurrent use.
type PipeEnd struct{ in, out *pipe }

var _ MsgReadWriter = (*PipeEnd)(nil)

// MsgPipe gives two ends that read what the other one writes, to test a Run
// function alone. Like a session they wait when 256 KiB are unread. They need no
// network and no goroutine, and are closed together.
func MsgPipe() (a, b *PipeEnd) {
	there, back := newPipe(), newPipe()
	return &PipeEnd{in: back, out: there}, &PipeEnd{in: there, out: back}
}

// WriteMsg copies m to the other end, or waits.
func (e *PipeEnd) WriteMsg(m Msg) error { return e.out.put(m) }

// ReadMsg waits for a message. After Close it still gives what had been written.
func (e *PipeEnd) ReadMsg() (Msg, error) { return e.in.get() }

// Close ends both ends: who reads or writes, now or later, gets ErrPipeClosed.
func (e *PipeEnd) Close() error { return e.CloseWithError(ErrPipeClosed) }

// CloseWithError is Close with another error, such as a DiscReason: what Run
// would get of a session. The first one counts, and nil is ErrPipeClosed. It
// returns nil.
func (e *PipeEnd) CloseWithError(err error) error {
	if err == nil {
		err = ErrPipeClosed
	}
	e.in.close(err)
	e.out.close(err)
	return nil
}

// A pipe is one direction of a MsgPipe.
type pipe struct {
	mu         sync.Mutex // guards what follows
	room, some sync.Cond  // something was read; was written; or err is set
	msgs       []Msg
	used       int
	err        error // why no more comes
}

func newPipe() *pipe {
	p := new(pipe)
	p.room.L, p.some.L = &p.mu, &p.mu
	return p
}

func (p *pipe) put(m Msg) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.used >= pipeRoom && p.err == nil {
		p.room.Wait()
	}
	if p.err != nil {
		return p.err
	}
	p.used += pipeCost + len(m.Payload)
	p.msgs = append(p.msgs, Msg{Code: m.Code, Payload: slices.Clone(m.Payload)})
	p.some.Signal()
	return nil
}

func (p *pipe) get() (Msg, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.msgs) == 0 && p.err == nil {
		p.some.Wait()
	}
	if len(p.msgs) == 0 {
		return Msg{}, p.err
	}
	m := p.msgs[0]
	p.msgs[0] = Msg{}
	p.msgs = p.msgs[1:]
	p.used -= pipeCost + len(m.Payload)
	p.room.Signal()
	return m, nil
}

func (p *pipe) close(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.room.Broadcast()
	p.some.Broadcast()
}
