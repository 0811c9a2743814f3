package machine

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"kith/gossip/internal/phi"
	"kith/gossip/internal/wire"
)

// K is how many rings there are, and so how many observers a member has. Up to
// K+1 members everybody observes everybody.
const K = 5

// maxPast is how many windows of former subjects are kept; beyond it all of
// them are forgotten.
const maxPast = 256

// Rings hold every row, living or not, in K pseudo-random orders that are the
// same at every node.
type rings struct {
	order [K][]*row
	fresh []*row // not in order yet
}

var salts = [K]uint64{mix(1), mix(2), mix(3), mix(4), mix(5)}

func ringKey(k int, short uint64) uint64 { return mix(short ^ salts[k]) }

func (g *rings) add(r *row) { g.fresh = append(g.fresh, r) }

// settle puts fresh rows in their places: a few one by one, many by sorting.
func (g *rings) settle() {
	if len(g.fresh) == 0 {
		return
	}
	for k := range g.order {
		if len(g.fresh) > 8 {
			g.order[k] = append(g.order[k], g.fresh...)
			slices.SortFunc(g.order[k], func(a, b *row) int { return cmp.Compare(ringKey(k, a.short), ringKey(k, b.short)) })
			continue
		}
		for _, r := range g.fresh {
			g.order[k] = slices.Insert(g.order[k], g.find(k, r), r)
		}
	}
	g.fresh = nil
}

func (g *rings) find(k int, r *row) int {
	key := ringKey(k, r.short)
	return sort.Search(len(g.order[k]), func(i int) bool { return ringKey(k, g.order[k][i].short) >= key })
}

// walk visits the others on ring k, from the neighbour of r on, until visit
// says stop.
func (g *rings) walk(k int, r *row, step int, visit func(*row) (more bool)) {
	g.settle()
	n := len(g.order[k])
	at := g.find(k, r)
	for range n - 1 {
		at = (at + step + n) % n
		if !visit(g.order[k][at]) {
			return
		}
	}
}

func (g *rings) remove(gone func(*row) bool) {
	g.settle()
	for k := range g.order {
		g.order[k] = slices.DeleteFunc(g.order[k], gone)
	}
}

// neighbours are the living next to r on each ring, each of them once.
func (m *Machine) neighbours(r *row, step int, buf []*row) []*row {
	buf = buf[:0]
	if len(m.living) <= K+1 {
		for _, o := range m.living {
			if o != r {
				buf = append(buf, o)
			}
		}
		return buf
	}
	for k := range K {
		m.rings.walk(k, r, step, func(o *row) bool {
			if o.status != wire.Alive {
				return true
			}
			if !slices.Contains(buf, o) {
				buf = append(buf, o)
			}
			return false
		})
	}
	return buf
}

// observersOf are those whose votes decide about r.
func (m *Machine) observersOf(r *row) []*row { return m.neighbours(r, -1, nil) }

// mayObserve tells whether voter is, or a moment ago was, an observer of r. Our
// table may miss up to two deaths or joins on each ring that the voter knew of.
func (m *Machine) mayObserve(voter, r *row) bool {
	const slack = 2
	if len(m.living) <= K+1+slack {
		return voter != r
	}
	found := false
	for k := 0; k < K && !found; k++ {
		living := 0
		m.rings.walk(k, r, -1, func(o *row) bool {
			if found = o == voter; found {
				return false
			}
			if o.status == wire.Alive {
				living++
			}
			return living <= slack
		})
	}
	return found
}

// refresh looks at the rings again if the living have changed.
func (m *Machine) refresh(now time.Duration) {
	if !m.dirty {
		return
	}
	m.dirty = false
	m.observers = m.neighbours(m.self, -1, m.observers)
	before := m.subjects
	m.subjects = make([]*subject, 0, K)
	var late time.Duration
	if slices.ContainsFunc(before, func(s *subject) bool { return s.row.status == wire.Dead }) {
		late = inherited * m.cfg.Initial
	}
	for _, r := range m.neighbours(m.self, 1, nil) {
		m.subjects = append(m.subjects, m.observe(now, r, before, late))
	}
	for _, s := range before {
		if m.subject(s.row) == nil {
			if len(m.past) >= maxPast {
				clear(m.past)
			}
			m.past[s.row.short] = s
		}
	}
}

// inherited is for how many intervals whoever comes after a dead subject of ours is
// taken to have been silent: many may have died at once, and the dead one was among
// those who would have known.
const inherited = 2

// observe returns the subject for r: the present one, the one that it was
// before it left our rings, or a new one, silent since late.
func (m *Machine) observe(now time.Duration, r *row, present []*subject, late time.Duration) *subject {
	for _, s := range present {
		if s.row == r {
			return s
		}
	}
	s := m.past[r.short]
	delete(m.past, r.short)
	if s == nil || s.row != r || s.gen != r.rec.Generation {
		return &subject{row: r, gen: r.rec.Generation, win: phi.OpenLate(now, late), probedAt: never, votedAt: never}
	}
	s.win.Resume(now, &m.cfg.Rhythm)
	*s = subject{row: r, gen: s.gen, win: s.win, probedAt: never, votedAt: never}
	return s
}

// subject returns our observation of r, or nil if we do not observe it.
func (m *Machine) subject(r *row) *subject {
	for _, s := range m.subjects {
		if s.row == r {
			return s
		}
	}
	return nil
}
