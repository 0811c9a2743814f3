package p2ptest

import (
	"bytes"
	"errors"
	"testing"

	"kith/p2p"
)

// ExpectMsg reads one message and reports whether it is this one; t is told what
// is wrong with another. payload is compared as it is: p2p.ExpectMsg encodes a
// value first. It may be called by any goroutine.
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
