package cluster

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/port"
)

// Errors that callers compare with.
var (
	// ErrClosed is returned by what is called after Close. It is a net.ErrClosed.
	ErrClosed = fmt.Errorf("cluster: node closed: %w", net.ErrClosed)
	// ErrNotStarted is returned by what needs Start first.
	ErrNotStarted = errors.New("cluster: node not started")
	// ErrSuperseded: a newer run with our key is in the cluster, so this one has
	// ended.
	ErrSuperseded = errors.New("cluster: superseded by a newer run with the same key")
)

// What a zero field of a Node means.
const DefaultDialTimeout = 5 * time.Second

// A Node is a member of a private cluster. Set its fields, then call Start; they
// are read by Start and never written. All methods are safe for concurrent use,
// in any order, before Start and after Close too.
type Node struct {
	// CA, Cert and Key are the paths of PEM files: the authorities whose nodes may
	// join, our certificate, its private key. They are watched, and new ones come
	// into force without a restart. The key must stay the same: it is who we are.
	CA, Cert, Key string
	// CRL is the path of the list of revoked certificates. Empty means none.
	CRL string
	// ListenAddr is where to accept sessions, "host:port" with port 0 for any.
	// Empty means nowhere: then this node can call but only be called over
	// sessions that it has opened.
	ListenAddr string
	// Advertise are the addresses ("host:port") that other members are told to
	// dial. Empty means ListenAddr; if that is all of a machine's addresses, those
	// under which at least two members see us, and until there are such our own
	// ends of the sessions.
	Advertise []string
	// Seeds are members to join by: "host:port", or "kith://id@host:port" if
	// nobody else may answer there. Names are looked up at every dial, and our own
	// address does no harm. Empty is for the first node of a cluster.
	Seeds []string
	// SeedName is a name that the certificate of a seed without an id must have.
	// Empty takes whoever has a certificate of the CA.
	SeedName string
	// Profile is how quickly the cluster notices things. Zero is Fast.
	Profile Profile
	// Version is that of your software. Members with another first number are
	// refused. All zero means 0.1.0.
	Version [3]uint16
	// DialTimeout bounds connecting to a node. Zero means DefaultDialTimeout.
	DialTimeout time.Duration
	// IdleTimeout is how long a session that nobody uses stays open. Zero means
	// p2p.DefaultIdleTimeout.
	IdleTimeout time.Duration
	// MaxMessage is how many bytes a message or a reply of a port may have. Zero
	// means 16 MiB; at most 1 GiB.
	MaxMessage int
	// Protocols are your own, run with every member that has them too. "gossip"
	// and "port" are taken.
	Protocols []p2p.Protocol
	// Meta is what this node tells all members about itself, beside what SetMeta
	// adds: keys of 1 to 64 bytes, values of at most 1 KiB, 8 KiB in all.
	Meta map[string][]byte
	// StateFile is where the last generation is kept, so that a clock set back
	// does no harm. Empty means Key with ".state" after it, where it may be
	// missing: a directory that cannot be written only costs a warning then.
	StateFile string
	// Logger gets what the node has to say. Nil means slog.Default.
	Logger *slog.Logger

	// Transport takes the place of CA, Cert, Key, CRL and SeedName: a network in
	// memory for tests, or an mtls.Transport with certificates from elsewhere.
	Transport p2p.Transport
	// Signer is the private key of the identity that Transport proves, and Name
	// what people call the node. Both are for a Transport of one's own; otherwise
	// they are those of the certificate.
	Signer crypto.Signer
	Name   string

	mu     sync.Mutex // guards what follows; never held while waiting
	state  state
	draft  port.Mux      // checks the handlers, and holds them until there is a mux
	offers []offer       // the same
	mux    *port.Mux     // from the beginning of Start on, and again nil if that fails
	run    *run          // set while running, and kept after that for what it knows
	ready  chan struct{} // closed when Start is done
	done   chan struct{} // closed when the node has ended; nil until somebody asks
	ended  bool
	err    error // why the node ends
}

type state uint8

const (
	idle state = iota
	starting
	running
	ending
)

// An offer is a handler for a port.
type offer struct {
	number  uint16
	name    string
	mode    port.Mode
	handler port.Handler
}

// Handle offers a port to the members, before Start or after. number is 1 to
// 65535 and free, else the error is a port.ErrInUse; name is for people, at most
// 64 bytes.
func (n *Node) Handle(number uint16, name string, mode port.Mode, h port.Handler) error {
	if len(name) > maxPortName {
		return fmt.Errorf("cluster: handle %d: a name of %d bytes: at most %d", number, len(name), maxPortName)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == ending {
		return ErrClosed
	}
	if err := n.draft.Handle(number, name, mode, h); err != nil {
		return err
	}
	n.offers = append(n.offers, offer{number, name, mode, h})
	if n.mux != nil {
		return n.mux.Handle(number, name, mode, h)
	}
	return nil
}

// maxPortName is what fits into what members tell each other.
const maxPortName = 64

// Unhandle takes a port back and tells whether there was one.
func (n *Node) Unhandle(number uint16) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offers = slices.DeleteFunc(n.offers, func(o offer) bool { return o.number == number })
	if n.mux != nil {
		n.mux.Unhandle(number)
	}
	return n.draft.Unhandle(number)
}

// Connect asks a member for a port, over a session that is opened or shared. A
// ref with a generation means that run of the node and no other (another is a
// port.ErrStale, now and at later calls), one without means whichever is there.
// We may call ourselves. It takes at most DialTimeout, less if ctx ends.
//
// The other errors say why the node could not be reached, or are port.ErrNoPort,
// port.ErrDraining, port.ErrBusy or ctx's. Close the Client when it is no longer
// needed.
func (n *Node) Connect(ctx context.Context, ref node.Ref, number uint16) (*port.Client, error) {
	r, err := n.running()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.dialTimeout())
	defer cancel()
	c, err := r.mux.Connect(ctx, r.server, &node.Node{ID: ref.ID}, ref.Generation, number)
	if err != nil {
		return nil, fmt.Errorf("cluster: connect to port %d of %s: %w", number, ref.ID.Short(), err)
	}
	return c, nil
}

// running returns the run, or why there is none.
func (n *Node) running() (*run, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case running:
		return n.run, nil
	case ending:
		return nil, ErrClosed
	}
	return nil, ErrNotStarted
}

// latest is the run that is or has been; nil before Start.
func (n *Node) latest() *run {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

// ID is who we are, with the generation of this run. It is zero before Start.
func (n *Node) ID() node.Ref {
	if r := n.latest(); r != nil {
		return r.ref
	}
	return node.Ref{}
}

// Addr is where we listen; nil before Start and if we do not.
func (n *Node) Addr() net.Addr {
	if r := n.latest(); r != nil {
		return r.server.Addr()
	}
	return nil
}

// Server is what the node runs on, for what a Node has no method for: its peers,
// their sessions, its events. Do not close it. It is nil before Start.
func (n *Node) Server() *p2p.Server {
	if r := n.latest(); r != nil {
		return r.server
	}
	return nil
}

// Ports are the ports offered, by number, with what they have counted.
func (n *Node) Ports() []port.Port {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mux != nil {
		return n.mux.Ports()
	}
	return n.draft.Ports()
}
