package gossip

import (
	"context"
	"errors"
	"time"

	"kith/gossip/internal/machine"
	"kith/gossip/internal/wire"
	"kith/node"
	"kith/p2p"
)

// connect opens or shares a session to l's node. It is false if there is none:
// what waited for it is dropped.
func (e *engine) connect(l *link) bool {
	e.mu.Lock()
	if !e.mayDialLocked(l) {
		l.clearLocked(e)
		e.mu.Unlock()
		return false
	}
	n := &node.Node{ID: l.id}
	if rec := e.m.Lookup(l.id); rec != nil {
		n = nodeOf(rec)
	}
	e.mu.Unlock()
	lease, err := e.dial(n)
	if err == nil {
		err = e.await(l, lease)
	}
	open := false
	e.do(func(now time.Duration) {
		e.dialing--
		if err == nil {
			e.giveBackLocked(l)
			l.lease, open = lease, true
			return
		}
		e.count.DialFailures++
		e.rivalLocked(now, l.id, err)
		l.tried = true
		if open = l.session != nil; !open { // it may have come to us meanwhile
			l.clearLocked(e)
		}
	})
	return open
}

// maxDials is how many nodes are dialled at a time that are no neighbours of ours.
// What is to be said to more is dropped: a member may have listed addresses
// without end.
const maxDials = 256

// mayDialLocked counts a dial, unless there are too many.
func (e *engine) mayDialLocked(l *link) bool {
	if e.dialing >= maxDials && !l.partner {
		return false
	}
	e.dialing++
	return true
}

// dial calls the Dialer, which may not be ready yet when we are.
func (e *engine) dial(n *node.Node) (*p2p.Lease, error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.dialTimeout)
	defer cancel()
	for {
		lease, err := e.dialer.Dial(ctx, n)
		if !errors.Is(err, p2p.ErrNotRunning) {
			return lease, err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// await waits until Run has been called for the peer of a lease, which it
// releases if it fails.
func (e *engine) await(l *link, lease *p2p.Lease) (err error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.dialTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			lease.Release()
		}
	}()
	if !lease.Peer().Runs("gossip") {
		return p2p.DiscUselessPeer
	}
	for {
		e.mu.Lock()
		if l.session != nil {
			e.mu.Unlock()
			return nil
		}
		if l.opened == nil {
			l.opened = make(chan struct{})
		}
		opened := l.opened
		e.mu.Unlock()
		select {
		case <-opened:
		case <-lease.Peer().Done():
			return cause(lease.Peer())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func cause(p *p2p.Peer) error {
	if err := p.Err(); err != nil {
		return err
	}
	return p2p.DiscNetworkError
}

// putSeedLocked sends a join to whoever is at a seed's address. There is one
// join under way to each address; a newer one takes the place of one that waits.
func (e *engine) putSeedLocked(s *machine.Send) {
	l := e.seeds[s.Host]
	if l == nil {
		l = &seedLink{host: s.Host}
		e.seeds[s.Host] = l
	}
	if known := e.links[l.id]; known != nil && known.session != nil {
		e.putLocked(&machine.Send{To: l.id, Kind: s.Kind, Payload: s.Payload})
		return
	}
	l.payload = s.Payload
	if !l.sending {
		l.sending = true
		e.loops.Go(func() { e.joinBy(l) }) // no sender: who leaves need not wait for it
	}
}

// joinBy dials a seed, tells the machine who is there, and hands the join to
// the link of that node.
func (e *engine) joinBy(l *seedLink) {
	lease, err := e.dial(&node.Node{Hosts: []string{l.host}})
	e.do(func(time.Duration) {
		switch {
		case err == nil && e.left:
			e.unused = append(e.unused, lease)
		case err == nil:
			l.id = lease.Peer().ID()
			e.m.Answered(l.host, l.id)
			e.putLocked(&machine.Send{To: l.id, Kind: wire.KindJoin, Payload: l.payload})
			e.unused = append(e.unused, lease) // the sender takes one of its own
		case errors.Is(err, p2p.DiscSelf):
			e.m.Answered(l.host, e.self)
		default:
			e.count.DialFailures++
		}
		l.payload, l.sending = nil, false
	})
	e.seedNews(l, err)
}

// seedNews says once that a seed does not answer, and once that it does again.
func (e *engine) seedNews(l *seedLink, err error) {
	e.mu.Lock()
	failed := err != nil && !errors.Is(err, p2p.DiscSelf) && e.ctx.Err() == nil
	was := l.failed
	l.failed = failed
	e.mu.Unlock()
	switch {
	case failed && !was:
		e.log.Warn("seed does not answer", "addr", l.host, "err", err)
	case was && !failed:
		e.log.Info("seed answers", "addr", l.host)
	}
}
