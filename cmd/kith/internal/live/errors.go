package live

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/gossip"
	"kith/p2p"
	"kith/port"
)

// explain gives an error of a call its code and the next thing to try.
func explain(net admin.Network, peer string, number uint16, err error) error {
	if err == nil {
		return nil
	}
	code, hint := classify(net, peer, number, err)
	return exit.With(plain(err), code, hint)
}

// classify is for peers of a cluster, and for what both networks have in common.
func classify(net admin.Network, peer string, number uint16, err error) (exit.Code, string) {
	var mode *port.ModeError
	var remote *port.RemoteError
	var gone *p2p.DisconnectError
	at, who := peer, "kith members lists who is there"
	if net == admin.NetOpen {
		at, who = peer+" --net open", "kith peers lists who is connected"
	}
	switch {
	case errors.As(err, &remote):
		return exit.Failed, ""
	case errors.Is(err, context.DeadlineExceeded):
		return exit.Timeout, "kith ping " + at + " tells whether it answers; --timeout sets how long to wait"
	case errors.Is(err, port.ErrNoPort):
		if net == admin.NetOpen {
			return exit.NotFound, "whoever runs the peer knows its ports; kith ports self --net open lists ours"
		}
		return exit.NotFound, "kith ports " + peer + " lists its ports"
	case errors.Is(err, port.ErrStale):
		return exit.NotFound, "kith members -o wide lists the generations; " + name(peer) + " alone means whichever is there"
	case errors.As(err, &mode):
		return exit.Refused, fmt.Sprintf("kith %s %s %d …", commandFor(mode.Mode), at, number)
	case errors.Is(err, port.ErrBusy):
		return exit.Refused, "nothing was done; the same command may work in a moment"
	case errors.Is(err, port.ErrDraining), errors.Is(err, port.ErrTooLarge):
		return exit.Refused, "kith ports " + at
	case errors.Is(err, gossip.ErrUnknown), errors.Is(err, p2p.ErrNoAddress):
		return exit.NotFound, who
	case errors.As(err, &gone) && gone.Reason == p2p.DiscRefused:
		return exit.Refused, "kith certs verify --ca CA CERT tells what is wrong with a certificate"
	}
	return exit.Failed, who + ", kith ping " + at + " tells whether it answers"
}

// commandFor is the command that suits a port of this mode.
func commandFor(m port.Mode) string {
	switch m {
	case port.Send:
		return "send"
	case port.Request:
		return "call"
	}
	return "dgram"
}

func name(peer string) string {
	id, _, _ := strings.Cut(peer, "/")
	return id
}

// plainError drops what the layers between the command and the cause said about
// where they are.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }

func (e *plainError) Unwrap() error { return e.err }

// plain leaves out what the port package says again after the cluster package.
func plain(err error) error {
	text := err.Error()
	before, rest, again := strings.Cut(text, ": port: connect to ")
	if _, cause, ok := strings.Cut(rest, ": "); again && ok {
		return &plainError{before + ": " + cause, err}
	}
	return err
}
