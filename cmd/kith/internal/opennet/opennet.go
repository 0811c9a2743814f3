// Package opennet runs a node of an open network as a configuration has it: a
// p2p.Server over RLPx with the sub-protocols that the command has, and ports.
//
// Start with [Key] for who the node is and [New] for the node. What peers send
// goes to the protocols named in the configuration, and to the ports, whose
// handlers are the caller's.
package opennet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"

	"kith/cluster"
	"kith/cmd/kith/internal/foobar"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// budget is what all peers together may make the ports hold: they are strangers.
const budget = 64 << 20

// Key reads the key of a node. A file that is missing is made, with a new key;
// without a path the key is kept nowhere.
func Key(path string) (key *crypto.PrivateKey, made bool, err error) {
	if path != "" {
		key, err = crypto.LoadKey(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, false, err
		}
	}
	if key, err = crypto.GenerateKey(); err != nil || path == "" {
		return key, false, err
	}
	return key, true, key.Save(path)
}

// A Node is one in an open network. Make it with New. It is safe for concurrent
// use.
type Node struct {
	server p2p.Server
	mux    port.Mux
	self   *node.Node
}

// New is a node that has not started.
func New(conf *cluster.Open, key *crypto.PrivateKey, log *slog.Logger) (*Node, error) {
	n := &Node{self: node.NewV4(key.Public())}
	n.mux = port.Mux{Self: node.Ref{ID: n.self.ID}, Budget: budget, Logger: log}
	n.server = p2p.Server{
		PrivateKey: key, Name: conf.Name, ListenAddr: conf.ListenAddr, MaxPeers: conf.MaxPeers, StaticNodes: conf.StaticNodes,
		BootstrapNodes: conf.BootNodes, NetRestrict: conf.NetRestrict, Protocols: []p2p.Protocol{n.mux.Protocol()}, Logger: log,
	}
	for _, t := range conf.TrustedNodes {
		n.server.TrustedNodes = append(n.server.TrustedNodes, t.ID)
	}
	for _, name := range conf.Protocols {
		if name != foobar.Name {
			return nil, fmt.Errorf("opennet: no protocol %q", name)
		}
		n.server.Protocols = append(n.server.Protocols, new(foobar.Talk).Protocol())
	}
	return n, nil
}

// Start listens and begins to dial. If it fails nothing is left open.
func (n *Node) Start() error { return n.server.Start() }

// Drain lets the calls of ports finish and refuses new ones.
func (n *Node) Drain(ctx context.Context) error { return n.mux.Drain(ctx) }

// Close tells the peers that we leave, and returns when all has ended. It may be
// called before Start, and more than once.
func (n *Node) Close() error { return errors.Join(n.server.Close(), n.mux.Close()) }

// Self is the node, at the addresses where it listens.
func (n *Node) Self() *node.Node {
	if self := n.server.Self(); self != nil {
		return self
	}
	return n.self
}

// Addr is where the node listens; nil if it does not.
func (n *Node) Addr() net.Addr { return n.server.Addr() }

// Name is what peers are told.
func (n *Node) Name() string { return n.server.Name }

// MaxPeers is how many peers there may be.
func (n *Node) MaxPeers() int { return n.server.MaxPeers }

// Protocols are those that the node has.
func (n *Node) Protocols() []p2p.Cap {
	var all []p2p.Cap
	for i := range n.server.Protocols {
		all = append(all, n.server.Protocols[i].Cap())
	}
	return all
}

// Server is for what a Node has no method for. Do not close it.
func (n *Node) Server() *p2p.Server { return &n.server }

// Handle offers a port to every peer.
func (n *Node) Handle(number uint16, name string, mode port.Mode, h port.Handler) error {
	return n.mux.Handle(number, name, mode, h)
}

// Unhandle takes a port back.
func (n *Node) Unhandle(number uint16) { n.mux.Unhandle(number) }

// Ports are those that are offered.
func (n *Node) Ports() []port.Port { return n.mux.Ports() }

// Connect asks a node for a port, over a session that is there or is opened.
func (n *Node) Connect(ctx context.Context, to *node.Node, number uint16) (*port.Client, error) {
	return n.mux.Connect(ctx, &n.server, to, 0, number)
}
