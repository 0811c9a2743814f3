package gossip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"kith/gossip/internal/machine"
	"kith/gossip/internal/wire"
	"kith/node"
	"kith/p2p"
)

// An engine runs a machine: it tells it the time and what peers say, and sends
// what it wants sent.
type engine struct {
	self        node.ID
	dialer      p2p.Dialer
	follow      bool // our addresses are those of the local node
	dialTimeout time.Duration
	began       time.Time
	log         *slog.Logger
	ctx         context.Context // ended by Close
	stop        context.CancelFunc
	loops       sync.WaitGroup
	wake        chan struct{} // tells the loop that the machine wants to be called earlier; holds one
	superseded  chan struct{} // closed when a newer run with our key was seen

	mu        sync.Mutex // guards what follows; never held while waiting
	m         *machine.Machine
	armed     time.Duration // when the loop will call the machine
	links     map[node.ID]*link
	seeds     map[string]*seedLink
	queued    int // bytes in all outboxes
	senders   int // how many run
	dialing   int // how many of them wait for a session
	idle      []chan struct{}
	unused    []*p2p.Lease // to be released when the lock is free
	feed      []*reader
	changed   chan struct{} // closed and replaced when Members would show something else
	version   uint64
	rivals    map[node.ID]bool // who told us that a newer run with our key is there
	denied    string           // why a seed has not let us join
	fullAgain time.Duration    // when we may say again that there is no room
	left      bool
	over      bool // Close: no new senders, no new readers
	count     Stats
}

// now is what the machine calls the time.
func (e *engine) now() time.Duration { return time.Since(e.began) }

// do calls the machine and acts on what it says.
func (e *engine) do(f func(now time.Duration)) {
	e.mu.Lock()
	f(e.now())
	events := e.settleLocked()
	leases := e.takeLeasesLocked()
	e.mu.Unlock()
	release(leases)
	for i := range events {
		e.tell(&events[i])
	}
}

// settleLocked hands on what the machine wants sent and what has happened.
func (e *engine) settleLocked() (events []Event) {
	out, happened := e.m.Take()
	for i := range out {
		e.putLocked(&out[i])
	}
	for i := range happened {
		ev := e.event(&happened[i])
		events = append(events, ev)
		for _, r := range e.feed {
			r.put(ev)
		}
		if ev.Kind == Superseded {
			close(e.superseded)
		}
	}
	if v := e.m.Version(); v != e.version {
		e.version = v
		close(e.changed)
		e.changed = make(chan struct{})
		e.partnersLocked()
	}
	if e.m.Next() < e.armed {
		select {
		case e.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
	return events
}

// loop calls the machine when it wants to be called, and tells it when our
// addresses change. moved was taken before our first record was made, so that no
// change falls between the two.
func (e *engine) loop(self *node.Local, moved <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-timer.C:
			e.do(func(now time.Duration) {
				if e.m.Next() <= now {
					e.m.Tick(now)
				}
			})
		case <-e.wake:
		case <-moved:
			moved = self.Changed()
			e.move(self.Node().Hosts)
		}
		timer.Reset(e.arm())
	}
}

// arm says how long the loop may sleep.
func (e *engine) arm() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.armed = min(e.m.Next(), e.now()+time.Minute)
	return max(e.armed-e.now(), 0)
}

func (e *engine) move(hosts []string) {
	if !e.follow {
		return
	}
	e.do(func(now time.Duration) {
		if err := e.m.Update(now, func(r *wire.Record) { r.Addresses = hosts }); err != nil {
			e.log.Warn("our addresses cannot be told", "err", err)
		}
	})
}

// leave says goodbye and waits until every outbox is empty.
func (e *engine) leave(ctx context.Context) error {
	e.do(func(now time.Duration) {
		e.left = true
		e.m.Leave(now)
	})
	e.mu.Lock()
	done := make(chan struct{})
	if e.senders == 0 {
		close(done)
	} else {
		e.idle = append(e.idle, done)
	}
	e.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends the loop and the senders. A sender that waits for a peer too slow
// to read is freed by disconnecting the peer.
func (e *engine) close() {
	e.mu.Lock()
	e.over = true
	var stuck []*p2p.Peer
	for _, l := range e.links {
		l.clearLocked(e)
		if l.writing && l.session != nil {
			stuck = append(stuck, l.session.peer)
		}
	}
	for _, l := range e.links {
		e.giveBackLocked(l)
	}
	leases := e.takeLeasesLocked()
	for _, r := range e.feed {
		r.close()
	}
	e.mu.Unlock()
	e.stop()
	release(leases)
	for _, p := range stuck {
		e.loops.Go(func() { p.Disconnect(p2p.DiscQuitting) })
	}
	e.loops.Wait()
}

// run is the protocol's Run: it reads what one peer says.
func (g *Gossip) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	e, err := g.running()
	if err != nil {
		return err
	}
	s := &session{peer: peer, rw: rw}
	s.grams, _ = rw.(p2p.Datagrams)
	e.attach(s)
	if s.grams != nil {
		s.grams.OnDatagram(func(b []byte) { e.datagram(s, b) })
	}
	for {
		var msg p2p.Msg
		if msg, err = rw.ReadMsg(); err != nil {
			break
		}
		if err = e.receive(s, wire.Kind(msg.Code), msg.Payload); err != nil {
			err = refusal(err)
			break
		}
	}
	e.detach(s, err)
	return err
}

// refusal gives the reason that goes with it to what keeps a peer from joining.
func refusal(err error) error {
	r, ok := errors.AsType[*machine.RefusedError](err)
	switch {
	case !ok:
		return err
	case r.Full:
		return &p2p.DisconnectError{Reason: p2p.DiscTooManyPeers, Text: r.Text}
	}
	return &p2p.DisconnectError{Reason: p2p.DiscIncompatibleVersion, Text: r.Text}
}

// A session is a connected peer that runs our protocol.
type session struct {
	peer  *p2p.Peer
	rw    p2p.MsgReadWriter
	grams p2p.Datagrams // nil if there are none
}

func (e *engine) receive(s *session, kind wire.Kind, payload []byte) (err error) {
	full, refused := false, uint64(0)
	e.do(func(now time.Duration) {
		e.count.Received++
		e.count.BytesReceived += uint64(len(payload))
		before := e.m.Stats().Full
		err = e.m.Receive(now, s.peer.Ref(), kind, payload)
		if refused = e.m.Stats().Full; refused > before && now >= e.fullAgain {
			full, e.fullAgain = true, now+time.Minute
		}
	})
	if full {
		e.log.Warn("no room for another member", "peer", s.peer.ID().Short(), "refused", refused)
	}
	return err
}

// datagram takes in what came as a datagram. What makes no sense is dropped: it
// may be of a later version.
func (e *engine) datagram(s *session, b []byte) {
	if d, err := wire.ParseDatagram(b); err == nil {
		_ = e.receive(s, d.Kind, d.Payload)
	}
}

// attach makes s the session to its peer. A newer one takes the place of an
// older.
func (e *engine) attach(s *session) {
	e.do(func(now time.Duration) {
		l := e.linkLocked(s.peer.ID())
		if l.lease != nil && l.lease.Peer() != s.peer {
			e.giveBackLocked(l)
		}
		l.session, l.tried = s, false
		l.openLocked()
		e.kickLocked(l)
		e.m.Connected(now, s.peer.Ref())
	})
}

// detach takes s away, and asks the machine to look at the peer if it is the
// other side that has ended the session without being asked to.
func (e *engine) detach(s *session, err error) {
	denied := false
	e.do(func(now time.Duration) {
		l := e.linkLocked(s.peer.ID())
		if l.session != s {
			return // another has taken its place
		}
		l.session = nil
		e.giveBackLocked(l)
		e.rivalLocked(now, s.peer.ID(), err)
		denied = e.deniedLocked(now, err)
		if hint(err) {
			e.m.Closed(now, s.peer.Ref())
		}
		e.dropLocked(l)
	})
	if denied {
		e.log.Warn("not let into the cluster", "peer", s.peer.ID().Short(), "addr", s.peer.RemoteAddr(), "err", err)
	}
}

// deniedLocked tells whether a seed has sent us away that does not let us join,
// the first time that it says why.
func (e *engine) deniedLocked(now time.Duration, err error) bool {
	d, ok := errors.AsType[*p2p.DisconnectError](err)
	if !ok || !d.Remote || d.Reason != p2p.DiscTooManyPeers && d.Reason != p2p.DiscIncompatibleVersion || e.m.Joined() {
		return false
	}
	e.m.Denied(now)
	news := d.Text != e.denied
	e.denied = d.Text
	return news
}

// hint tells whether the end of a session says that the peer is gone. A session
// that was idle, doubled or silent says nothing.
func hint(err error) bool {
	if d, ok := errors.AsType[*p2p.DisconnectError](err); ok {
		return d.Reason == p2p.DiscNetworkError || d.Remote && d.Reason == p2p.DiscQuitting
	}
	return errors.Is(err, p2p.DiscNetworkError) || !errors.Is(err, p2p.DiscReadTimeout) && !errors.Is(err, net.ErrClosed) && !isReason(err)
}

func isReason(err error) bool {
	_, ok := errors.AsType[p2p.DiscReason](err)
	return ok
}

// rivalLocked notes that a peer has sent us away because it knows a newer run
// of us. One peer may lie; two, or the only other member, are believed.
func (e *engine) rivalLocked(now time.Duration, peer node.ID, err error) {
	d, ok := errors.AsType[*p2p.DisconnectError](err)
	if !ok || !d.Remote || d.Reason != p2p.DiscSuperseded {
		return
	}
	e.rivals[peer] = true
	if len(e.rivals) >= min(2, e.m.Count()-1) {
		e.m.GiveWay(now)
	}
}
