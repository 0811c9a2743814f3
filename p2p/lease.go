package p2p

import "sync"

// A Lease keeps a session open for whoever holds it. Many may hold one on the
// same session; it may end all the same, when the peer or the network ends it.
// It is safe for concurrent use.
type Lease struct {
	peer    *Peer
	release func()
	once    sync.Once
}

// Peer is who the lease is for.
func (l *Lease) Peer() *Peer { return l.peer }

// Release gives the lease back. It may be called more than once.
func (l *Lease) Release() {
	l.once.Do(func() {
		if l.release != nil {
			l.release()
		}
	})
}
