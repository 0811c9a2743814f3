package p2p

import (
	"context"
	"iter"

	"kith/node"
)

// A Discovery knows nodes. The server pulls from it, when it has use for one.
type Discovery interface {
	// Start is called by Server.Start with the local node, whose addresses may
	// change later.
	Start(self *node.Local) error
	// Nodes gives nodes as they are found until ctx ends. A Discovery that only
	// resolves gives none and returns.
	Nodes(ctx context.Context) iter.Seq[*node.Node]
	// Close is called by Server.Close, while the peers are still there. It may
	// be called more than once.
	Close() error
}

// A Resolver is a Discovery that can find the addresses of one node.
type Resolver interface {
	// Resolve says where id can be dialled.
	Resolve(ctx context.Context, id node.ID) (*node.Node, error)
}

// A Policy says whom a Server wants to be connected to.
type Policy uint8

const (
	// Fill keeps slots filled with whom the Discovery finds: open networks.
	Fill Policy = iota
	// OnDemand connects when Dial is called, and lets go of a session when
	// nobody has a lease on it and nothing passes: clusters.
	OnDemand
)

// A Dialer opens sessions or shares those that are there. A *Server is one.
type Dialer interface {
	Dial(ctx context.Context, n *node.Node) (*Lease, error)
}
