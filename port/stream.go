package port

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A stream is a port of the peer that a Client of ours has open.
type stream struct {
	link   *link
	id     uint32
	number uint16
	flow   flow   // our requests or messages
	window window // the replies

	opened chan struct{} // closed when the peer has said yes; what follows is set before
	mode   Mode
	name   string
	most   int     // the largest message that the peer takes here
	head   [4]byte // of a whole one-way message

	gone     chan struct{} // closed when the peer or the link has ended the stream
	goneFlag atomic.Bool   // before gone is closed
	goneOnce sync.Once
	err      error         // why; set before goneFlag
	left     chan struct{} // closed when we have
	leftFlag atomic.Bool   // before left is closed
	leftOnce sync.Once
}

// open asks the peer for a port.
func (l *link) open(ctx context.Context, number uint16, generation uint64) (*stream, error) {
	s := &stream{
		link: l, number: number,
		opened: make(chan struct{}), gone: make(chan struct{}), left: make(chan struct{}),
	}
	s.window.init(leastWindow, firstWindow, maxWindow, kindReplyCredit)
	if err := l.addStream(s); err != nil {
		return nil, err
	}
	l.tell(&frame{
		kind: kindOpen, id: s.id, port: number, window: firstWindow,
		max: uint32(l.mux.limits().maxMessage), detail: generation,
	})
	select {
	case <-s.opened:
		return s, nil
	case <-s.gone:
		s.leave()
		return nil, s.err
	case <-ctx.Done():
		s.leave()
		return nil, ctx.Err()
	}
}

func (l *link) addStream(s *stream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if len(l.streams) >= maxStreams {
		return refusal(codeBusy, 0, "1024 ports open on the session")
	}
	for s.id = l.next; l.streams[s.id] != nil; s.id++ {
	}
	l.next = s.id + 1
	l.streams[s.id] = s
	return nil
}

// close ends the stream from the other side. Requests in flight are still
// answered.
func (s *stream) close(err error) {
	s.goneOnce.Do(func() {
		s.err = err
		s.goneFlag.Store(true)
		close(s.gone)
	})
}

// leave ends the stream from our side: calls in flight end too.
func (s *stream) leave() {
	s.leftOnce.Do(func() {
		l := s.link
		s.leftFlag.Store(true)
		close(s.left)
		l.slots.shut(s.id)
		l.mu.Lock()
		delete(l.streams, s.id)
		ordered := s.flow.ordered
		l.mu.Unlock()
		if ordered { // behind the messages
			l.enqueue(&s.flow, &out{kind: kindLeave, stream: s.id})
		} else {
			l.tell(&frame{kind: kindLeave, id: s.id})
		}
	})
}

// ended tells whether the stream is of no more use.
func (s *stream) ended() bool { return s.goneFlag.Load() }

func (l *link) onOpened(f *frame) {
	l.mu.Lock()
	s := l.streams[f.id]
	l.mu.Unlock()
	if s == nil || s.mode != 0 {
		return
	}
	if !f.mode.valid() {
		s.close(&ModeError{f.mode})
		return
	}
	s.mode, s.name, s.most = f.mode, string(f.body), int(f.max)
	(&frame{kind: kindSend, id: s.id}).appendHead(s.head[:0])
	l.mu.Lock()
	s.flow.credit = int(min(f.window, 1<<30))
	s.flow.ordered = s.mode == Send
	l.mu.Unlock()
	close(s.opened)
}

func (l *link) onClose(f *frame) {
	l.mu.Lock()
	s := l.streams[f.id]
	l.mu.Unlock()
	if s != nil {
		s.close(refusal(f.code, f.detail, string(f.body)))
	}
}

// timeout is what is left until ctx's deadline in ms, 0 if it has none.
func timeout(ctx context.Context) uint32 {
	d, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	ms := time.Until(d).Milliseconds()
	return uint32(min(max(ms, 0)+1, math.MaxUint32))
}

// request makes a request and waits for its answer. Unless sent, the peer has
// seen nothing of it.
func (s *stream) request(ctx context.Context, index uint32, data []byte) (reply []byte, sent bool, err error) {
	if len(data) > s.most {
		return nil, false, &TooLargeError{Size: len(data), Limit: s.most}
	}
	l := s.link
	sl, err := l.slots.take()
	if err != nil {
		return nil, false, err
	}
	sl.stream.Store(s.id + 1)
	if s.leftFlag.Load() { // s.leave may have been too early to see the slot
		l.slots.shut(s.id)
	}
	posted := s.post(sl, index, timeout(ctx), data)
	select {
	case <-sl.answered:
	case <-ctx.Done():
		if sent, left := s.abandon(sl, posted); left {
			return nil, sent, ctx.Err()
		}
	}
	if st := sl.state.Load(); st == slotShut || st == slotOver {
		return nil, s.giveUp(sl, posted), ErrClosed
	}
	sent = posted
	if !posted { // it may have been refused before all of it was sent
		sent, _ = l.withdraw(&sl.out)
	}
	reply, err = sl.reply, sl.err
	sl.reply = nil
	l.slots.put(sl)
	return reply, sent, err
}

// post sends a request, or lets it wait in its slot.
func (s *stream) post(sl *slot, index, timeout uint32, data []byte) bool {
	l, n := s.link, len(data)
	if n <= small || n <= l.fragment && l.spend(&s.flow, n) {
		f := frame{kind: kindRequest, id: sl.id.Load(), stream: s.id, index: index, timeout: timeout}
		ok := l.direct.TryPost(uint64(kindRequest), f.appendHead(sl.head[:0]), data)
		if n > small {
			l.posted(&s.flow, n, ok)
		}
		if ok {
			return true
		}
	}
	sl.out = out{
		kind: kindRequest, first: kindRequestFirst, more: kindRequestMore,
		id: sl.id.Load(), stream: s.id, index: index, timeout: timeout, data: data,
	}
	l.enqueue(&s.flow, &sl.out)
	return false
}

// abandon leaves a request without its answer, unless the answer has come: then
// left is false. The peer is told, if it has seen any of it.
func (s *stream) abandon(sl *slot, posted bool) (sent, left bool) {
	l, id := s.link, sl.id.Load()
	if sent = posted; !posted {
		sent, _ = l.withdraw(&sl.out)
	}
	if !l.slots.leave(sl) {
		return sent, false
	}
	if !sent {
		l.slots.put(sl)
		return false, true
	}
	l.tell(&frame{kind: kindCancel, id: id})
	return true, true
}

// giveUp is abandon for a caller that was woken because the stream was left.
func (s *stream) giveUp(sl *slot, posted bool) (sent bool) {
	l, id := s.link, sl.id.Load()
	if sent = posted; !posted {
		sent, _ = l.withdraw(&sl.out)
	}
	if !sent || !sl.state.CompareAndSwap(slotShut, slotLeft) {
		l.slots.put(sl)
		return sent
	}
	l.tell(&frame{kind: kindCancel, id: id})
	return true
}

// send sends a one-way message. It returns when the session has taken all of it.
// Unless sent, the peer has seen nothing of it, or was told to forget it.
func (s *stream) send(ctx context.Context, data []byte) (sent bool, err error) {
	if len(data) > s.most {
		return false, &TooLargeError{Size: len(data), Limit: s.most}
	}
	if s.ended() {
		return false, s.err
	}
	l := s.link
	if cost := len(data) + overhead; len(data) <= l.fragment && l.spend(&s.flow, cost) {
		if l.posted(&s.flow, cost, l.direct.TryPost(uint64(kindSend), s.head[:], data)) {
			return true, nil
		}
	}
	o := out{
		kind: kindSend, first: kindSendFirst, more: kindSendMore,
		stream: s.id, data: data, taken: make(chan struct{}, 1),
	}
	l.enqueue(&s.flow, &o)
	select {
	case <-o.taken:
		return true, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.gone:
		err = s.err
	case <-s.left:
		err = ErrClosed
	}
	if _, all := l.withdraw(&o); all {
		return true, nil
	}
	return false, err
}
