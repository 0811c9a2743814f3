// Package why says what to make of it that a node of an open network could not
// be reached, or has hung up: the exit code, and what to try.
//
// Start with [Explain].
package why

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"kith/cmd/kith/internal/exit"
	"kith/p2p"
	"kith/rlpx"
)

// hints are what to do about a reason that the other side has given.
var hints = map[p2p.DiscReason]string{
	p2p.DiscRequested:           "whoever runs it does not want us there",
	p2p.DiscUselessPeer:         "none of its protocols is one of ours; kith devp2p ping tells which it has",
	p2p.DiscTooManyPeers:        "it is full: try again later, or have its owner trust this node's key",
	p2p.DiscAlreadyConnected:    "another program with the same key is connected to it, or it has dialled us meanwhile; one key is for one node",
	p2p.DiscIncompatibleVersion: "it speaks another version of the base protocol than 5",
	p2p.DiscInvalidIdentity:     "it has not understood who we are",
	p2p.DiscQuitting:            "it is shutting down: try again later",
	p2p.DiscUnexpectedIdentity:  "another node is at that address: ask for its enode again",
	p2p.DiscSelf:                "that is this very node: use another key",
	p2p.DiscReadTimeout:         "it has heard nothing from us for too long",
	p2p.DiscSubprotocolError:    "a protocol of ours and of its have not understood each other",
	p2p.DiscProtocolError:       "it takes what we have said for a breach of the base protocol; please report it",
}

// Explain gives the code and the hint for a dial that has failed, or a session
// that has ended. The hint is empty if there is none.
func Explain(err error) (exit.Code, string) {
	var gone *p2p.DisconnectError
	var reason p2p.DiscReason
	var dns *net.DNSError
	switch {
	case errors.As(err, &gone) && gone.Remote:
		return exit.Refused, hints[gone.Reason]
	case errors.As(err, &dns) && dns.IsNotFound:
		return exit.NotFound, "no such name: see whether the part between @ and the port is right"
	case errors.Is(err, p2p.ErrRestricted):
		return exit.Refused, "net_restrict, of this node, leaves that address out"
	case errors.Is(err, p2p.ErrNoAddress):
		return exit.NotFound, "kith peers lists who is connected; an enode:// with an address is dialled"
	case errors.Is(err, syscall.ECONNREFUSED):
		return exit.Failed, "nobody listens there: is the node running, and the port the right one?"
	case errors.Is(err, rlpx.ErrHandshake), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return exit.Failed, "it may have another key than the enode says, no room for us, or be no devp2p node at all"
	case isTimeout(err):
		return exit.Timeout, "no answer in time: is the address right, and does a firewall let TCP through? --timeout waits longer"
	case errors.As(err, &reason):
		return exit.Failed, hints[reason]
	}
	return exit.Failed, ""
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
