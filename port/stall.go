package port

import (
	"context"
	"time"
)

// partIdle is how long nothing may come of a large message that has begun. It is
// looked at as often, so one is given up after at most twice that, and what it
// holds of the budget is free again.
const partIdle = time.Minute

const stalledText = "nothing came of the rest of the message for a minute"

// watchParts makes sure that what arrives is looked at. The reader calls it.
func (l *link) watchParts() {
	switch {
	case l.watched:
		return
	case l.watch == nil:
		l.watch = time.AfterFunc(partIdle, l.dropStalled)
	default:
		l.watch.Reset(partIdle)
	}
	l.watched = true
}

// dropStalled gives up the messages of which nothing has come since it was called
// last.
func (l *link) dropStalled() {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.watched = false
	if l.over {
		return
	}
	for place, a := range l.parts {
		if a.moved {
			a.moved = false
			l.watchParts()
		} else {
			l.dropRequest(place, a)
		}
	}
	for _, in := range l.inbounds {
		switch a := in.part; {
		case a == nil || a.drop:
		case in.window.left.Load() < maxFragment: // it is we that the peer waits for
			a.moved = true // it has all of the time from now
			l.watchParts()
		case a.moved:
			a.moved = false
			l.watchParts()
		default:
			l.dropSend(in)
		}
	}
}

// dropRequest gives up a request. What may still come of it is for nobody.
func (l *link) dropRequest(place uint32, a *assembly) {
	delete(l.parts, place)
	c := a.call
	if c == nil || !c.state.CompareAndSwap(callArriving, callAnswered) {
		return
	}
	a.buf.recycle()
	c.end(context.DeadlineExceeded)
	c.release()
	c.forget()
	c.in.svc.errors.Add(1)
	l.refuse(a.id, codeBusy, 0, stalledText)
}

// dropSend gives up a one-way message, and with it the stream, which promises to
// lose none. What may still come of it is read and forgotten.
func (l *link) dropSend(in *inbound) {
	a := in.part
	a.drop = true
	a.buf.recycle()
	a.buf = nil
	if !l.mux.budget.forget(in) {
		l.mux.budget.release(l, int64(a.total))
	}
	l.giveBack(&in.window, in.id, l.unstarve(in))
	in.svc.drops.Add(1)
	if in.closed.CompareAndSwap(0, uint32(codeBusy)) {
		l.tell(&frame{kind: kindClose, id: in.id, code: codeBusy, body: []byte(stalledText)})
	}
}
