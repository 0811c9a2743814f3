package machine

import (
	"time"

	"kith/gossip/internal/wire"
)

// Repair makes two tables equal that a flood has left different:
//
//	one who notices              the other
//	       Buckets  ------------->           64 hashes
//	               <-------------  Digests   the living rows of the parts that differ
//	       Delta    ------------->           what is newer here, and what is wanted
//	               <-------------  Delta     the same the other way, final

// A repair is what we expect from one partner.
type repair struct {
	next  wire.Kind // digests or delta
	final bool      // delta: the last one
	at    time.Duration
}

// maxRepairs is how many partners we are in the middle of a repair with; more
// are not answered.
const maxRepairs = 64

// maxDigests is about how many rows one repair covers: 40 kB of digests. The last
// part of the table may bring more, as many as the message holds.
const maxDigests = 2000

// compare begins a repair with p if its table is not ours, but not while we
// are learning: then they will soon be the same.
func (m *Machine) compare(now time.Duration, p peer, root uint64) {
	if root == m.root {
		m.differs = unset
		return
	}
	m.differs = min(m.differs, now)
	busy := now-m.changed < quiet && now-m.differs < 10*m.cfg.Heartbeat && !m.lonely(now)
	if busy || now-m.repaired < m.cfg.Heartbeat/2 {
		return
	}
	if m.expect(now, p, repair{next: wire.KindDigests, at: now}) {
		m.repaired, m.differs = now, unset
		m.stats.Repairs++
		m.send(p.id, wire.KindBuckets, m.buckets.Append(make([]byte, 0, 512)))
	}
}

// expect remembers what p may send us next.
func (m *Machine) expect(now time.Duration, p peer, r repair) bool {
	if _, ok := m.repairs[p.short]; !ok && len(m.repairs) >= maxRepairs {
		for s, old := range m.repairs {
			if now-old.at > m.cfg.SyncTimeout {
				delete(m.repairs, s)
			}
		}
		if len(m.repairs) >= maxRepairs {
			return false
		}
	}
	m.repairs[p.short] = r
	return true
}

// expected tells whether we are waiting for this from p, and then no longer.
func (m *Machine) expected(now time.Duration, p peer, kind wire.Kind) (r repair, ok bool) {
	r, ok = m.repairs[p.short]
	if !ok || r.next != kind || now-r.at > m.cfg.SyncTimeout {
		m.stats.Unasked++
		return r, false
	}
	delete(m.repairs, p.short)
	return r, true
}

func (m *Machine) onBuckets(now time.Duration, p peer, payload []byte) error {
	theirs, err := wire.ParseBuckets(payload)
	if err != nil {
		return err
	}
	if r, ok := m.repairs[p.short]; ok && r.next == wire.KindDelta && now-r.at < m.cfg.Heartbeat/4 {
		return nil
	}
	var d wire.Digests
	rows, start := 0, m.rng.IntN(wire.NumBuckets)
	for i := range wire.NumBuckets {
		b := (start + i) % wire.NumBuckets
		if theirs[b] != m.buckets[b] && rows < maxDigests {
			d.Parts |= 1 << b
			rows += m.counts[b]
		}
	}
	if d.Parts == 0 || !m.expect(now, p, repair{next: wire.KindDelta, at: now}) {
		return nil
	}
	d.Rows = make([]wire.Digest, 0, rows)
	for _, r := range m.living {
		if d.Parts>>bucketOf(r.short)&1 == 1 && len(d.Rows) < wire.MaxDigests {
			d.Rows = append(d.Rows, r.digest())
		}
	}
	m.send(p.id, wire.KindDigests, d.Append(make([]byte, 0, 10+20*len(d.Rows))))
	return nil
}

func (r *row) digest() wire.Digest {
	return wire.Digest{Short: r.short, Generation: r.rec.Generation, Incarnation: r.inc, Status: r.status}
}

func (m *Machine) onDigests(now time.Duration, p peer, payload []byte) error {
	d, err := wire.ParseDigests(payload)
	if err != nil {
		return err
	}
	if _, ok := m.expected(now, p, wire.KindDigests); !ok {
		return nil
	}
	out := reply{m: m, now: now, space: room}
	listed := make(map[uint64]bool, len(d.Rows))
	for i := range d.Rows {
		listed[d.Rows[i].Short] = true
		out.match(&d.Rows[i])
	}
	for _, r := range m.living {
		if d.Parts>>bucketOf(r.short)&1 == 1 && !listed[r.short] {
			out.give(r)
		}
	}
	if m.expect(now, p, repair{next: wire.KindDelta, final: true, at: now}) {
		m.send(p.id, wire.KindDelta, out.delta.Append(nil))
	}
	return nil
}

// A reply is a delta in the making.
type reply struct {
	m     *Machine
	now   time.Duration
	delta wire.Delta
	space int
}

// match compares one row of the partner's, which is alive there, with ours.
func (p *reply) match(d *wire.Digest) {
	m := p.m
	r := m.rows[d.Short]
	switch {
	case r == nil || r.before(d.Generation, d.Incarnation, d.Status):
		if r != nil && r.local && r.is(d.Generation, d.Incarnation) {
			m.revive(p.now, r)
			return
		}
		if p.space -= 8; p.space >= 0 {
			p.delta.Wants = append(p.delta.Wants, d.Short)
		}
	case r.is(d.Generation, d.Incarnation) && r.status == d.Status:
	case r.status == wire.Dead && p.now-r.at > freshFor:
		if p.space -= 20; p.space >= 0 {
			p.delta.Dead = append(p.delta.Dead, r.digest())
		}
		if p.m.rng.Float64() < 20/float64(len(m.living)) {
			m.notify(p.now, r)
		}
	default:
		p.give(r)
	}
}

// give adds what we know of r, as far as there is space.
func (p *reply) give(r *row) {
	if r.local {
		return
	}
	list := r.entries(p.now)
	size := 0
	for _, e := range list {
		size += e.Size()
	}
	if size <= p.space {
		p.space -= size
		p.delta.Entries = append(p.delta.Entries, list...)
	}
}

func (m *Machine) onDelta(now time.Duration, p peer, payload []byte) error {
	d, err := wire.ParseDelta(payload)
	if err != nil {
		return err
	}
	expected, ok := m.expected(now, p, wire.KindDelta)
	if !ok {
		return nil
	}
	out := reply{m: m, now: now, space: room, delta: wire.Delta{Final: true}}
	given := map[*row]bool{}
	for _, e := range d.Entries {
		stale, err := m.learn(now, p, e, byRepair)
		if err != nil {
			return err
		}
		if stale != nil && stale.status != wire.Alive && !given[stale] {
			given[stale] = true
			out.give(stale)
		}
	}
	for i := range d.Dead {
		if r := m.rows[d.Dead[i].Short]; r != nil && r.status == wire.Alive && r.rec.Generation == d.Dead[i].Generation && r.inc <= d.Dead[i].Incarnation {
			m.question(now, p, r, d.Dead[i].Incarnation)
		}
	}
	if expected.final {
		m.sickAt = never // what had passed us by is here
		return nil
	}
	for _, s := range d.Wants {
		if r := m.rows[s]; r != nil && !given[r] {
			out.give(r)
		}
	}
	m.send(p.id, wire.KindDelta, out.delta.Append(nil))
	return nil
}
