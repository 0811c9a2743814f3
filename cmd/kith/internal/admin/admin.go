// Package admin is how the command reaches a node that runs: HTTP with JSON over
// a Unix socket that only its owner may use, or, where there are no Unix
// sockets, over a loopback port with a token in a file.
//
// The node's side is a [Server] around a [Node], on what [Listen] opens. The
// command's side is a [Client] that [Find] has found. What either of them says
// is in documents.go. Nothing here listens beyond this machine.
//
//	GET  /v1/status  /v1/members[?watch=1]  /v1/peers[?net=]  /v1/events  /v1/ports[?net=&peer=]
//	POST /v1/ping?net=&peer=      /v1/call|send|dgram?net=&peer=&port=&timeout=   the body is the data
//	POST /v1/leave
//	POST /v1/serve?net=&port=&name=&mode=   stays open as long as the port is served, see serve.go
package admin

import (
	"context"
	"iter"

	"kith/port"
)

// A Node is what a Server makes reachable. Peers are texts as people write them:
// self, a name, an id, the start of one, id/generation in a cluster, or the
// enode or enr text of a node in an open network. Its errors should be
// exit.Errors. It must be safe for concurrent use.
type Node interface {
	Status() Status
	// Members of the cluster; none if the node is in no cluster.
	Members() []Member
	// Watch gives the members now and after each change, the latest only if the
	// reader is slow.
	Watch(ctx context.Context) iter.Seq[[]Member]
	// Peers are the sessions of one network; empty means both.
	Peers(net Network) ([]Peer, error)
	Events(ctx context.Context) iter.Seq[Event]
	// Ports of one network, or both, of a peer; none given means everybody's.
	Ports(net Network, peer string) ([]Port, error)
	Ping(ctx context.Context, to Target) (Pong, error)
	Call(ctx context.Context, to Target, data []byte) ([]byte, error)
	Send(ctx context.Context, to Target, data []byte) error
	Dgram(ctx context.Context, to Target, data []byte) error
	// Serve takes a port, with a handler of its own for each network, until stop
	// is called.
	Serve(net Network, number uint16, name string, mode port.Mode, handler func(Network) port.Handler) (stop func(), err error)
	// Leave tells the others and stops the node. It may return before the
	// process ends.
	Leave(ctx context.Context) error
}

// A Network is one of the two that a node may be in. Empty is the cluster, or
// the open network if the node is in no cluster.
type Network string

// The networks. NetBoth is for who serves a port.
const (
	NetCluster Network = "cluster"
	NetOpen    Network = "open"
	NetBoth    Network = "both"
)

// A Target is whom a call is for.
type Target struct {
	Network Network
	Peer    string
	Port    uint16 // 0 for a ping
}
