package port

import (
	"runtime"
	"sync"

	"kith/p2p"
)

// A pump is a p2p.Direct over a session that offers none: messages go out by
// WriteMsg from a goroutine of its own, and come in by ReadMsg.
type pump struct {
	rw      p2p.MsgReadWriter
	deliver func([]p2p.Msg)
	fill    func(put func(code uint64, head, body []byte) bool)

	mu    sync.Mutex // guards what follows
	queue ring[p2p.Msg]
	bytes int  // in queue; at most pumpQueue and a message, then TryPost says false
	full  bool // fill has more
	ended bool
	wake  chan struct{}
}

const (
	pumpQueue = 256 << 10
	pumpRound = 64 << 10
)

func newPump(rw p2p.MsgReadWriter) *pump { return &pump{rw: rw, wake: make(chan struct{}, 1)} }

// Attach sets who reads and who fills; then the owner starts read and write.
func (p *pump) Attach(deliver func([]p2p.Msg), fill func(func(uint64, []byte, []byte) bool)) {
	p.deliver, p.fill = deliver, fill
}

// MaxPost is what one message may have.
func (p *pump) MaxPost() int { return maxFragment }

// TryPost queues a message unless too much is queued.
func (p *pump) TryPost(code uint64, head, body []byte) bool {
	p.mu.Lock()
	ok := !p.ended && p.bytes <= pumpQueue
	if ok {
		p.pushLocked(code, head, body)
	}
	p.mu.Unlock()
	if ok {
		p.kick()
	}
	return ok
}

// Post is not used by links.
func (p *pump) Post(code uint64, head, body []byte) error {
	if !p.TryPost(code, head, body) {
		return ErrBusy
	}
	return nil
}

func (p *pump) pushLocked(code uint64, head, body []byte) {
	b := make([]byte, 0, len(head)+len(body))
	p.queue.push(p2p.Msg{Code: code, Payload: append(append(b, head...), body...)})
	p.bytes += cap(b)
}

// Wake makes write call fill.
func (p *pump) Wake() {
	p.mu.Lock()
	p.full = true
	p.mu.Unlock()
	p.kick()
}

func (p *pump) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// stop ends write, which may first have to wait for the session's end.
func (p *pump) stop() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.kick()
}

func (p *pump) write() {
	for range p.wake {
		for {
			runtime.Gosched()
			m, fill, ok := p.next()
			if fill {
				p.fill(p.put)
			} else if !ok {
				break
			} else if p.rw.WriteMsg(m) != nil {
				p.stop()
			}
		}
		p.mu.Lock()
		ended := p.ended
		p.mu.Unlock()
		if ended {
			return
		}
	}
}

// next takes a message. If there is none, fill may have some.
func (p *pump) next() (m p2p.Msg, fill, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return m, false, false
	case p.full && p.bytes < pumpRound:
		p.full = false
		return m, true, true
	case p.queue.len() == 0:
		return m, false, false
	}
	m = p.queue.pop()
	p.bytes -= len(m.Payload)
	return m, false, true
}

// put is given to fill.
func (p *pump) put(code uint64, head, body []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes >= pumpRound {
		p.full = true
		return false
	}
	p.pushLocked(code, head, body)
	return true
}

// read delivers what comes until the session ends.
func (p *pump) read(l *link) {
	batch := make([]p2p.Msg, 1)
	for {
		m, err := p.rw.ReadMsg()
		if err != nil {
			l.breach(err)
			return
		}
		batch[0] = m
		p.deliver(batch)
	}
}
