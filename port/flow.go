package port

const (
	// small is the size up to which a request or a reply needs no credit: how
	// many there may be is bounded by the number of calls.
	small = 4 << 10
	// overhead is what a one-way message costs beside its bytes, so that small
	// ones cannot fill the memory of the other side.
	overhead = 64
	// inARow is how many fragments one message of a flow sends before it is
	// another's turn, and inTurns how many take turns: with too many under way at
	// once, what they are put together in does not stay in the caches.
	inARow  = 4
	inTurns = 8
	// maxFragment is how long a fragment may be: fairness wants it short.
	maxFragment = 16 << 10
)

// An out is a message on its way into the session, whole or in fragments. While
// it is in a flow it is guarded by link.mu.
type out struct {
	kind       kind // of the whole message; of its first and later fragments below
	first      kind
	more       kind
	code       code   // of an error
	id         uint32 // of a request
	stream     uint32
	index      uint32
	timeout    uint32
	detail     uint64
	data       []byte
	size       int // of a reply, as it was counted
	sent       int // bytes of data that are sent
	begun      bool
	done       bool  // all is sent
	flow       *flow // where it waits; nil if it does not
	next, prev *out

	taken chan struct{} // gets one when all is sent; nil if nobody waits
	call  *call         // whose reply it is
}

// A flow is what waits for credit or room in one direction of a stream. Its
// length is bounded by the calls that wait in it.
type flow struct {
	ordered     bool   // one message after the other, not in turns
	posting     int    // messages about to go past the flow, by TryPost
	from        uint64 // the first fill that may send, lest it overtake those
	credit      int
	first, last *out
	inReady     bool
}

func (f *flow) push(o *out) {
	o.flow, o.next, o.prev = f, nil, f.last
	if f.last == nil {
		f.first = o
	} else {
		f.last.next = o
	}
	f.last = o
}

func (f *flow) pushFront(o *out) {
	o.flow, o.next, o.prev = f, f.first, nil
	if f.first == nil {
		f.last = o
	} else {
		f.first.prev = o
	}
	f.first = o
}

// putOff lets others go before o, the first: as many as take turns.
func (f *flow) putOff(o *out) {
	at := o
	for range inTurns - 1 {
		if at.next == nil {
			break
		}
		at = at.next
	}
	if at == o {
		return
	}
	f.remove(o)
	if o.prev, o.next = at, at.next; at.next == nil {
		f.last = o
	} else {
		at.next.prev = o
	}
	at.next, o.flow = o, f
}

func (f *flow) remove(o *out) {
	if o.prev == nil {
		f.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		f.last = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.flow, o.next, o.prev = nil, nil, nil
}

// next says how many bytes the next fragment of o has and what it costs.
func (o *out) fragment(most int) (n, cost int) {
	n = min(len(o.data)-o.sent, most)
	whole := n == len(o.data)
	switch {
	case o.kind == kindSend && !o.begun:
		return n, n + overhead
	case o.kind == kindError || o.kind == kindAbort || o.kind == kindLeave || whole && n <= small:
		return n, 0
	}
	return n, n
}

// mayGo tells whether the first message may send its next fragment.
func (f *flow) mayGo(most int) bool {
	if f.first == nil || f.posting > 0 {
		return false
	}
	_, cost := f.first.fragment(most)
	return f.credit >= cost
}

// head is the frame for the next fragment of o, of n bytes.
func (o *out) frame(n int) frame {
	f := frame{
		kind: o.kind, code: o.code, id: o.id, stream: o.stream, index: o.index, timeout: o.timeout,
		total: uint32(len(o.data)), detail: o.detail,
	}
	switch {
	case o.begun:
		f.kind = o.more
	case n < len(o.data):
		f.kind = o.first
	}
	if o.kind == kindSend || o.kind == kindAbort || o.kind == kindLeave {
		f.id = o.stream
	}
	return f
}

// readyLocked puts f in the list of those that fill goes through.
func (l *link) readyLocked(f *flow) bool {
	if f.inReady || !f.mayGo(l.fragment) {
		return false
	}
	f.inReady = true
	l.ready.push(f)
	return true
}

// enqueue lets o wait in f, or among the small ones that need no credit.
func (l *link) enqueue(f *flow, o *out) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return // whoever waits is told by link.fail
	}
	if !f.ordered && len(o.data) <= small {
		f = &l.quick
	}
	f.push(o)
	if o.call != nil {
		o.call.state.Store(callReplying)
		o.size = len(o.data)
		l.replying.Add(int64(o.size))
		l.replies++
	}
	wake := l.readyLocked(f)
	l.mu.Unlock()
	if wake {
		l.direct.Wake()
	}
}

// withdraw takes o back. It tells whether some of it has been sent, and whether
// all has.
func (l *link) withdraw(o *out) (begun, all bool) {
	l.mu.Lock()
	f := o.flow
	if f != nil {
		f.remove(o)
		o.data = nil
		if o.call != nil {
			l.uncountLocked(o)
		}
		l.readyLocked(f)
	}
	begun, all = o.begun, o.done
	if f != nil && o.kind == kindSend && begun {
		f.pushFront(&out{kind: kindAbort, stream: o.stream})
		l.readyLocked(f)
	}
	ready := l.ready.len() > 0
	l.mu.Unlock()
	if f != nil && ready {
		l.direct.Wake()
	}
	return begun, all
}

// spend takes cost from f's credit for a message that goes past f, if nothing
// waits in it. Call posted then.
func (l *link) spend(f *flow, cost int) bool {
	l.mu.Lock()
	ok := f.first == nil && f.credit >= cost
	if ok {
		f.credit -= cost
		f.posting++
	}
	l.mu.Unlock()
	return ok
}

// posted ends what spend has begun. A session may have begun a round, which the
// next fill adds to, before it took the message: so that fill must not send what
// comes after it, the one after that may.
func (l *link) posted(f *flow, cost int, ok bool) bool {
	l.mu.Lock()
	f.posting--
	if ok {
		f.from = l.fills + 2
	} else {
		f.credit += cost
	}
	wake := l.readyLocked(f)
	l.mu.Unlock()
	if wake {
		l.direct.Wake()
	}
	return ok
}

// addCredit gives f more credit.
func (l *link) addCredit(f *flow, n int) {
	l.mu.Lock()
	f.credit = min(f.credit+n, 1<<31)
	wake := l.readyLocked(f)
	l.mu.Unlock()
	if wake {
		l.direct.Wake()
	}
}

// fill is called by the session's writer when it has room. Each flow sends one
// fragment in turn; in a flow that is not ordered the messages take turns too.
func (l *link) fill(put func(code uint64, head, body []byte) bool) {
	l.mu.Lock()
	l.fills++
	room := l.fillControlLocked(put) && l.fillDatagramsLocked(put)
	early := 0 // flows in turn that may not send yet
	for room && l.ready.len() > early {
		f := l.ready.first()
		if f.ordered && l.fills < f.from {
			l.ready.push(l.ready.pop())
			early++
			continue
		}
		if room = l.turnLocked(f, put); room {
			early = 0
			l.ready.pop()
			f.inReady = false
			l.readyLocked(f)
		}
	}
	l.mu.Unlock()
	if early > 0 {
		l.direct.Wake()
	}
}

// turnLocked sends one fragment of f, or as many small messages as make one;
// false if there is no room.
func (l *link) turnLocked(f *flow, put func(code uint64, head, body []byte) bool) bool {
	for left := l.fragment; left > 0 && f.mayGo(l.fragment); left -= maxHead {
		n, _ := f.first.fragment(l.fragment)
		if !l.putLocked(f, put) {
			return false
		}
		left -= n
	}
	return true
}

// putLocked sends the next fragment of f's first message; false if there is no
// room.
func (l *link) putLocked(f *flow, put func(code uint64, head, body []byte) bool) bool {
	o := f.first
	n, cost := o.fragment(l.fragment)
	last := o.sent+n == len(o.data)
	if last && o.call != nil {
		o.call.forget() // before the peer can use its id again
	}
	fr := o.frame(n)
	if !put(uint64(fr.kind), fr.appendHead(l.head[:0]), o.data[o.sent:o.sent+n]) {
		return false
	}
	f.credit -= cost
	o.sent += n
	o.begun = true
	switch {
	case last:
		f.remove(o)
		l.takenLocked(o)
	case !f.ordered && o.sent%(inARow*l.fragment) == 0:
		f.putOff(o)
	}
	return true
}

// uncountLocked takes a reply off those that wait.
func (l *link) uncountLocked(o *out) {
	l.replying.Add(-int64(o.size))
	l.replies--
}

// takenLocked lets go of a message that is sent.
func (l *link) takenLocked(o *out) {
	if o.call != nil {
		l.uncountLocked(o)
		o.call.recycle()
	}
	o.data, o.done = nil, true
	if o.taken != nil {
		o.taken <- struct{}{}
	}
}
