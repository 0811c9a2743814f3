package port

import "sync"

// A batch is what waits of a stream's one-way messages, or what a worker has
// taken of them: the short ones one behind the other in one piece of memory.
type batch struct {
	items []item
	buf   []byte
	bytes int // of all messages
}

// An item is a one-way message.
type item struct {
	from, to int     // of batch.buf; unused if large
	large    *buffer // of a message that came in fragments
	cost     int     // to be given back to the peer
	held     int64   // to be given back to the budget
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// maxBatch is how much memory a batch that is not in use keeps.
const maxBatch = 2 * maxSendWindow

// recycle lets others use the batch.
func (b *batch) recycle() {
	if cap(b.buf) > maxBatch {
		return
	}
	clear(b.items)
	b.items, b.buf, b.bytes = b.items[:0], b.buf[:0], 0
	batches.Put(b)
}

// data is the i-th message.
func (b *batch) data(i int) []byte {
	it := &b.items[i]
	if it.large != nil {
		return it.large.b
	}
	return b.buf[it.from:it.to:it.to]
}

// queue adds a message, of which data is copied if it is not large. It tells
// whether in is to be given to the pool.
func (in *inbound) queue(data []byte, it item) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pending == nil {
		in.pending = batches.Get().(*batch)
	}
	b := in.pending
	if it.large == nil {
		it.from = len(b.buf)
		b.buf = append(b.buf, data...)
		it.to = len(b.buf)
	}
	b.bytes += len(data)
	b.items = append(b.items, it)
	first := !in.queued
	in.queued = true
	return first
}

// take gives a worker what waits.
func (in *inbound) take() *batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.pending
	in.pending = nil
	return b
}

// more tells a worker whether there is more by now; if not, in is queued anew
// when there is.
func (in *inbound) more() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queued = in.pending != nil
	return in.queued
}

// queueItem hands a one-way message over.
func (l *link) queueItem(in *inbound, data []byte, it item) {
	if in.queue(data, it) {
		l.works = append(l.works, work{in: in, svc: in.svc})
	}
}

// onSend takes a whole one-way message.
func (l *link) onSend(f *frame) error {
	in, err := l.takeSend(f.id, len(f.body)+overhead)
	if in == nil {
		return err
	}
	if in.part != nil {
		return &breach{"a message begins within another"}
	}
	if !l.takesSend(in) {
		l.giveBack(&in.window, in.id, len(f.body)+overhead)
		return nil
	}
	l.queueItem(in, f.body, item{cost: len(f.body) + overhead})
	return nil
}

// takeSend charges a one-way message, or a fragment, to its stream.
func (l *link) takeSend(id uint32, cost int) (*inbound, error) {
	in := l.inbounds[id]
	if in == nil {
		return nil, nil
	}
	l.heard(&in.window)
	if !in.window.take(cost) {
		return nil, &breach{"more messages than they have credit for"}
	}
	return in, nil
}

// takesSend tells whether the port takes one-way messages; if not, the stream
// ends.
func (l *link) takesSend(in *inbound) bool {
	if in.closed.Load() == uint32(codeNoPort) {
		in.svc.drops.Add(1)
		return false
	}
	if in.svc.mode == Send {
		return true
	}
	in.svc.drops.Add(1)
	if in.closed.CompareAndSwap(0, uint32(codeWrongMode)) {
		l.tell(&frame{kind: kindClose, id: in.id, code: codeWrongMode, detail: uint64(in.svc.mode)})
	}
	return false
}

// onSendFirst begins a large one-way message. If there is no memory for it now
// the peer gets no credit until there is.
func (l *link) onSendFirst(f *frame) error {
	in, err := l.takeSend(f.id, len(f.body)+overhead)
	if in == nil {
		return err
	}
	total := int(f.total)
	if in.part != nil || total <= len(f.body) {
		return &breach{"a message begins within another, or is not large"}
	}
	a := &assembly{total: total}
	in.part, in.kept = a, min(total, in.first/4)
	most := l.mux.limits().maxMessage
	switch {
	case !l.takesSend(in):
		a.drop = true
	case total > most:
		a.drop = true
		in.svc.drops.Add(1)
		if in.closed.CompareAndSwap(0, uint32(codeTooLarge)) {
			l.tell(&frame{kind: kindClose, id: in.id, code: codeTooLarge, detail: uint64(most)})
		}
	default:
		l.starve(in, true)
		if l.mux.budget.wait(in, total) {
			l.starve(in, false)
		}
	}
	if a.drop {
		in.kept = 0
	}
	l.watchParts()
	return l.addSend(in, f.body)
}

func (l *link) starve(in *inbound, starved bool) {
	l.mu.Lock()
	in.starved = starved
	l.mu.Unlock()
}

// fed is called by the budget when there is memory for the message that in waits
// with.
func (in *inbound) fed() {
	l := in.link
	l.mu.Lock()
	n := in.withheld
	in.starved, in.withheld = false, 0
	l.mu.Unlock()
	l.giveBack(&in.window, in.id, n)
}

func (l *link) onSendMore(f *frame) error {
	in, err := l.takeSend(f.id, len(f.body))
	if in == nil {
		return err
	}
	if in.part == nil {
		return &breach{"more of a message that has not begun"}
	}
	return l.addSend(in, f.body)
}

// addSend takes a fragment. Its bytes are given back, but for the last ones of
// the message, which are given back when it is handled.
func (l *link) addSend(in *inbound, p []byte) error {
	a := in.part
	before := a.total - a.got - in.kept
	if !a.add(p) {
		return &breach{"more of a message than it claimed"}
	}
	if n := min(max(before, 0), len(p)); n > 0 {
		l.giveBackUnlessStarved(in, n)
	}
	if a.done() {
		l.endPart(in)
	}
	return nil
}

func (l *link) giveBackUnlessStarved(in *inbound, n int) {
	l.mu.Lock()
	starved := in.starved
	if starved {
		in.withheld += n
	}
	l.mu.Unlock()
	if !starved {
		l.giveBack(&in.window, in.id, n)
	}
}

// endPart queues a large one-way message that is whole.
func (l *link) endPart(in *inbound) {
	a, cost := in.part, in.kept+overhead
	in.part = nil
	if a.drop {
		l.giveBack(&in.window, in.id, cost)
		return
	}
	held := int64(a.total)
	if l.mux.budget.forget(in) { // it came without: it fits in the window
		held = 0
		cost += l.unstarve(in)
	}
	l.queueItem(in, a.buf.b, item{large: a.buf, cost: cost, held: held})
}

// unstarve gives what was withheld.
func (l *link) unstarve(in *inbound) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := in.withheld
	in.starved, in.withheld = false, 0
	return n
}

// onAbort forgets the one-way message that has begun.
func (l *link) onAbort(f *frame) {
	if in := l.inbounds[f.id]; in != nil && in.part != nil {
		l.dropPart(in)
	}
}

// dropPart forgets the message that has begun on in and gives back what is owed
// for it.
func (l *link) dropPart(in *inbound) {
	a := in.part
	if a == nil {
		return
	}
	in.part = nil
	owed := overhead + max(0, a.got-(a.total-in.kept))
	if !a.drop && !l.mux.budget.forget(in) {
		l.mux.budget.release(l, int64(a.total))
	}
	l.giveBack(&in.window, in.id, owed+l.unstarve(in))
}
