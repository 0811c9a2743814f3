package port

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"kith/node"
	"kith/p2p"
)

const (
	// maxControl is how many bytes of answers, credits and other short frames
	// may wait for room. A peer that makes us say more without reading is cut
	// off.
	maxControl = 1 << 20
	// maxStreams is how many ports at a time one side may have open on a session.
	maxStreams = 1024
)

// A link is the ports protocol on one session: what we have asked of the peer
// (streams, slots) and what it has asked of us (inbounds, calls).
//
// The session's reader calls deliver, its writer calls fill; neither waits.
// Everything else goes into the session by TryPost or, if it has no room or the
// stream has no credit, waits in a flow until fill takes it.
type link struct {
	mux      *Mux
	peer     node.Ref
	who      string // peer, for the log
	direct   p2p.Direct
	grams    p2p.Datagrams // nil if the session has none
	fragment int           // the longest body of a fragment
	ctx      context.Context
	cancel   context.CancelFunc

	slots slots // requests that we made

	mu         sync.Mutex // guards what follows; fill holds it while it copies
	err        error      // why the link has ended; nil while it lives
	ready      ring[*flow]
	fills      uint64 // calls of fill
	control    []byte // frames as code 1, length 2, bytes; those before taken are sent
	taken      int
	head       [maxHead]byte
	replies    int  // waiting in flows
	quick      flow // small requests and replies, which need no credit
	streams    map[uint32]*stream
	lastWindow *window // that has given back last, and when
	lastGiven  time.Time
	rtt        roundTrip
	sendRoom   int // what windows of one-way messages may still take
	next       uint32
	waiting    ring[datagram] // unreliable messages without a carrier, at most maxDatagrams

	broken chan error // holds the first breach of protocol
	dead   chan struct{}

	turns     atomic.Uint64 // how often what comes is for another window than what came before
	replying  atomic.Int64  // bytes of replies that wait in flows; changed with mu held
	heldBytes atomic.Int64  // of the budget, for large messages of this peer
	udp       carrier

	reading sync.Mutex // held by deliver; guards what follows
	over    bool       // no more is read
	// inbounds is changed with mu held too.
	inbounds  map[uint32]*inbound
	lend      func() *p2p.Lease                                           // nil where sessions do not end for want of use
	lease     *p2p.Lease                                                  // while there are inbounds
	calls     [segments]atomic.Pointer[[segmentSize]atomic.Pointer[call]] // by place; others may clear
	parts     map[uint32]*assembly                                        // of requests, by place
	watch     *time.Timer                                                 // calls dropStalled; nil before the first
	watched   bool                                                        // watch is set
	works     []work
	lastHeard *window // for which something has come last
	arena     []byte
	slab      []call
	in        frame
	now       time.Time // of this batch; zero until asked for
}

var heads = sync.Pool{New: func() any { return new([maxHead]byte) }}

func newLink(m *Mux, peer node.Ref, d p2p.Direct, g p2p.Datagrams) *link {
	l := &link{
		mux: m, peer: peer, who: peer.ID.Short(), direct: d, grams: g,
		fragment: min(d.MaxPost(), maxFragment) - maxHead,
		streams:  make(map[uint32]*stream),
		inbounds: make(map[uint32]*inbound),
		parts:    make(map[uint32]*assembly),
		sendRoom: sendRoom,
		broken:   make(chan error, 1),
		dead:     make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start begins to read and write.
func (l *link) start() {
	if l.grams != nil {
		l.grams.OnDatagram(l.deliverDatagram)
	}
	l.direct.Attach(l.deliver, l.fill)
	l.ping(time.Now())
}

// breach ends the link, and with it the session, for something no honest peer
// does. The reader calls it.
func (l *link) breach(err error) {
	select {
	case l.broken <- err:
	default:
	}
}

// fail ends the link: whoever waits for an answer gets err, and handlers that
// run for the peer see their ctx end.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	streams := l.streams
	l.streams = nil
	l.ready = ring[*flow]{}
	l.control = nil
	l.waiting = ring[datagram]{}
	l.mu.Unlock()
	close(l.dead)
	l.cancel()
	for _, s := range streams {
		s.close(err)
	}
	l.slots.close(err)
	for i := range l.calls {
		seg := l.calls[i].Load()
		if seg == nil {
			break
		}
		for j := range seg {
			if c := seg[j].Load(); c != nil {
				c.end(context.Canceled)
			}
		}
	}
}

// ended gives why the link has ended, nil if it lives.
func (l *link) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// closedError wraps the cause of a session's end.
func closedError(cause error) error {
	if cause == nil || errors.Is(cause, ErrClosed) {
		return &sessionError{errors.New("session closed")}
	}
	return &sessionError{cause}
}

// A sessionError is an ErrClosed with the reason of the session's end.
type sessionError struct{ cause error }

func (e *sessionError) Error() string        { return "session closed: " + e.cause.Error() }
func (e *sessionError) Unwrap() error        { return e.cause }
func (e *sessionError) Is(target error) bool { return target == ErrClosed }

// tell sends a short frame that needs no credit, behind those that wait. It
// never waits.
func (l *link) tell(f *frame) {
	l.mu.Lock()
	queued, err := len(l.control) > 0, l.err
	l.mu.Unlock()
	if err != nil || !queued && l.tryPost(f, f.body) {
		return
	}
	l.mu.Lock()
	over := l.err == nil && !l.queueControlLocked(f)
	l.mu.Unlock()
	if over {
		l.breach(&breach{"it does not read what it asks for"})
		return
	}
	l.direct.Wake()
}

// tryPost is Direct.TryPost of a frame.
func (l *link) tryPost(f *frame, body []byte) bool {
	h := heads.Get().(*[maxHead]byte)
	ok := l.direct.TryPost(uint64(f.kind), f.appendHead(h[:0]), body)
	heads.Put(h)
	return ok
}

func (l *link) queueControlLocked(f *frame) bool {
	if len(l.control)-l.taken > maxControl {
		return false
	}
	if l.taken > maxControl {
		l.control = append(l.control[:0], l.control[l.taken:]...)
		l.taken = 0
	}
	n := headSize[f.kind] + len(f.body)
	b := append(l.control, byte(f.kind), byte(n>>8), byte(n))
	b = f.appendHead(b)
	l.control = append(b, f.body...)
	return true
}

// fillControlLocked sends the short frames that wait; false if there is no room
// for all.
func (l *link) fillControlLocked(put func(code uint64, head, body []byte) bool) bool {
	for l.taken < len(l.control) {
		b := l.control[l.taken:]
		n := int(b[1])<<8 | int(b[2])
		if !put(uint64(b[0]), b[3:3+n], nil) {
			return false
		}
		l.taken += 3 + n
	}
	l.control, l.taken = l.control[:0], 0
	return true
}

// refuse answers a request without running it.
func (l *link) refuse(id uint32, c code, detail uint64, text string) {
	l.tell(&frame{kind: kindError, id: id, code: c, detail: detail, body: []byte(text)})
}

// clock is the time of the batch that is being read.
func (l *link) clock() time.Time {
	if l.now.IsZero() {
		l.now = time.Now()
	}
	return l.now
}
