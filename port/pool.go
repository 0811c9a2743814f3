package port

import (
	"sync"
	"time"
)

// A work waits for a worker: a request, or a stream with one-way messages.
type work struct {
	svc  *service
	call *call
	in   *inbound
}

// A pool runs handlers on a bounded number of goroutines. Idle workers are
// parked, the last one used is the first to be woken, and one is woken for eight
// requests, because waking costs more than most handlers. A worker takes one
// request at a time; if a tick passes and nothing was taken, more are woken. No
// port has more than three quarters of the workers, so one whose handler is
// stuck leaves some to the others.
type pool struct {
	mux *Mux

	mu      sync.Mutex // guards what follows; never held while waiting
	ready   ring[*service]
	idle    []chan struct{} // of parked workers; closing ends the worker
	live    int
	most    int // workers
	each    int // workers in one port
	queue   int // requests that may wait at one port
	taken   uint64
	seen    uint64 // taken at the last tick
	ticker  *time.Timer
	ticks   bool    // ticker is set
	turns   []*turn // of more than one message, that may have some left
	users   int     // links; without any, idle workers end
	running int     // jobs
	queued  int     // requests, streams and unreliable messages
	closed  bool
	loops   sync.WaitGroup
}

const (
	perWake = 8  // requests that a worker is woken for
	maxIdle = 32 // workers beyond it end when they have nothing to do
	tick    = time.Millisecond
)

// push hands over what a reader has received. Requests beyond the queue of their
// port are refused.
func (p *pool) push(works []work) {
	var over []*call
	calls, streams := 0, 0
	p.mu.Lock()
	for i := range works {
		w := &works[i]
		switch {
		case p.closed:
		case w.in != nil:
			p.queued++
			streams++
			w.svc.queue.push(*w)
			p.readyLocked(w.svc)
		case w.svc.waiting >= p.queue:
			over = append(over, w.call)
		default:
			p.queued++
			w.svc.waiting++
			calls++
			w.svc.queue.push(*w)
			p.readyLocked(w.svc)
		}
	}
	p.wakeLocked(streams + (calls+perWake-1)/perWake)
	p.mu.Unlock()
	for _, c := range over {
		c.in.svc.busy.Add(1)
		if c.state.CompareAndSwap(callQueued, callAnswered) {
			c.release()
			c.forget()
			c.link.refuse(c.id, codeBusy, 0, "the port's queue is full")
		}
	}
}

// readyLocked puts s in the list of ports with work that may have a worker more.
func (p *pool) readyLocked(s *service) {
	if !s.inReady && s.running < p.each && (s.queue.len() > 0 || s.grams.len() > 0) {
		s.inReady = true
		p.ready.push(s)
	}
}

// wakeLocked wakes up to n workers, or starts them.
func (p *pool) wakeLocked(n int) {
	if p.ready.len() == 0 || p.closed {
		return
	}
	for range n {
		if k := len(p.idle); k > 0 {
			p.idle[k-1] <- struct{}{} // holds one, and is empty: never waits
			p.idle = p.idle[:k-1]
		} else if p.live < p.most {
			p.live++
			p.loops.Go(func() { p.work(job{}) })
		} else {
			break
		}
	}
	p.tickLocked()
}

// tickLocked makes sure that there is a tick.
func (p *pool) tickLocked() {
	if p.ticks {
		return
	}
	p.ticks = true
	p.seen = p.taken
	if p.ticker == nil {
		p.ticker = time.AfterFunc(tick, p.tick)
	} else {
		p.ticker.Reset(tick)
	}
}

// tick wakes workers if those that are awake are all in a handler, and takes back
// what they cannot come to. It sleeps while there is nothing that a worker could
// take.
func (p *pool) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticks = false
	if p.closed {
		return
	}
	stuck := p.taken == p.seen
	n := p.reclaimLocked()
	if len(p.turns) > 0 {
		p.tickLocked()
	}
	if p.ready.len() == 0 || p.live == p.most && len(p.idle) == 0 {
		return
	}
	if stuck {
		n = max(n, 1)
		for range p.ready.len() {
			s := p.ready.pop()
			p.ready.push(s)
			n = max(n, s.queue.len()/perWake)
		}
	}
	p.wakeLocked(n)
}

// work is a worker. It begins with a job that another could not end.
func (p *pool) work(j job) {
	park := make(chan struct{}, 1)
	defer func() {
		if j.svc != nil { // the handler has ended our goroutine
			j.exited()
			p.loops.Go(func() { p.work(j) })
		}
	}()
	if j.svc != nil {
		j.run()
	}
	for p.next(&j, park) {
		j.run()
	}
}

// next ends the last job and waits for another; false if the worker is to end.
func (p *pool) next(j *job, park chan struct{}) bool {
	p.mu.Lock()
	p.doneLocked(j)
	for p.ready.len() == 0 {
		if p.closed || p.users == 0 || len(p.idle) >= maxIdle {
			p.live--
			p.mu.Unlock()
			return false
		}
		p.idle = append(p.idle, park)
		p.mu.Unlock()
		if _, ok := <-park; !ok {
			return false
		}
		p.mu.Lock()
	}
	p.takeLocked(j)
	p.mu.Unlock()
	return true
}

// takeLocked takes a job from the port whose turn it is.
func (p *pool) takeLocked(j *job) {
	s := p.ready.pop()
	s.inReady = false
	s.running++
	p.running++
	p.taken++
	j.svc = s
	switch {
	case s.grams.len() > 0:
		if j.turn == nil {
			j.turn = new(turn)
		}
		p.takeTurnLocked(s, j.turn)
	default:
		w := s.queue.pop()
		p.queued--
		if j.call, j.in = w.call, w.in; w.call != nil {
			s.waiting--
		}
	}
	p.readyLocked(s)
}

func (p *pool) doneLocked(j *job) {
	s := j.svc
	if s == nil {
		return
	}
	s.running--
	p.running--
	if j.more {
		p.queued++
		s.queue.push(work{svc: s, in: j.in})
	}
	if j.call == nil && j.in == nil {
		p.endTurnLocked(j.turn)
	}
	p.readyLocked(s)
	*j = job{turn: j.turn}
}

// use counts a link; when the last one goes, idle workers end.
func (p *pool) use(n int) {
	p.mu.Lock()
	p.users += n
	var idle []chan struct{}
	if p.users == 0 {
		idle, p.idle = p.idle, nil
		p.live -= len(idle)
	}
	p.mu.Unlock()
	for _, park := range idle {
		close(park)
	}
}

// close ends the workers that are idle, and the others when they are done. What
// waits is forgotten.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.ready = ring[*service]{}
	idle := p.idle
	p.idle = nil
	p.live -= len(idle)
	if p.ticker != nil {
		p.ticker.Stop()
	}
	p.mu.Unlock()
	for _, park := range idle {
		close(park)
	}
}

// load says how many handlers run and how much waits for one.
func (p *pool) load() (running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.queued
}
