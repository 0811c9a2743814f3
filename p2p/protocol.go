package p2p

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"kith/node"
)

// A Protocol is something that two peers say to each other.
type Protocol struct {
	// Name and Version are compared with the peer's: of each name that both
	// know, the highest version that both know is run. A name has 1 to 64 bytes.
	Name    string
	Version uint
	// Length is the number of message codes: they run from 0 to Length - 1.
	// At least 1, at most 65536.
	Length uint64
	// MaxMessage is how many bytes the payload of a message may have. A peer that
	// sends a longer one breaks the protocol and is disconnected; ours are
	// ErrTooLarge. Zero, or more than that, means what the transport can carry:
	// 16777215 over RLPx. Memory for what arrives is bounded by it, so set it.
	MaxMessage int
	// Run is called in a goroutine of its own for every peer that shares the
	// protocol. When it returns the peer is disconnected: with nil because we
	// are leaving, with an error because the peer broke the protocol. It must
	// return soon after ReadMsg or WriteMsg fail.
	Run func(peer *Peer, rw MsgReadWriter) error
	// NodeInfo and PeerInfo may give something about us, and about a peer, that
	// can be written as JSON. Nil: nothing.
	NodeInfo func() any
	PeerInfo func(id node.ID) any
	// DialCandidates gives nodes that are likely to run the protocol, as
	// Discovery.Nodes does: they are dialled, with Policy Fill, while there is
	// room. Nil: it knows of none.
	DialCandidates func(ctx context.Context) iter.Seq[*node.Node]
	// Attributes are entries for our record in an open network, by their keys:
	// values that package rlp can encode, few and small. In clusters they are
	// left out. Start reads them.
	Attributes map[string]any
}

// Cap is what the protocol is called in a Hello.
func (p *Protocol) Cap() Cap { return Cap{p.Name, p.Version} }

// A Cap is a protocol that a node can run.
type Cap struct {
	Name    string
	Version uint
}

// String is "name/version".
func (c Cap) String() string { return fmt.Sprintf("%s/%d", c.Name, c.Version) }

// Compare orders by name, then by version.
func (c Cap) Compare(d Cap) int {
	return cmp.Or(cmp.Compare(c.Name, d.Name), cmp.Compare(c.Version, d.Version))
}

// Caps are the capabilities of protocols, sorted.
func caps(protos []Protocol) []Cap {
	out := make([]Cap, len(protos))
	for i := range protos {
		out[i] = protos[i].Cap()
	}
	slices.SortFunc(out, Cap.Compare)
	return out
}

// shared returns the protocols to run with a peer that has the capabilities
// theirs: the highest common version of each name, sorted by name. Both sides
// come to the same list, so a position in it can stand for the protocol.
func shared(ours []Protocol, theirs []Cap) []Protocol {
	best := make(map[string]Protocol)
	for _, p := range ours {
		if old, ok := best[p.Name]; (!ok || p.Version > old.Version) && slices.Contains(theirs, p.Cap()) {
			best[p.Name] = p
		}
	}
	out := make([]Protocol, 0, len(best))
	for _, p := range best {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Protocol) int { return a.Cap().Compare(b.Cap()) })
	return out
}
