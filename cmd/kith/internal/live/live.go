// Package live makes a node that runs reachable for the command: it is the
// admin.Node of "kith up".
//
// Start with [New] around what has started: a cluster.Node, an opennet.Node, or
// both. Each network is a side; a call goes to the side that it names. There the
// names of peers are looked up, answers are put into the admin package's
// documents, and errors get their exit codes, here and nowhere else.
package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"kith/cluster"
	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/opennet"
	"kith/port"
)

// A Node is what runs, with what only the command knows about it. It is safe for
// concurrent use. Make one with New.
type Node struct {
	cluster *member   // nil: in no cluster
	open    *resident // nil: in no open network
	about   About

	leave     chan struct{} // closed when somebody asks the node to leave
	leaveOnce sync.Once
}

// A side is the node's place in one of the networks.
type side interface {
	network() admin.Network
	peers() []admin.Peer
	// ports of a peer; none given means everybody's that are known.
	ports(peer string) ([]admin.Port, error)
	ping(ctx context.Context, peer string) (admin.Pong, error)
	// use calls f with a client of the target.
	use(ctx context.Context, to admin.Target, f func(*port.Client) error) error
	handle(number uint16, name string, mode port.Mode, h port.Handler) error
	unhandle(number uint16)
	close()
}

// About is what a node does not say about itself.
type About struct {
	Version [3]uint16 // of the configuration
	Kith    string    // version of the program
	Seeds   []string
	Admin   string // path
	Started time.Time
}

// New is for nodes that have started. One of them may be nil.
func New(c *cluster.Node, o *opennet.Node, about About) *Node {
	n := &Node{about: about, leave: make(chan struct{})}
	if c != nil {
		n.cluster = &member{node: c}
	}
	if o != nil {
		n.open = &resident{node: o}
	}
	return n
}

// Leaving is closed when somebody asks the node to leave.
func (n *Node) Leaving() <-chan struct{} { return n.leave }

// Close lets go of the ports of others. It does not close what New was given.
func (n *Node) Close() {
	all, _ := n.sides(admin.NetBoth)
	for _, s := range all {
		s.close()
	}
}

// sides are those that a network means.
func (n *Node) sides(net admin.Network) ([]side, error) {
	var all []side
	if n.cluster != nil && net != admin.NetOpen {
		all = append(all, n.cluster)
	}
	if n.open != nil && net != admin.NetCluster {
		all = append(all, n.open)
	}
	if len(all) == 0 {
		return nil, notIn(net)
	}
	return all, nil
}

// side is the one that a network means.
func (n *Node) side(net admin.Network) (side, error) {
	all, err := n.sides(net)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func notIn(net admin.Network) error {
	if net == admin.NetOpen {
		return exit.Errorf(exit.NotFound, `"open": {} in the configuration makes it one of an open network, too`, "this node is in no open network")
	}
	return exit.Errorf(exit.NotFound, "kith status tells where the node is; --net open means the open network", "this node is in no cluster")
}

// Leave tells the others that we leave and asks "kith up" to end.
func (n *Node) Leave(ctx context.Context) (err error) {
	if n.cluster != nil {
		err = n.cluster.leave(ctx)
	}
	n.leaveOnce.Do(func() { close(n.leave) })
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // nobody is there to be told
	}
	return explain(admin.NetCluster, "self", 0, err)
}

// Call sends a request and returns the reply.
func (n *Node) Call(ctx context.Context, to admin.Target, data []byte) (reply []byte, err error) {
	s, err := n.side(to.Network)
	if err != nil {
		return nil, err
	}
	err = s.use(ctx, to, func(c *port.Client) error {
		reply, err = c.Request(ctx, data)
		return err
	})
	return reply, err
}

// Send sends a message to a port of mode send.
func (n *Node) Send(ctx context.Context, to admin.Target, data []byte) error {
	return n.sendMode(ctx, port.Send, to, data)
}

// Dgram sends a message to a port of mode unreliable.
func (n *Node) Dgram(ctx context.Context, to admin.Target, data []byte) error {
	return n.sendMode(ctx, port.Unreliable, to, data)
}

// sendMode keeps the two commands apart, since a Client has one method for both.
func (n *Node) sendMode(ctx context.Context, mode port.Mode, to admin.Target, data []byte) error {
	s, err := n.side(to.Network)
	if err != nil {
		return err
	}
	return s.use(ctx, to, func(c *port.Client) error {
		if c.Mode() != mode {
			return fmt.Errorf("send to port %d of %s: %w", to.Port, to.Peer, &port.ModeError{Mode: c.Mode()})
		}
		return c.Send(ctx, data)
	})
}

// Ping connects to a peer, if need be, and measures the way there and back.
func (n *Node) Ping(ctx context.Context, to admin.Target) (admin.Pong, error) {
	s, err := n.side(to.Network)
	if err != nil {
		return admin.Pong{}, err
	}
	return s.ping(ctx, to.Peer)
}

// Serve takes a port, in one network or both, until stop is called.
func (n *Node) Serve(net admin.Network, number uint16, name string, mode port.Mode, handler func(admin.Network) port.Handler) (stop func(), err error) {
	all, err := n.sides(net)
	if err != nil {
		return nil, err
	}
	if net == "" {
		all = all[:1]
	}
	stop = func() {}
	for _, s := range all {
		if err := s.handle(number, name, mode, handler(s.network())); err != nil {
			stop()
			return nil, serveError(err)
		}
		before := stop
		stop = func() { s.unhandle(number); before() }
	}
	return stop, nil
}

func serveError(err error) error {
	if errors.Is(err, port.ErrInUse) {
		return exit.With(err, exit.Refused, "kith ports self lists what is served")
	}
	return exit.With(err, exit.Usage, "kith serve --help")
}

// Ports are those of a peer; none given means everybody's.
func (n *Node) Ports(net admin.Network, peer string) ([]admin.Port, error) {
	sides, err := n.sides(net)
	if err != nil {
		return nil, err
	}
	if peer != "" && peer != "self" && net == "" {
		sides = sides[:1]
	}
	all := []admin.Port{}
	for _, s := range sides {
		ports, err := s.ports(peer)
		if err != nil {
			return nil, err
		}
		all = append(all, ports...)
	}
	return all, nil
}

// Peers are the sessions of one network, or of both.
func (n *Node) Peers(net admin.Network) ([]admin.Peer, error) {
	sides, err := n.sides(net)
	if err != nil {
		return nil, err
	}
	all := []admin.Peer{}
	for _, s := range sides {
		all = append(all, s.peers()...)
	}
	return all, nil
}

// listening is the text of an address; empty for none.
func listening(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
