package port

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An inbound is a port of ours that the peer has open.
type inbound struct {
	link   *link
	id     uint32
	svc    *service
	flow   flow          // our replies
	window window        // their requests or messages
	first  int           // window's first size
	most   int           // the largest reply that the peer takes
	closed atomic.Uint32 // a code, once we have ended the stream

	part *assembly // the one-way message that is arriving; the reader's own
	kept int       // of its bytes, how many are given back when it is handled

	starved  bool  // guarded by link.mu: it waits for the budget
	withheld int   // guarded by link.mu: bytes not given back for that
	wants    int64 // guarded by budget.mu

	mu      sync.Mutex // guards what follows
	pending *batch     // one-way messages in order, bounded by the window; nil: none
	queued  bool       // it is in its port's queue, or a worker has it
}

func (l *link) onOpen(f *frame) error {
	if l.inbounds[f.id] != nil {
		return &breach{"a stream is opened twice"}
	}
	m := l.mux
	svc := m.service(f.port)
	refuse := func(c code, detail uint64, text string) error {
		l.tell(&frame{kind: kindClose, id: f.id, code: c, detail: detail, body: []byte(text)})
		return nil
	}
	switch {
	case f.detail != 0 && m.Self.Generation != 0 && f.detail != m.Self.Generation:
		return refuse(codeStale, m.Self.Generation, "")
	case m.draining.Load():
		return refuse(codeDraining, 0, "")
	case svc == nil:
		return refuse(codeNoPort, 0, "")
	case len(l.inbounds) >= maxStreams:
		return refuse(codeBusy, 0, "1024 ports open on the session")
	}
	in := &inbound{link: l, id: f.id, svc: svc, most: int(min(f.max, 1<<31-1))}
	in.flow.credit = int(min(f.window, 1<<30))
	l.mu.Lock()
	in.initLocked()
	l.inbounds[f.id] = in
	l.mu.Unlock()
	l.hold()
	l.tell(&frame{
		kind: kindOpened, id: f.id, mode: svc.mode, window: uint32(in.first),
		max: uint32(svc.mode.limit(m.limits().maxMessage)), detail: m.Self.Generation, body: []byte(svc.name),
	})
	return nil
}

// initLocked sets the first window.
func (in *inbound) initLocked() {
	w := &in.window
	if in.svc.mode != Send {
		in.first = firstWindow
		w.init(leastWindow, firstWindow, maxWindow, kindCredit)
		return
	}
	w.share = &in.link.sendRoom
	if in.first = leastSendWindow; w.shared(firstSendWindow) {
		in.first = firstSendWindow
	}
	w.init(in.first, in.first, maxSendWindow, kindCredit)
}

// leaveLocked gives back what the window has of the room that it shares.
func (in *inbound) leaveLocked() {
	w := &in.window
	if w.share == nil {
		return
	}
	*w.share += w.size
	if in.first == leastSendWindow {
		*w.share -= leastSendWindow
	}
	w.share, w.most = nil, 0 // what is still owed makes it grow no more
}

func (l *link) onLeave(f *frame) {
	in := l.inbounds[f.id]
	if in == nil {
		return
	}
	l.dropPart(in)
	l.mu.Lock()
	delete(l.inbounds, f.id)
	in.leaveLocked()
	l.mu.Unlock()
	l.hold()
}

// hold keeps the session while the peer has streams open. Its own leases are not
// known here, and a handler may be silent for longer than idle sessions live.
func (l *link) hold() {
	switch {
	case l.lend == nil:
	case l.lease == nil && len(l.inbounds) > 0:
		l.lease = l.lend()
	case l.lease != nil && len(l.inbounds) == 0:
		l.lease.Release()
		l.lease = nil
	}
}

// shut ends the streams of a port, or all if svc is nil, and tells the peer.
func (l *link) shut(svc *service, c code) {
	l.mu.Lock()
	var ids []uint32
	for id, in := range l.inbounds {
		if (svc == nil || in.svc == svc) && in.closed.CompareAndSwap(0, uint32(c)) {
			ids = append(ids, id)
		}
	}
	l.mu.Unlock()
	for _, id := range ids {
		l.tell(&frame{kind: kindClose, id: id, code: c})
	}
}

// charge counts what came on a stream of requests and gives it back at once: it
// is copied, or refused.
func (l *link) charge(id uint32, cost int) (*inbound, error) {
	in := l.inbounds[id]
	if in == nil || cost == 0 {
		l.heard(nil)
		return in, nil
	}
	l.heard(&in.window)
	if !in.window.take(cost) {
		return nil, &breach{"more of a request than it has credit for"}
	}
	l.giveBack(&in.window, id, cost)
	return in, nil
}

// admit makes a call of a request that begins, or refuses it (nil) with words to
// the peer.
func (l *link) admit(f *frame, total int) (*call, error) {
	place := f.id & slotMask
	if place >= maxCalls {
		return nil, &breach{"too many requests in flight"}
	}
	cost := len(f.body)
	if cost <= small && total == cost {
		cost = 0
	}
	in, err := l.charge(f.stream, cost)
	if err != nil {
		return nil, err
	}
	entry := l.entry(place)
	if entry.Load() != nil {
		return nil, &breach{"a request begins in the place of another"}
	}
	if len(l.parts) > 0 {
		delete(l.parts, place)
	}
	if c, detail, text := l.refusesRequest(in, total); c != 0 {
		l.refuse(f.id, c, detail, text)
		return nil, nil
	}
	return l.newCall(in, entry, f, total), nil
}

// refusesRequest gives the code with which to refuse a request, 0 to take it. A
// large one has then its part of the budget.
func (l *link) refusesRequest(in *inbound, total int) (c code, detail uint64, text string) {
	if in == nil {
		return codeNoPort, 0, ""
	}
	limits := l.mux.limits()
	switch {
	case in.closed.Load() != 0:
		return code(in.closed.Load()), 0, ""
	case l.mux.draining.Load():
		return codeDraining, 0, ""
	case in.svc.mode != Request:
		return codeWrongMode, uint64(in.svc.mode), ""
	case total > limits.maxMessage:
		return codeTooLarge, uint64(limits.maxMessage), ""
	case l.replying.Load() > limits.linkBudget:
		in.svc.busy.Add(1)
		return codeBusy, 0, "too many replies not yet taken"
	case total > arenaMost && !l.mux.budget.reserve(l, total):
		in.svc.busy.Add(1)
		return codeBusy, 0, "no memory for so large a message now"
	}
	return 0, 0, ""
}

// callSlab is how many calls are allocated together.
const callSlab = 8

func (l *link) newCall(in *inbound, entry *atomic.Pointer[call], f *frame, total int) *call {
	if len(l.slab) == 0 {
		l.slab = make([]call, callSlab)
	}
	c := &l.slab[0]
	l.slab = l.slab[1:]
	c.link, c.in, c.entry, c.id = l, in, entry, f.id
	c.msg = Message{Index: f.index, From: l.peer, Port: in.svc.number, Mode: Request}
	if total > arenaMost {
		c.held.Store(int64(total))
	}
	if f.timeout > 0 {
		c.deadline = l.clock().Add(time.Duration(f.timeout) * time.Millisecond)
	}
	entry.Store(c)
	return c
}

// entry is where the call of a place is kept.
func (l *link) entry(place uint32) *atomic.Pointer[call] {
	p := &l.calls[place>>segmentBits]
	seg := p.Load()
	if seg == nil {
		seg = new([segmentSize]atomic.Pointer[call])
		p.Store(seg)
	}
	return &seg[place&(segmentSize-1)]
}

func (l *link) onRequest(f *frame) error {
	c, err := l.admit(f, len(f.body))
	if c == nil {
		return err
	}
	if len(f.body) <= arenaMost {
		c.msg.Data = l.keep(f.body)
	} else {
		c.buf = newBuffer(len(f.body))
		c.buf.b = append(c.buf.b, f.body...)
		c.msg.Data = c.buf.b
	}
	l.works = append(l.works, work{call: c, svc: c.in.svc})
	return nil
}

func (l *link) onRequestFirst(f *frame) error {
	if int(f.total) <= len(f.body) {
		return &breach{"a large request that is not"}
	}
	c, err := l.admit(f, int(f.total))
	if err != nil {
		return err
	}
	a := &assembly{id: f.id, total: int(f.total), call: c, drop: c == nil}
	if c != nil {
		c.state.Store(callArriving)
	}
	l.parts[f.id&slotMask] = a
	l.watchParts()
	a.add(f.body)
	return nil
}

func (l *link) onRequestMore(f *frame) error {
	if _, err := l.charge(f.stream, len(f.body)); err != nil {
		return err
	}
	place := f.id & slotMask
	a := l.parts[place]
	if a == nil || a.id != f.id {
		return nil
	}
	if !a.add(f.body) {
		return &breach{"more of a request than it claimed"}
	}
	if !a.done() {
		return nil
	}
	delete(l.parts, place)
	if c := a.call; c != nil {
		c.buf, c.msg.Data = a.buf, a.buf.b
		c.state.Store(callQueued)
		l.works = append(l.works, work{call: c, svc: c.in.svc})
	}
	return nil
}

// onCancel ends the handler's ctx. If the handler has not begun, or the reply is
// not all sent, the request is answered now; else by the handler's worker.
func (l *link) onCancel(f *frame) {
	place := f.id & slotMask
	if place >= maxCalls {
		return
	}
	c := l.entry(place).Load()
	if c == nil || c.id != f.id {
		delete(l.parts, place)
		return
	}
	c.end(context.Canceled)
	switch {
	case c.state.CompareAndSwap(callArriving, callAnswered):
		delete(l.parts, place)
	case c.state.CompareAndSwap(callQueued, callAnswered):
	case c.state.CompareAndSwap(callReplying, callAnswered):
		if _, all := l.withdraw(c.out); all {
			return
		}
	default:
		return
	}
	c.release()
	c.forget()
	l.refuse(f.id, codeCanceled, 0, "")
}
