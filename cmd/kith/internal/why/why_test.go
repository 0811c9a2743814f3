package why_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/why"
	"kith/p2p"
	"kith/rlpx"
)

func TestExplain(t *testing.T) {
	remote := func(r p2p.DiscReason) error { return &p2p.DisconnectError{Reason: r, Remote: true} }
	for _, test := range []struct {
		err    error
		code   exit.Code
		hinted bool
	}{
		{remote(p2p.DiscTooManyPeers), exit.Refused, true},
		{fmt.Errorf("p2p: dial: %w", remote(p2p.DiscUselessPeer)), exit.Refused, true},
		{remote(p2p.DiscReason(0x77)), exit.Refused, false},
		{p2p.DiscUselessPeer, exit.Failed, true}, // it is we who say so
		{&net.DNSError{IsNotFound: true}, exit.NotFound, true},
		{p2p.ErrNoAddress, exit.NotFound, true},
		{fmt.Errorf("a: %w", p2p.ErrRestricted), exit.Refused, true},
		{&net.OpError{Err: syscall.ECONNREFUSED}, exit.Failed, true},
		{fmt.Errorf("rlpx: initiate: %w", rlpx.ErrHandshake), exit.Failed, true},
		{fmt.Errorf("rlpx: initiate: %w", io.EOF), exit.Failed, true},
		{context.DeadlineExceeded, exit.Timeout, true},
		{errors.New("something else"), exit.Failed, false},
	} {
		code, hint := why.Explain(test.err)
		if code != test.code || (hint != "") != test.hinted {
			t.Errorf("Explain(%v) = %d, %q; want %d, hinted %v", test.err, code, hint, test.code, test.hinted)
		}
	}
}
