package p2ptest

import (
	"log/slog"
	"testing"
	"time"

	"kith/p2p"
)

// Port is where a Server made by this package listens.
const Port = 30303

// Server is a server on the host of this name, listening on Port and not
// started, whose other fields may be set. Its Epoch is the present time, so that
// one made after a Crash or Kill is newer. It logs nothing.
func (n *Network) Server(name string, protocols ...p2p.Protocol) *p2p.Server {
	return &p2p.Server{
		Name:       name,
		Transport:  n.Transport(name),
		ListenAddr: n.Transport(name).Node(Port).Hosts[0],
		Protocols:  protocols,
		Epoch:      uint64(time.Now().UnixMilli()),
		Logger:     slog.New(slog.DiscardHandler),
	}
}

// Pair starts two servers, on the hosts "a" and "b", where one protocol each
// runs, and connects them: a has dialled b. A nil net is one without delay and
// loss. When the test ends the servers are closed, then the network.
func Pair(t testing.TB, net *Network, protoA, protoB p2p.Protocol) (a, b *p2p.Server) {
	t.Helper()
	if net == nil {
		net = new(Network)
	}
	t.Cleanup(func() { net.Close() })
	a, b = net.Server("a", protoA), net.Server("b", protoB)
	for _, s := range []*p2p.Server{b, a} {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
	}
	if _, err := a.Dial(t.Context(), net.Transport("b").Node(Port)); err != nil {
		t.Fatal(err)
	}
	return a, b
}
