package node

import (
	"slices"
	"sync"

	"kith/crypto"
)

// A Local is the node that we are. Its addresses may change while it runs. It
// is safe for concurrent use. Make one with NewLocal, or NewLocalV4 for an open
// network.
type Local struct {
	key *crypto.PrivateKey // nil in clusters

	mu      sync.Mutex    // guards what follows
	node    Node          // its slices and its Record are replaced, never changed
	udp     uint16        // 0: none
	record  Record        // the next one to be signed
	changed chan struct{} // closed and replaced at each change
}

// NewLocal returns the local node with this identity and no addresses.
func NewLocal(id ID, scheme Scheme) *Local {
	return &Local{node: Node{ID: id, Scheme: scheme}, changed: make(chan struct{})}
}

// ID is who we are.
func (l *Local) ID() ID { return l.node.ID }

// Node is a snapshot that belongs to the caller, but for its Record, which is
// shared.
func (l *Local) Node() *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.node
	n.Hosts = slices.Clone(n.Hosts)
	return &n
}

// SetHosts replaces the addresses under which we can be dialled. It keeps a
// copy and does nothing if they are the ones already set. The first IPv4 and the
// first IPv6 address among them go into the Record of a V4 node; names cannot.
func (l *Local) SetHosts(hosts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Equal(l.node.Hosts, hosts) {
		return
	}
	l.node.Hosts = slices.Clone(hosts)
	l.changeLocked()
}

// changeLocked signs what is to be signed and tells of the change.
func (l *Local) changeLocked() {
	if l.key != nil {
		l.signLocked()
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change. Take it before
// you call Node, so that no change falls between the two.
func (l *Local) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}
