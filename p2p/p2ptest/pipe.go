package p2ptest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kith/p2p"
)

// A PipeEnd is one end of a MsgPipe.
type PipeEnd struct {
	out   *window // of what we write
	in    *inbox  // what we read
	other *PipeEnd
}

var _ p2p.MsgReadWriter = (*PipeEnd)(nil)

// errPipe is what a pipe says that was closed for no reason.
var errPipe = &p2p.DisconnectError{Reason: p2p.DiscRequested}

// MsgPipe gives two ends that read what the other one writes, to test a Run
// function alone. Like a session they wait when 256 KiB are unread. They need no
// network and no goroutine, and are closed together.
func MsgPipe() (a, b *PipeEnd) {
	a = &PipeEnd{out: newWindow(), in: newInbox()}
	b = &PipeEnd{out: newWindow(), in: newInbox(), other: a}
	a.other = b
	return a, b
}

// WriteMsg copies m to the other end, or waits.
func (p *PipeEnd) WriteMsg(m p2p.Msg) error {
	if err := p.out.take(size(len(m.Payload))); err != nil {
		return err
	}
	p.other.in.put(p2p.Msg{Code: m.Code, Payload: slices.Clone(m.Payload)})
	return nil
}

// ReadMsg waits for a message. After Close it still gives what had been written.
func (p *PipeEnd) ReadMsg() (p2p.Msg, error) {
	m, err := p.in.get()
	if err == nil {
		p.other.out.give(size(len(m.Payload)))
	}
	return m, err
}

// Close ends both ends with this reason, nil for DiscRequested, as if the peer
// of each had given it. The first reason counts.
func (p *PipeEnd) Close(reason error) {
	if reason == nil {
		reason = errPipe
	}
	code, text := p2p.Disconnection(reason)
	err := &p2p.DisconnectError{Reason: code, Text: text, Remote: true}
	for _, e := range []*PipeEnd{p, p.other} {
		e.out.end(err)
		e.in.end(err, false)
	}
}

// ExpectMsg reads one message and reports whether it is this one; t is told what
// is wrong with another. It may be called by any goroutine.
func ExpectMsg(t testing.TB, r p2p.MsgReader, code uint64, payload []byte) bool {
	t.Helper()
	m, err := r.ReadMsg()
	switch {
	case err != nil:
		t.Errorf("ReadMsg() = %v, want message %d %q", err, code, brief(payload))
	case m.Code != code || !bytes.Equal(m.Payload, payload):
		t.Errorf("ReadMsg() = %d %q, want %d %q", m.Code, brief(m.Payload), code, brief(payload))
	default:
		return true
	}
	return false
}

// ExpectEnd reads until the end and reports whether that is for this reason,
// with errors.Is.
func ExpectEnd(t testing.TB, r p2p.MsgReader, reason error) bool {
	t.Helper()
	for {
		if _, err := r.ReadMsg(); err != nil {
			if !errors.Is(err, reason) {
				t.Errorf("ReadMsg() = %v, want %v", err, reason)
				return false
			}
			return true
		}
	}
}

// brief is the beginning of what is too long to print.
func brief(b []byte) []byte { return b[:min(len(b), 64)] }
