package cluster

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"time"

	"kith/gossip"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// Members are we and everybody else who is there, or was until a short while
// ago, sorted by name. It is nil before Start, and what was there after Close.
func (n *Node) Members() []gossip.Member {
	if r := n.latest(); r != nil {
		return r.gossip.Members()
	}
	return nil
}

// Member is one of Members.
func (n *Node) Member(id node.ID) (gossip.Member, bool) {
	if r := n.latest(); r != nil {
		return r.gossip.Member(id)
	}
	return gossip.Member{}, false
}

// Watch gives Members now and after each change, until ctx or the node ends. A
// reader that is slow misses states in between, never the last. Before Start it
// gives nothing.
func (n *Node) Watch(ctx context.Context) iter.Seq[[]gossip.Member] {
	if r := n.latest(); r != nil {
		return r.gossip.Watch(ctx)
	}
	return func(func([]gossip.Member) bool) {}
}

// Events gives what happens to members from the call on, until ctx or the node
// ends. A reader that is too slow loses the oldest and is told how many. Before
// Start it gives nothing.
func (n *Node) Events(ctx context.Context) iter.Seq[gossip.Event] {
	if r := n.latest(); r != nil {
		return r.gossip.Events(ctx)
	}
	return func(func(gossip.Event) bool) {}
}

// Joined tells whether a seed has given us its members, or there is none but us.
func (n *Node) Joined() bool {
	r := n.latest()
	return r != nil && r.gossip.Joined()
}

// SetMeta tells all members a value of ours under a key; nil takes it back. A key
// has 1 to 64 bytes, a value at most 1 KiB, all of them together 8 KiB: beyond
// that the error is a *gossip.LimitError and nothing changes.
func (n *Node) SetMeta(key string, value []byte) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	return r.gossip.SetMeta(key, value)
}

// MetaOf is what a member says under a key. The value must not be changed.
func (n *Node) MetaOf(id node.ID, key string) (value []byte, ok bool) {
	m, _ := n.Member(id)
	value, ok = m.Meta[key]
	return value, ok
}

// WatchMeta gives what a member says under a key, now and after each change,
// until ctx or the node ends; nil if it says nothing. A slow reader misses
// values in between, never the last.
func (n *Node) WatchMeta(ctx context.Context, id node.ID, key string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var last []byte
		first := true
		for members := range n.Watch(ctx) {
			var value []byte
			for i := range members {
				if members[i].ID == id {
					value = members[i].Meta[key]
				}
			}
			if !first && bytes.Equal(value, last) && (value == nil) == (last == nil) {
				continue
			}
			first, last = false, value
			if !yield(value) {
				return
			}
		}
	}
}

// Ping asks a node whether its ports are there, over a session that is opened if
// need be, and says how long the answer took. The generation counts as in
// Connect. Who is draining answers, too.
func (n *Node) Ping(ctx context.Context, ref node.Ref) (time.Duration, error) {
	r, err := n.running()
	if err != nil {
		return 0, err
	}
	if ref.ID != r.ref.ID {
		lease, err := r.server.Dial(ctx, &node.Node{ID: ref.ID})
		if err != nil {
			return 0, fmt.Errorf("cluster: ping: %w", err)
		}
		defer lease.Release()
	}
	began := time.Now()
	c, err := r.mux.Connect(ctx, r.server, &node.Node{ID: ref.ID}, ref.Generation, pingPort)
	took := time.Since(began)
	switch {
	case err == nil:
		return took, c.Close()
	case errors.Is(err, port.ErrNoPort) || errors.Is(err, port.ErrDraining):
		return took, nil
	}
	return 0, fmt.Errorf("cluster: ping %s: %w", ref.ID.Short(), err)
}

// pingPort is asked for by Ping; it does not matter whether it is there.
const pingPort = 1

// Certificate is the one in force, and what is wrong with the files if a newer
// one in them could not be taken. It is nil before Start and with a Transport of
// the user's.
func (n *Node) Certificate() (*x509.Certificate, error) {
	r := n.latest()
	if r == nil || r.certs == nil {
		return nil, nil
	}
	return r.certs.Current().Leaf, r.certs.Err()
}

// PeerCertificate is what a member has shown us, and is judged by. It is nil for
// a node that we have no session with, for ourselves, and with a Transport whose
// sessions have none. It must not be changed.
func (n *Node) PeerCertificate(id node.ID) *x509.Certificate {
	server := n.Server()
	if server == nil {
		return nil
	}
	p := server.Peer(id)
	if p == nil {
		return nil
	}
	session, ok := p.Session().(mtls.Certified)
	if !ok {
		return nil
	}
	return session.PeerCertificate()
}

// Reload looks at the certificate files now instead of within two seconds. It
// returns nil if what they hold is in force, else why not.
func (n *Node) Reload(ctx context.Context) error {
	r, err := n.running()
	if err != nil || r.files == nil {
		return err
	}
	if err := r.files.Reload(ctx); err != nil {
		return err
	}
	return r.certs.Err()
}

// Stats count what a Node has done since Start.
type Stats struct {
	Server p2p.Stats
	Ports  port.Stats
	Gossip gossip.Stats
}

// Stats returns the counters; zero before Start. It works after Close too.
func (n *Node) Stats() Stats {
	r := n.latest()
	if r == nil {
		return Stats{}
	}
	return Stats{r.server.Stats(), r.mux.Stats(), r.gossip.Stats()}
}
