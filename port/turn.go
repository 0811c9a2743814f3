package port

import "sync/atomic"

const (
	// perTurn is how many unreliable messages a worker takes at a time, since
	// taking costs more than handling most of them; half as many for each worker
	// of the port that got stuck with what it took.
	perTurn = 64
	// mostOut is how many the workers of a port may have taken together; beyond
	// it each takes one.
	mostOut = 256
)

// A turn is what a worker has taken of the unreliable messages of a port. The
// worker claims one after the other. If it gets stuck in one, the pool takes
// back the others, so that they neither wait for it nor are held by it.
type turn struct {
	svc   *service
	grams []gram
	next  atomic.Int64 // the first that nobody has claimed

	// Guarded by pool.mu.
	out   int  // how many of grams are not taken back
	place int  // in pool.turns, -1 if it is not there
	old   bool // a tick has passed since it was taken
	stuck bool // and another
}

// claim gives the worker its next message. t may be nil.
func (t *turn) claim() (g gram, ok bool) {
	if t == nil {
		return gram{}, false
	}
	i := t.next.Add(1) - 1
	if i >= int64(len(t.grams)) {
		return gram{}, false
	}
	g, t.grams[i] = t.grams[i], gram{}
	return g, true
}

// takeTurnLocked gives a worker some of the unreliable messages of s.
func (p *pool) takeTurnLocked(s *service, t *turn) {
	n := min(s.grams.len(), max(1, min(perTurn>>s.stuck, mostOut-s.out)))
	t.grams = t.grams[:0]
	for range n {
		t.grams = append(t.grams, s.popGram())
	}
	t.svc, t.out, t.place, t.old, t.stuck = s, n, -1, false, false
	t.next.Store(0)
	s.out += n
	p.queued -= n
	if n > 1 {
		t.place = len(p.turns)
		p.turns = append(p.turns, t)
		p.tickLocked()
	}
}

// endTurnLocked ends a turn, of which nothing is left. t may be nil, or have
// ended before.
func (p *pool) endTurnLocked(t *turn) {
	if t == nil {
		return
	}
	t.svc.out -= t.out
	t.out = 0
	if t.stuck {
		t.svc.stuck--
		t.stuck = false
	}
	p.unlistLocked(t)
}

func (p *pool) unlistLocked(t *turn) {
	if t.place < 0 {
		return
	}
	last := p.turns[len(p.turns)-1]
	p.turns[t.place], last.place = last, t.place
	p.turns[len(p.turns)-1] = nil
	p.turns = p.turns[:len(p.turns)-1]
	t.place = -1
}

// reclaimLocked takes back what is left of turns that are older than a tick. It
// tells how many of them had something left.
func (p *pool) reclaimLocked() (turns int) {
	for i := len(p.turns) - 1; i >= 0; i-- {
		t := p.turns[i]
		if !t.old {
			t.old = true
			continue
		}
		p.unlistLocked(t)
		t.stuck = true
		t.svc.stuck++
		left := t.grams[min(t.next.Swap(int64(len(t.grams))), int64(len(t.grams))):]
		if len(left) == 0 {
			continue
		}
		turns++
		t.out -= len(left)
		t.svc.out -= len(left)
		p.returnLocked(t.svc, left)
		clear(left)
	}
	return turns
}

// returnLocked puts messages back where they came from: before those that have
// come later. If there is no room for all the oldest are dropped.
func (p *pool) returnLocked(s *service, grams []gram) {
	n := len(grams)
	for n > 0 && s.roomFor(grams[n-1]) {
		n--
		s.grams.pushFront(grams[n])
		s.gramBytes += len(grams[n].data)
		p.queued++
	}
	s.drops.Add(uint64(n))
	p.readyLocked(s)
}

// roomFor tells whether g may wait at the port. pool.mu is held.
func (s *service) roomFor(g gram) bool {
	return s.grams.len() < gramQueue && s.gramBytes+len(g.data) <= gramBytes
}

// popGram takes the oldest that waits. pool.mu is held.
func (s *service) popGram() gram {
	g := s.grams.pop()
	s.gramBytes -= len(g.data)
	return g
}
