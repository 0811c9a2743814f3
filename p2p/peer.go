package p2p

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"kith/node"
)

// A Peer is a connected node. All methods are safe for concurrent use.
type Peer struct {
	core    *core
	session Session
	hello   Hello
	inbound bool
	dialled *node.Node // nil if inbound
	protos  []Protocol
	since   time.Time

	leases int              // guarded by core.mu, as the next three are
	used   uint64           // messages when the sweep last looked
	usedAt time.Time        // when that number last grew, or a lease was there
	going  *DisconnectError // set when its end begins: nobody leases it any more

	err  error         // why it is gone, once done is closed
	done chan struct{} // closed when the server no longer counts the peer
}

// String is the peer's id, shortened, and address.
func (p *Peer) String() string { return p.core.short(p.ID()) + " at " + p.RemoteAddr().String() }

// ID is who the peer has proved to be.
func (p *Peer) ID() node.ID { return p.session.Remote() }

// Ref is the peer's id with its generation, which is 0 on RLPx.
func (p *Peer) Ref() node.Ref { return node.Ref{ID: p.ID(), Generation: p.hello.Epoch} }

// Hello is what the peer told us when it connected. Its Caps are not to be
// changed.
func (p *Peer) Hello() Hello { return p.hello }

// Name is what the peer calls itself, whole and as it is: it may be anything.
func (p *Peer) Name() string { return p.hello.Name }

// Caps are what the peer can run, as it says. They belong to the caller.
func (p *Peer) Caps() []Cap { return slices.Clone(p.hello.Caps) }

// Inbound tells whether the peer dialled us.
func (p *Peer) Inbound() bool { return p.inbound }

// Static tells whether the peer is one of those that are kept connected.
func (p *Peer) Static() bool {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return p.core.staticLocked(p.ID())
}

// Trusted tells whether the peer does not count against MaxPeers.
func (p *Peer) Trusted() bool {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return p.core.trusted[p.ID()]
}

// Log is the server's logger, with the peer's id and address in each line.
func (p *Peer) Log() *slog.Logger {
	return p.core.cfg.log.With("peer", p.core.short(p.ID()), "addr", p.RemoteAddr())
}

// Since is when the peer was connected.
func (p *Peer) Since() time.Time { return p.since }

// RemoteAddr is where the peer's connection comes from, or goes to.
func (p *Peer) RemoteAddr() netip.AddrPort { return p.session.RemoteAddr() }

// LocalAddr is our end of the connection.
func (p *Peer) LocalAddr() netip.AddrPort { return p.session.LocalAddr() }

// Running are the protocols that run with this peer, sorted by name.
func (p *Peer) Running() []Cap { return caps(p.protos) }

// Runs tells whether a protocol of this name runs with the peer.
func (p *Peer) Runs(name string) bool {
	return slices.ContainsFunc(p.protos, func(q Protocol) bool { return q.Name == name })
}

// Session is the connection under the peer, for what only some transports can
// do.
func (p *Peer) Session() Session { return p.session }

// Stats counts what went through the session.
func (p *Peer) Stats() SessionStats { return p.session.Stats() }

// Done is closed when the peer is gone.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err says why the peer is gone, nil while it is there.
func (p *Peer) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}
