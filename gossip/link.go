package gossip

import (
	"kith/gossip/internal/machine"
	"kith/gossip/internal/wire"
	"kith/node"
	"kith/p2p"
)

// Limits of the outboxes. Of heartbeats and hellos only the last is kept. Of
// everything else the oldest is dropped, and counted: of an outbox that is full,
// or, when all of them together are, of the one with the most bytes, so that a
// peer that does not read costs the others nothing. Comparing tables mends what
// was lost.
const (
	maxQueue  = 1024     // messages in one outbox
	maxQueued = 64 << 20 // bytes in all of them
)

// A link is the way to one node: its outbox, and the session if there is one.
type link struct { // guarded by engine.mu
	id      node.ID
	session *session      // nil while there is none
	opened  chan struct{} // closed when session is set; nil if nobody waits
	queue   []item
	bytes   int   // in queue
	beat    *item // the newest heartbeat or hello
	sending bool  // a sender runs
	writing bool  // and is within a write
	partner bool  // we want a session to stay
	tried   bool  // the last dial failed; cleared by the next heartbeat
	lease   *p2p.Lease
}

type item struct {
	kind    wire.Kind
	payload []byte
}

// A seedLink is the way to an address whose node is not known.
type seedLink struct { // guarded by engine.mu
	host    string
	id      node.ID // who answered last
	payload []byte  // the join to send; nil: none
	sending bool
	failed  bool // the last dial
}

func (e *engine) linkLocked(id node.ID) *link {
	l := e.links[id]
	if l == nil {
		l = &link{id: id}
		e.links[id] = l
	}
	return l
}

// dropLocked forgets a link that is of no use any more.
func (e *engine) dropLocked(l *link) {
	if l.session == nil && !l.sending && l.lease == nil && !l.partner && len(l.queue) == 0 && l.beat == nil && e.links[l.id] == l {
		delete(e.links, l.id)
	}
}

func (l *link) openLocked() {
	if l.opened != nil {
		close(l.opened)
		l.opened = nil
	}
}

// putLocked puts a message into its outbox and sees to it that somebody sends.
func (e *engine) putLocked(s *machine.Send) {
	if e.over {
		return
	}
	if s.Host != "" {
		e.putSeedLocked(s)
		return
	}
	l := e.linkLocked(s.To)
	it := item{s.Kind, s.Payload}
	switch {
	case s.Kind.Lossy():
		if l.beat != nil {
			e.count.DroppedBeats++
		}
		l.beat, l.tried = &it, false
	default:
		if len(l.queue) >= maxQueue {
			e.popLocked(l)
			e.count.Dropped++
		}
		for e.queued+len(it.payload) > maxQueued {
			e.popLocked(e.fullestLocked())
			e.count.Dropped++
		}
		l.queue = append(l.queue, it)
		l.bytes += len(it.payload)
		e.queued += len(it.payload)
	}
	e.kickLocked(l)
}

// fullestLocked is the link with the most bytes to send. There must be one with
// any.
func (e *engine) fullestLocked() (most *link) {
	for _, l := range e.links {
		if most == nil || l.bytes > most.bytes {
			most = l
		}
	}
	return most
}

// kickLocked starts the sender of l if there is work for it.
func (e *engine) kickLocked(l *link) {
	if e.over || l.sending || len(l.queue) == 0 && l.beat == nil && !l.wantsLeaseLocked() {
		return
	}
	l.sending = true
	e.senders++
	e.loops.Go(func() { e.drain(l) })
}

func (l *link) wantsLeaseLocked() bool { return l.partner && l.lease == nil && !l.tried }

func (e *engine) popLocked(l *link) item {
	it := l.queue[0]
	l.queue[0] = item{}
	l.queue = l.queue[1:]
	l.bytes -= len(it.payload)
	e.queued -= len(it.payload)
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return it
}

// clearLocked empties an outbox and counts what is lost.
func (l *link) clearLocked(e *engine) {
	for len(l.queue) > 0 {
		e.popLocked(l)
		e.count.Dropped++
	}
	if l.beat != nil {
		l.beat = nil
		e.count.DroppedBeats++
	}
}

// drain sends until the outbox of l is empty.
func (e *engine) drain(l *link) {
	for {
		e.mu.Lock()
		s := l.session
		if s == nil || l.wantsLeaseLocked() {
			e.mu.Unlock()
			if !e.connect(l) {
				e.sent(l)
				return
			}
			continue
		}
		it, ok := e.nextLocked(l)
		l.writing = ok
		e.mu.Unlock()
		if !ok {
			e.sent(l)
			return
		}
		e.write(s, it)
		e.mu.Lock()
		l.writing = false
		e.mu.Unlock()
	}
}

func (e *engine) nextLocked(l *link) (it item, ok bool) {
	switch {
	case e.over:
		return it, false
	case l.beat != nil:
		it, l.beat = *l.beat, nil
	case len(l.queue) > 0:
		it = e.popLocked(l)
	default:
		return it, false
	}
	e.count.Sent++
	e.count.BytesSent += uint64(len(it.payload))
	return it, true
}

// write hands one message to the session. A failure is the session's end, which
// its reader sees as well.
func (e *engine) write(s *session, it item) {
	if it.kind.Lossy() && s.grams != nil && s.grams.HaveDatagrams() {
		d := wire.Datagram{Kind: it.kind, Payload: it.payload}
		s.grams.SendDatagram(d.Head(), d.Payload)
		return
	}
	_ = s.rw.WriteMsg(p2p.Msg{Code: uint64(it.kind), Payload: it.payload})
}

// sent ends a sender, unless new work has come.
func (e *engine) sent(l *link) {
	e.mu.Lock()
	l.sending = false
	e.endedLocked()
	if !l.partner {
		e.giveBackLocked(l)
	}
	if l.session != nil {
		e.kickLocked(l)
	}
	e.dropLocked(l)
	leases := e.takeLeasesLocked()
	e.mu.Unlock()
	release(leases)
}

// endedLocked counts the end of a sender and tells those who wait for the last.
func (e *engine) endedLocked() {
	if e.senders--; e.senders == 0 {
		for _, c := range e.idle {
			close(c)
		}
		e.idle = nil
	}
}

// giveBackLocked takes the lease from a link. It is released when the lock is
// free: the Dialer has a lock of its own.
func (e *engine) giveBackLocked(l *link) {
	if l.lease != nil {
		e.unused = append(e.unused, l.lease)
		l.lease = nil
	}
}

func (e *engine) takeLeasesLocked() []*p2p.Lease {
	leases := e.unused
	e.unused = nil
	return leases
}

func release(leases []*p2p.Lease) {
	for _, l := range leases {
		l.Release()
	}
}

// partnersLocked marks the links whose sessions are to stay: those to our
// neighbours on the rings.
func (e *engine) partnersLocked() {
	want := map[node.ID]bool{}
	for _, rec := range e.m.Partners(e.now()) {
		want[rec.ID] = true
	}
	for id, l := range e.links {
		if l.partner = want[id]; !l.partner && !l.sending {
			e.giveBackLocked(l)
			e.dropLocked(l)
		}
	}
	for id := range want {
		l := e.linkLocked(id)
		l.partner = true
		e.kickLocked(l)
	}
}
