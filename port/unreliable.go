package port

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// MaxUnreliable is how long an unreliable message may be, on every transport
// alike; less if the transport's datagrams are shorter.
const MaxUnreliable = 1140

const (
	// maxDatagrams is how many unreliable messages wait for a session that has
	// no carrier of datagrams; the oldest is dropped for another.
	maxDatagrams = 256
	// gramQueue is how many wait at a port of ours, and gramBytes how long they
	// may be together; the oldest are dropped.
	gramQueue = 1024
	gramBytes = 512 << 10
	// gramHead is what stands before a message in a datagram: stream 4.
	gramHead = 4
	// carrierWait bounds the dial of a carrier in Connect, and carrierRest is how
	// long after a failure it is not tried again.
	carrierWait = 3 * time.Second
	carrierRest = 30 * time.Second
)

// A datagram waits for the session, a gram for a handler.
type datagram struct {
	stream uint32
	data   []byte
}

type gram struct {
	link *link
	data []byte
}

// limit is the largest message of a mode.
func (m Mode) limit(maxMessage int) int {
	if m == Unreliable {
		return min(MaxUnreliable, maxMessage)
	}
	return maxMessage
}

// A carrier remembers whether datagrams could be had.
type carrier struct {
	mu    sync.Mutex
	tried time.Time
	busy  chan struct{} // closed when the attempt under way has ended
	err   error
}

// carry makes sure, if it can, that datagrams have a carrier of their own. It
// waits a few seconds at most; without one the session carries them.
func (l *link) carry(ctx context.Context) {
	if l.grams == nil || l.grams.HaveDatagrams() {
		return
	}
	c := &l.udp
	c.mu.Lock()
	busy := c.busy
	if busy == nil && (c.tried.IsZero() || time.Since(c.tried) > carrierRest) {
		c.busy = make(chan struct{})
		c.mu.Unlock()
		l.openCarrier(ctx)
		return
	}
	c.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

func (l *link) openCarrier(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, carrierWait)
	defer cancel()
	err := l.grams.OpenDatagrams(ctx)
	c := &l.udp
	c.mu.Lock()
	first := c.err == nil
	c.err = err
	if ctx.Err() == nil || err == nil {
		c.tried = time.Now()
	}
	close(c.busy)
	c.busy = nil
	c.mu.Unlock()
	if err != nil && first {
		l.mux.log().Info("unreliable messages travel in the session", "peer", l.who, "err", err)
	}
}

// datagrams tells whether unreliable messages travel as datagrams now.
func (l *link) datagrams() bool { return l.grams != nil && l.grams.HaveDatagrams() }

// limit is the largest message that may be sent on the stream.
func (s *stream) limit() int {
	if s.mode == Unreliable && s.link.grams != nil {
		return min(s.most, s.link.grams.MaxDatagram()-gramHead)
	}
	return s.most
}

// sendUnreliable never waits and never fails but for the size.
func (s *stream) sendUnreliable(data []byte) error {
	l := s.link
	if most := s.limit(); len(data) > most {
		return &TooLargeError{Size: len(data), Limit: most}
	}
	if l.datagrams() {
		h := heads.Get().(*[maxHead]byte)
		if !l.grams.SendDatagram(binary.BigEndian.AppendUint32(h[:0], s.id), data) {
			l.mux.sent.drops.Add(1)
		}
		heads.Put(h)
		return nil
	}
	l.mu.Lock()
	queued := l.waiting.len() > 0
	l.mu.Unlock()
	if queued || !l.tryPost(&frame{kind: kindDatagram, id: s.id}, data) {
		l.queueDatagram(s.id, data)
	}
	return nil
}

// queueDatagram lets a message wait for the session, and drops the oldest if too
// many do.
func (l *link) queueDatagram(stream uint32, data []byte) {
	d := datagram{stream, append([]byte(nil), data...)}
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	if l.waiting.len() == maxDatagrams {
		l.waiting.pop()
		l.mux.sent.drops.Add(1)
	}
	l.waiting.push(d)
	l.mu.Unlock()
	l.direct.Wake()
}

func (l *link) fillDatagramsLocked(put func(code uint64, head, body []byte) bool) bool {
	for l.waiting.len() > 0 {
		d := l.waiting.first()
		f := frame{kind: kindDatagram, id: d.stream}
		if !put(uint64(kindDatagram), f.appendHead(l.head[:0]), d.data) {
			return false
		}
		l.waiting.pop()
	}
	return true
}

// deliverDatagram is called by the carrier's reader.
func (l *link) deliverDatagram(b []byte) {
	if len(b) < gramHead {
		l.mux.strays.Add(1)
		return
	}
	l.mu.Lock()
	in, dead := l.inbounds[binary.BigEndian.Uint32(b)], l.err != nil
	l.mu.Unlock()
	if !dead {
		l.takeDatagram(in, append([]byte(nil), b[gramHead:]...))
	}
}

// onDatagram takes an unreliable message that came in the session.
func (l *link) onDatagram(id uint32, p []byte) { l.takeDatagram(l.inbounds[id], l.keep(p)) }

// takeDatagram queues an unreliable message at its port.
func (l *link) takeDatagram(in *inbound, data []byte) {
	switch {
	case in == nil:
		l.mux.strays.Add(1)
	case in.svc.mode != Unreliable || in.closed.Load() != 0 || len(data) > MaxUnreliable:
		in.svc.drops.Add(1)
	default:
		l.mux.pool.pushGram(in.svc, gram{l, data})
	}
}

func (p *pool) pushGram(s *service, g gram) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for !s.roomFor(g) {
		s.popGram()
		p.queued--
		s.drops.Add(1)
	}
	p.queued++
	s.grams.push(g)
	s.gramBytes += len(g.data)
	if idle := !s.inReady && s.running == 0; idle {
		p.readyLocked(s)
		p.wakeLocked(1)
	} else if s.grams.len()%perTurn == 0 {
		p.readyLocked(s)
		p.wakeLocked(1)
	}
}
