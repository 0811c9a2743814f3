package port

import (
	"time"

	"kith/p2p"
)

// deliver is called by the session's reader with what arrived together.
func (l *link) deliver(batch []p2p.Msg) {
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.over {
		return
	}
	l.now = time.Time{}
	for i := range batch {
		if batch[i].Code >= kinds {
			continue // of a later version
		}
		if err := l.receive(kind(batch[i].Code), batch[i].Payload); err != nil {
			l.breach(err)
			break
		}
	}
	if len(l.works) > 0 {
		l.mux.pool.push(l.works)
		clear(l.works)
		l.works = l.works[:0]
	}
}

func (l *link) receive(k kind, p []byte) error {
	f := &l.in
	if err := f.parse(k, p); err != nil {
		return err
	}
	switch k {
	case kindRequest:
		return l.onRequest(f)
	case kindReply:
		return l.onReply(f)
	case kindSend:
		return l.onSend(f)
	case kindCredit:
		l.onCredit(f)
	case kindReplyCredit:
		l.onReplyCredit(f)
	case kindRequestFirst:
		return l.onRequestFirst(f)
	case kindRequestMore:
		return l.onRequestMore(f)
	case kindReplyFirst:
		return l.onReplyFirst(f)
	case kindReplyMore:
		return l.onReplyMore(f)
	case kindSendFirst:
		return l.onSendFirst(f)
	case kindSendMore:
		return l.onSendMore(f)
	case kindError:
		l.onError(f)
	case kindCancel:
		l.onCancel(f)
	case kindAbort:
		l.onAbort(f)
	case kindDatagram:
		l.onDatagram(f.id, f.body)
	case kindOpen:
		return l.onOpen(f)
	case kindOpened:
		l.onOpened(f)
	case kindClose:
		l.onClose(f)
	case kindLeave:
		l.onLeave(f)
	case kindPing:
		l.tell(&frame{kind: kindPong, id: f.id})
	case kindPong:
		l.onPong(f)
	}
	return nil
}

// Small messages share memory, which is free when the last of them is: a few
// KiB, lest one that stays keep much.
const (
	arenaSize = 4 << 10
	arenaMost = MaxUnreliable // longer ones are not small
)

// keep copies a message that arrived, of at most arenaMost bytes.
func (l *link) keep(p []byte) []byte {
	n := len(p)
	if n > arenaSize/4 { // three would leave much of it empty
		return append([]byte(nil), p...)
	}
	if n > len(l.arena) {
		l.arena = make([]byte, arenaSize)
	}
	b := l.arena[:n:n]
	l.arena = l.arena[n:]
	copy(b, p)
	return b
}
