package p2p

import (
	"context"
	"net"
	"net/netip"
	"time"

	"kith/node"
)

// A Transport proves who we are and makes authenticated sessions. It is safe
// for concurrent use.
type Transport interface {
	// ID is what we prove to every peer. It does not change while a Server runs.
	ID() node.ID
	// Listen takes an address ("host:port"; port 0 for any) until the listener
	// is closed. ctx bounds the act of listening alone.
	Listen(ctx context.Context, addr string) (Listener, error)
	// Dial connects to n, trying its hosts, and returns when both sides have
	// proved who they are: an error if it is not n.ID who answers. n.ID zero is a
	// node known by address alone; the session tells who answered.
	Dial(ctx context.Context, n *node.Node) (Session, error)
}

// A Listener accepts sessions.
type Listener interface {
	// Accept waits for a connection and returns it before its handshake, so
	// that a slow stranger holds up nobody. Its error is final.
	Accept() (Pending, error)
	// Addr is where it listens.
	Addr() net.Addr
	// Close ends Accept and what is still pending. Sessions go on.
	Close() error
}

// A Pending is a connection that has not proved anything.
type Pending interface {
	// RemoteAddr is where it comes from.
	RemoteAddr() netip.AddrPort
	// Handshake makes it a session, or closes it and says why.
	Handshake(ctx context.Context) (Session, error)
	// Close drops it without a word.
	Close() error
}

// A Hello is what two nodes tell each other before anything else.
type Hello struct {
	// Name is the software or the node, for people.
	Name string
	// Version is the sender's version: another first number is refused by
	// transports of ours. Not sent on RLPx.
	Version [3]uint16
	// Caps are the protocols the sender can run, sorted.
	Caps []Cap
	// ListenPort is where the sender accepts connections; 0 if it does not.
	ListenPort uint16
	// Epoch is when the sender started (its generation): of two sessions with
	// one node the one with the higher epoch is newer. 0 on RLPx.
	Epoch uint64
	// You is the address under which the sender sees the receiver. The zero
	// value on RLPx.
	You netip.AddrPort
}

// A Channel is a protocol as a session sees it.
type Channel struct {
	Cap
	// Length and MaxMessage are the Protocol's. A message that is longer ends the
	// session, with DiscProtocolError, before memory is taken for it; ours are
	// ErrTooLarge.
	Length     uint64
	MaxMessage int
}

// A Session is one authenticated connection. Hello is called once, then Open
// once; the other methods may be called at any time by any goroutine.
type Session interface {
	// Remote is who the other side has proved to be.
	Remote() node.ID
	// LocalAddr and RemoteAddr are the ends of the connection.
	LocalAddr() netip.AddrPort
	RemoteAddr() netip.AddrPort
	// Hello exchanges hellos. decide is called once with theirs; its error is
	// told to the peer, closes the session and is returned. Where the transport
	// can, the side that was dialled answers only after its decide, so that the
	// dialler's Hello returns the refusal. An error here means that the session
	// is closed.
	Hello(ctx context.Context, ours Hello, decide func(theirs Hello) error) (Hello, error)
	// Open starts reading and gives one MsgReadWriter for each channel, in their
	// order, which is the same on both sides.
	Open(channels []Channel) ([]MsgReadWriter, error)
	// Close ends the session and tells the peer why: a DiscReason, or an error
	// that wraps one, else the error's text; nil is DiscRequested. It waits for
	// the goroutines of the session, but at most a second for the peer to take
	// the message. It must not be called by deliver, fill or OnDatagram.
	Close(reason error) error
	// Done is closed when the session has ended, however it did.
	Done() <-chan struct{}
	// Err says why it has ended, nil before.
	Err() error
	// Stats counts what went through.
	Stats() SessionStats
}

// SessionStats count what went through a session since it began.
type SessionStats struct {
	BytesIn, BytesOut   uint64 // on the wire
	MsgsIn, MsgsOut     uint64
	DatagramsIn         uint64
	DatagramsOut        uint64
	DatagramsDropped    uint64        // by us, for want of room, either way
	RTT                 time.Duration // the last measured; 0 if none was
	Carrier             string        // "tcp", "quic", "memory"
	DatagramCarrier     string        // "quic"; empty if datagrams have none
	DatagramCarrierLost string        // why there is none; empty if none was asked for
}
