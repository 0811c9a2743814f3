package mtls

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A wire joins two ends in memory, as a socket would: what is written waits in a
// buffer of bounded size, and an end that is closed with unread bytes takes back
// what it has written last. Once it is pulled it carries nothing more, not even
// the end of one of them, and says nothing about it.
type wire struct{ pulled atomic.Bool }

const wireBuffer = 256 << 10

// newWire returns the two ends.
func newWire() (*wire, *wireEnd, *wireEnd) {
	w := new(wire)
	x, y := newHalf(), newHalf()
	return w, &wireEnd{w, x, y}, &wireEnd{w, y, x}
}

// A half carries bytes one way.
type half struct {
	mu       sync.Mutex
	change   sync.Cond
	buf      []byte
	ended    bool      // by the writer: the rest may be read
	shut     bool      // by the reader
	readBy   time.Time // zero: no deadline
	writeBy  time.Time
	readEnd  *time.Timer
	writeEnd *time.Timer
}

func newHalf() *half {
	h := new(half)
	h.change.L = &h.mu
	return h
}

func late(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

type wireEnd struct {
	*wire
	in, out *half
}

func (e *wireEnd) Read(b []byte) (int, error) {
	h := e.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 {
		switch {
		case h.shut:
			return 0, net.ErrClosed
		case late(h.readBy):
			return 0, os.ErrDeadlineExceeded
		case h.ended:
			return 0, io.EOF
		}
		h.change.Wait()
	}
	n := copy(b, h.buf)
	h.buf = h.buf[n:]
	h.change.Broadcast()
	return n, nil
}

func (e *wireEnd) Write(b []byte) (int, error) {
	h := e.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for sent := 0; ; {
		switch {
		case h.ended:
			return sent, net.ErrClosed
		case late(h.writeBy):
			return sent, os.ErrDeadlineExceeded
		case e.pulled.Load() || h.shut:
			return len(b), nil
		}
		n := min(len(b)-sent, wireBuffer-len(h.buf))
		h.buf = append(h.buf, b[sent:sent+n]...)
		h.change.Broadcast()
		if sent += n; sent == len(b) {
			return sent, nil
		}
		h.change.Wait()
	}
}

func (e *wireEnd) CloseWrite() error {
	if !e.pulled.Load() {
		e.out.set(func(h *half) { h.ended = true })
	}
	return nil
}

func (e *wireEnd) Close() error {
	if e.pulled.Load() { // the far end must not notice: give this one halves of its own
		e.in.set(func(h *half) { h.shut = true })
		return nil
	}
	unread := false
	e.in.set(func(h *half) {
		unread = len(h.buf) > 0 && !h.shut
		h.shut = true
	})
	e.out.set(func(h *half) {
		if h.ended = true; unread {
			h.buf = nil // as a reset does
		}
	})
	return nil
}

func (h *half) set(f func(*half)) {
	h.mu.Lock()
	f(h)
	h.mu.Unlock()
	h.change.Broadcast()
}

// until sets a deadline and wakes who waits when it passes.
func (h *half) until(by *time.Time, end **time.Timer, t time.Time) {
	h.set(func(h *half) {
		*by = t
		if *end != nil {
			(*end).Stop()
		}
		if wait := time.Until(t); !t.IsZero() && wait > 0 {
			*end = time.AfterFunc(wait, func() { h.set(func(*half) {}) })
		}
	})
}

func (e *wireEnd) SetReadDeadline(t time.Time) error {
	e.in.until(&e.in.readBy, &e.in.readEnd, t)
	return nil
}

func (e *wireEnd) SetWriteDeadline(t time.Time) error {
	e.out.until(&e.out.writeBy, &e.out.writeEnd, t)
	return nil
}

func (e *wireEnd) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

type wireAddr struct{}

func (wireAddr) Network() string { return "wire" }
func (wireAddr) String() string  { return "wire" }

func (e *wireEnd) LocalAddr() net.Addr  { return wireAddr{} }
func (e *wireEnd) RemoteAddr() net.Addr { return wireAddr{} }
