package port

import "sync"

// An assembly is a large message of which some is still to come. Its memory
// grows with what has arrived, not with what is claimed.
type assembly struct {
	id    uint32 // of the request
	buf   *buffer
	got   int
	total int
	exact bool  // the message is for a caller, who keeps it: no buffer in the end
	drop  bool  // refused or left: the rest is read and forgotten
	moved bool  // some has come since dropStalled looked
	call  *call // the request; nil for other messages
}

// firstRoom is what an assembly begins with; from there it grows by growth.
const (
	firstRoom = 128 << 10
	growth    = 8
)

// add appends a fragment. It is false if there is more than was claimed.
func (a *assembly) add(p []byte) bool {
	if a.got += len(p); a.got > a.total {
		return false
	}
	a.moved = true
	if a.drop {
		a.buf.recycle()
		a.buf = nil
		return true
	}
	if a.buf == nil || a.got > cap(a.buf.b) {
		a.grow()
	}
	a.buf.b = append(a.buf.b, p...)
	return true
}

// grow makes room for what has arrived. What waits in the pool costs nothing, so
// it may be taken for all of the message at once.
func (a *assembly) grow() {
	old := a.buf
	room := firstRoom
	if old != nil {
		room = growth * cap(old.b)
	} else if b := a.whole(); b != nil {
		a.buf = b
		return
	}
	switch room = max(room, a.got); {
	case room < a.total:
		a.buf = newBuffer(room)
	case a.exact:
		a.buf = &buffer{b: make([]byte, 0, a.total)}
	default:
		a.buf = newBuffer(a.total)
	}
	if old != nil {
		a.buf.b = append(a.buf.b, old.b...)
		old.recycle()
	}
}

// whole is a used buffer for all of the message, or nil.
func (a *assembly) whole() *buffer {
	if a.exact {
		return nil
	}
	return usedBuffer(a.total)
}

func (a *assembly) done() bool { return a.got == a.total }

// A budget bounds the memory of all large messages of a Mux: those that arrive,
// wait or are being handled. It counts what is claimed. When it is used up
// requests are refused, and one-way messages wait in the order in which they
// came.
type budget struct {
	mu      sync.Mutex
	total   int64 // all that may be held
	each    int64 // all that one link may hold
	held    int64
	waiting []*inbound
}

// reserve takes n bytes for l, or says that there is no room.
func (b *budget) reserve(l *link, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reserveLocked(l, int64(n))
}

func (b *budget) reserveLocked(l *link, n int64) bool {
	if b.held+n > b.total || l.heldBytes.Load()+n > b.each {
		return false
	}
	b.held += n
	l.heldBytes.Add(n)
	return true
}

// idle tells whether no large message is here.
func (b *budget) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held == 0 && len(b.waiting) == 0
}

// wait takes n bytes for the message that begins on in, now or later, when in's
// fed is called. It tells whether it is now.
func (b *budget) wait(in *inbound, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reserveLocked(in.link, int64(n)) {
		return true
	}
	in.wants = int64(n)
	b.waiting = append(b.waiting, in)
	return false
}

// forget takes in off those that wait; true if it was there.
func (b *budget) forget(in *inbound) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == in {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// release gives n bytes back and feeds those that wait for them.
func (b *budget) release(l *link, n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	b.held -= n
	l.heldBytes.Add(-n)
	var fed []*inbound
	keep := b.waiting[:0]
	for i, in := range b.waiting {
		if b.held+in.wants > b.total { // let nobody smaller overtake it
			keep = append(keep, b.waiting[i:]...)
			break
		}
		if b.reserveLocked(in.link, in.wants) {
			fed = append(fed, in)
		} else {
			keep = append(keep, in)
		}
	}
	clear(b.waiting[len(keep):])
	b.waiting = keep
	b.mu.Unlock()
	for _, in := range fed {
		in.fed()
	}
}
