// Package live makes a cluster.Node reachable for the command: it is the
// admin.Node of "kith up".
//
// Start with [New] around a Node that has started. Names of peers are looked up
// among the members, answers are put into the admin package's documents, and
// errors get their exit codes here and nowhere else.
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
	"kith/node"
	"kith/port"
)

// A Node is a running cluster.Node with what only the command knows about it. It
// is safe for concurrent use. Make one with New.
type Node struct {
	cluster *cluster.Node
	about   About
	clients clients

	leave     chan struct{} // closed when somebody asks the node to leave
	leaveOnce sync.Once
}

// About is what a cluster.Node does not say about itself.
type About struct {
	Version [3]uint16 // of the configuration
	Kith    string    // version of the program
	Seeds   []string
	Admin   string // path
	Started time.Time
}

// New is for a node that has started.
func New(n *cluster.Node, about About) *Node {
	l := &Node{cluster: n, about: about, leave: make(chan struct{})}
	l.clients.connect = n.Connect
	return l
}

// Leaving is closed when somebody asks the node to leave.
func (n *Node) Leaving() <-chan struct{} { return n.leave }

// Close lets go of the ports of others. It does not close the cluster.Node.
func (n *Node) Close() { n.clients.close() }

// Leave tells the members that we leave and asks "kith up" to end.
func (n *Node) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := n.cluster.Leave(ctx)
	n.leaveOnce.Do(func() { close(n.leave) })
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // nobody is there to be told
	}
	return explain("self", 0, err)
}

// Call sends a request and returns the reply.
func (n *Node) Call(ctx context.Context, peer string, number uint16, data []byte) (reply []byte, err error) {
	err = n.use(ctx, peer, number, func(c *port.Client) error {
		reply, err = c.Request(ctx, data)
		return err
	})
	return reply, err
}

// Send sends a message to a port of mode send.
func (n *Node) Send(ctx context.Context, peer string, number uint16, data []byte) error {
	return n.sendMode(ctx, port.Send, peer, number, data)
}

// Dgram sends a message to a port of mode unreliable.
func (n *Node) Dgram(ctx context.Context, peer string, number uint16, data []byte) error {
	return n.sendMode(ctx, port.Unreliable, peer, number, data)
}

// sendMode keeps the two commands apart, since a Client has one method for both.
func (n *Node) sendMode(ctx context.Context, mode port.Mode, peer string, number uint16, data []byte) error {
	return n.use(ctx, peer, number, func(c *port.Client) error {
		if c.Mode() != mode {
			return fmt.Errorf("cluster: send to port %d of %s: %w", number, peer, &port.ModeError{Mode: c.Mode()})
		}
		return c.Send(ctx, data)
	})
}

func (n *Node) use(ctx context.Context, peer string, number uint16, f func(*port.Client) error) error {
	ref, err := n.resolve(peer)
	if err != nil {
		return err
	}
	return explain(peer, number, n.clients.use(ctx, target{ref, number}, f))
}

func (n *Node) resolve(peer string) (node.Ref, error) {
	return resolve(peer, n.cluster.ID(), n.Members())
}

// Serve takes a port until stop is called.
func (n *Node) Serve(number uint16, name string, mode port.Mode, h port.Handler) (stop func(), err error) {
	err = n.cluster.Handle(number, name, mode, h)
	if errors.Is(err, port.ErrInUse) {
		return nil, exit.With(err, exit.Refused, "kith ports self lists what is served")
	}
	if err != nil {
		return nil, exit.With(err, exit.Usage, "kith serve --help")
	}
	return func() { n.cluster.Unhandle(number) }, nil
}

// Ping connects to a peer, if need be, and measures the way there and back.
func (n *Node) Ping(ctx context.Context, peer string) (admin.Pong, error) {
	ref, err := n.resolve(peer)
	if err != nil {
		return admin.Pong{}, err
	}
	took, err := n.cluster.Ping(ctx, ref)
	if err != nil {
		code, _ := classify(peer, 0, err)
		return admin.Pong{}, exit.With(plain(err), code, "kith members tells how it is with "+name(peer))
	}
	pong := admin.Pong{Schema: admin.Schema, ID: ref.ID.String(), RTT: float64(took) / float64(time.Millisecond)}
	for _, m := range n.Members() {
		if m.ID == pong.ID {
			pong.Name, pong.Generation, pong.Address = m.Name, m.Generation, m.Address
			if m.State == "alive" {
				break
			}
		}
	}
	return pong, nil
}

// listening is the text of an address; empty for none.
func listening(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
