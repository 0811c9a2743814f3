package p2p

import (
	"context"
	"iter"
	"slices"

	"kith/node"
)

// An EventKind says what happened to a peer.
type EventKind uint8

const (
	// PeerUp: a peer is connected and its protocols run.
	PeerUp EventKind = iota
	// PeerDown: a peer is gone; Err says why.
	PeerDown
	// MsgSent: messages of one code were queued for a peer; with EnableMsgEvents.
	MsgSent
	// MsgReceived: a protocol has taken messages of one code of a peer's; with
	// EnableMsgEvents.
	MsgReceived
)

// String is "up", "down", "sent" or "received".
func (k EventKind) String() string {
	return [...]string{"up", "down", "sent", "received"}[k&3]
}

// An Event is the latest news about one node, or a sum of messages.
type Event struct {
	Kind EventKind
	Peer *Peer
	// Err is why the peer is gone, nil with another Kind.
	Err error
	// Cap and Code say which messages, with MsgSent and MsgReceived. Count is how
	// many they were and Bytes how much their payloads had together, since the
	// event before about the same.
	Cap   Cap
	Code  uint64
	Count uint64
	Bytes uint64
	// Missed is how many events this reader has lost by being slow since the one
	// before: about other nodes, or single messages.
	Missed int

	place uint64 // among those that a reader has not taken
}

// eventRoom is how many nodes may have news that a reader has not taken. News
// about a node replaces what was there about it, so what is read last is true;
// when there is no room the oldest news of somebody's end is dropped and
// counted.
const eventRoom = 4096

// Events gives what happens from the call on, until ctx or the server ends. A
// reader that is slow gets only the latest about each node, and sums of messages. A peer that takes
// the place of another of the same node comes after that one's end. Range over
// it once; what Peers says after the call is where to begin.
func (s *Server) Events(ctx context.Context) iter.Seq[Event] {
	c, err := s.running()
	if err != nil {
		return func(func(Event) bool) {}
	}
	r := newReader()
	c.mu.Lock()
	c.feed.add(r)
	c.listening.Store(int32(len(c.feed.readers)))
	c.mu.Unlock()
	remove := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.feed.remove(r)
		c.listening.Store(int32(len(c.feed.readers)))
	}
	stop := context.AfterFunc(ctx, remove)
	return func(yield func(Event) bool) {
		defer stop()
		defer remove()
		for ctx.Err() == nil {
			c.mu.Lock()
			e, ok := r.take()
			ended := r.closed
			c.mu.Unlock()
			switch {
			case ok:
				if !yield(e) {
					return
				}
			case ended:
				return
			default:
				<-r.wake // by news, or by the end of ctx or the server
			}
		}
	}
}

// A feed hands events to readers. Its owner's lock guards it.
type feed struct {
	readers []*reader
	closed  bool
}

type reader struct {
	news   map[node.ID]Event
	order  []node.ID // of news, oldest first
	msgs   tally
	last   uint64 // place given out
	missed int
	closed bool          // no more will come
	wake   chan struct{} // room for one
}

func newReader() *reader {
	return &reader{news: make(map[node.ID]Event), msgs: tally{sums: make(map[msgKey]Event)}, wake: make(chan struct{}, 1)}
}

func (f *feed) add(r *reader) {
	if f.closed {
		r.close()
		return
	}
	f.readers = append(f.readers, r)
}

func (f *feed) remove(r *reader) {
	f.readers = slices.DeleteFunc(f.readers, func(x *reader) bool { return x == r })
	r.close()
}

func (f *feed) send(e Event) {
	for _, r := range f.readers {
		r.put(e)
	}
}

func (f *feed) close() {
	f.closed = true
	for _, r := range f.readers {
		r.close()
	}
	f.readers = nil
}

func (r *reader) close() {
	r.closed = true
	r.ring()
}

func (r *reader) ring() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (r *reader) put(e Event) {
	id := e.Peer.ID()
	if _, ok := r.news[id]; ok {
		r.order = slices.DeleteFunc(r.order, func(x node.ID) bool { return x == id })
	} else if len(r.order) >= eventRoom {
		r.dropOldest()
	}
	r.last++
	e.place = r.last
	r.news[id] = e
	r.order = append(r.order, id)
	r.ring()
}

func (r *reader) dropOldest() {
	i := max(0, slices.IndexFunc(r.order, func(id node.ID) bool { return r.news[id].Kind == PeerDown }))
	delete(r.news, r.order[i])
	r.order = slices.Delete(r.order, i, i+1)
	r.missed++
}

// take gives what came first of what has not been taken.
func (r *reader) take() (e Event, ok bool) {
	sum, ok := r.msgs.first()
	switch {
	case len(r.order) > 0 && (!ok || r.news[r.order[0]].place < sum.place):
		e = r.news[r.order[0]]
		delete(r.news, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	case ok:
		e = sum
		r.msgs.pop()
	default:
		return Event{}, false
	}
	e.Missed, r.missed = r.missed, 0
	return e, true
}
