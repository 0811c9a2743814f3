package node

import (
	"slices"
	"sync"
)

// A Local is the node that we are. Its addresses may change while it runs. It
// is safe for concurrent use. Make one with NewLocal.
type Local struct {
	mu      sync.Mutex // guards what follows
	node    Node
	changed chan struct{} // closed and replaced at each change
}

// NewLocal returns the local node with this identity and no addresses.
func NewLocal(id ID, scheme Scheme) *Local {
	return &Local{node: Node{ID: id, Scheme: scheme}, changed: make(chan struct{})}
}

// ID is who we are.
func (l *Local) ID() ID { return l.node.ID }

// Node is a snapshot that belongs to the caller.
func (l *Local) Node() *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.node
	n.Hosts = slices.Clone(n.Hosts)
	return &n
}

// SetHosts replaces the addresses under which we can be dialled. It keeps a
// copy and does nothing if they are the ones already set.
func (l *Local) SetHosts(hosts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Equal(l.node.Hosts, hosts) {
		return
	}
	l.node.Hosts = slices.Clone(hosts)
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
