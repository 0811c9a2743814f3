package mtls

import (
	"encoding/binary"
	"sync"
	"time"
)

const (
	// maxQueued is how many bytes may wait for the writer; then senders wait,
	// and TryPost says false.
	maxQueued = 256 << 10
	// writeRound is how much the writer takes at a time: four full frames, and
	// room for the end of a message of 64 KiB, lest it be a write of its own.
	writeRound = 66 << 10
)

// out is what waits to be written. The writer takes all of buf at once, adds
// frames of long messages in turn and writes it in one go, while senders fill
// another buffer.
type out struct {
	mu      sync.Mutex // guards what follows; never held while waiting
	room    sync.Cond  // signalled when buf is taken, when credit comes and at the end
	waiters int
	buf     []byte // whole frames
	spare   []byte // the other buffer, while it is not being written
	ready   []*channel
	credits []*channel // whose due is not 0
	pong    []byte     // payload of a ping to answer: the last one is enough
	ping    bool       // a ping is to be sent
	ask     bool       // the peer is to be asked for datagrams
	none    []byte     // why we do not dial them, to tell the peer
	chain   []byte     // our new certificates, to tell the peer
	writing bool       // the writer is awake, or has been called
	msgsOut uint64

	opened    bool
	err       error  // why the session has ended, or is closing
	last      []byte // the disconnect frame while it is closing
	closeDone sync.Once

	wake chan struct{} // calls the writer

	// The writer's own.
	pieces []piece
	turns  []turn
	round  []byte // being filled
	turn   *turn  // whose fill is called
	put    func(code uint64, head, body []byte) bool
}

// sending is what waits on one channel.
type sending struct {
	credit  int         // bytes that may be sent
	due     int         // bytes to give back to the peer
	queued  []*outgoing // long messages, and what is behind them; bounded by those who wait in WriteMsg
	filling bool        // fill is to be called
	inReady bool
}

// An outgoing is a message whose sender waits until it is taken.
type outgoing struct {
	code  uint16
	data  []byte
	sent  int
	taken chan error // gets one value
	busy  bool       // the writer is copying some of it
}

// A piece is the part of an outgoing that goes in this round.
type piece struct {
	o        *outgoing
	channel  uint8
	from, to int
}

// A turn is the part of this round that a direct channel may fill.
type turn struct {
	c      *channel
	room   int
	credit int // taken from the channel; what is left goes back
	msgs   uint64
	again  bool // put has said false
}

func (o *out) init() {
	o.room.L = &o.mu
	o.wake = make(chan struct{}, 1)
}

// kickLocked wakes the writer if it sleeps.
func (o *out) kickLocked() {
	if o.writing || !o.opened {
		return
	}
	o.writing = true
	o.wake <- struct{}{} // never waits: only who sets writing sends
}

// waitLocked waits for room, or the end.
func (o *out) waitLocked() {
	o.waiters++
	o.room.Wait()
	o.waiters--
}

func (o *out) wakeWaitersLocked() {
	if o.waiters > 0 {
		o.room.Broadcast()
	}
}

// readyLocked puts a channel in the list of those that have something for the
// writer and may send it.
func (o *out) readyLocked(c *channel) {
	if !c.inReady && c.mayGo() {
		c.inReady = true
		o.ready = append(o.ready, c)
	}
}

// mayGo tells whether the writer could take something of the channel now. It
// waits for credit for a whole chunk, lest the chunks become tiny.
func (c *channel) mayGo() bool {
	if c.filling {
		return c.credit >= maxFrame+overhead
	}
	return len(c.queued) > 0 && c.credit >= min(len(c.queued[0].data)-c.queued[0].sent, maxFrame)+overhead
}

// addCredit is called for a credit frame of the peer.
func (s *session) addCredit(c *channel, n uint32) {
	s.mu.Lock()
	if n == unlimited {
		c.credit = 1 << 60
	} else {
		c.credit = min(c.credit+int(n), 1<<60)
	}
	s.readyLocked(c)
	if c.inReady {
		s.kickLocked()
	}
	s.wakeWaitersLocked()
	s.mu.Unlock()
}

// tell has the writer say something of the session's own.
func (s *session) tell(set func(o *out)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		set(&s.out)
		s.kickLocked()
	}
}

func (s *session) controlDueLocked() bool {
	return s.ping || s.pong != nil || len(s.credits) > 0 || s.ask || s.none != nil || s.out.chain != nil
}

// appendControlLocked writes what the session itself has to say. However often
// there was reason to say it, it is said once.
func (s *session) appendControlLocked(b []byte) []byte {
	if s.pong != nil {
		b = appendFrame(b, kindPong, s.pong)
		s.pong = nil
	}
	if s.ping {
		b = appendFrame(b, kindPing, binary.BigEndian.AppendUint64(nil, s.rate.sent(time.Since(s.began))))
		s.ping = false
	}
	for _, c := range s.credits {
		b = header{kind: kindCredit, channel: c.index, length: 4}.append(b)
		b = binary.BigEndian.AppendUint32(b, uint32(c.due))
		c.due = 0
	}
	s.credits = s.credits[:0]
	if s.ask {
		b = appendFrame(b, kindAsk)
		s.ask = false
	}
	if s.none != nil {
		b = appendFrame(b, kindNone, s.none)
		s.none = nil
	}
	if s.out.chain != nil {
		b = appendFrame(b, kindRenewed, s.out.chain)
		s.out.chain = nil
	}
	return b
}

// dropQueuedLocked fails all who wait in WriteMsg. Those whose message is being
// copied are told by the writer.
func (s *session) dropQueuedLocked() {
	for _, c := range s.channels {
		for _, o := range c.queued {
			if !o.busy {
				o.taken <- s.err
			}
		}
		c.queued, c.filling, c.inReady = nil, false, false
	}
	clear(s.ready)
	s.ready = s.ready[:0]
}
