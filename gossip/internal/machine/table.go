package machine

import (
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// A row is what is held of one member. At one generation and incarnation a
// higher status wins.
type row struct {
	short  uint64
	rec    *wire.Record
	inc    uint32 // that of rec, or of a newer claim or verdict
	status wire.Status
	local  bool   // dead by our own verdict alone: never passed on, lifted by any sign of life
	proof  []byte // body of the claim or verdict at inc; nil when rec says it all
	at     time.Duration

	place    int // in table.living or table.dead
	pending  uint8
	from     uint64 // who told what is pending
	echoed   bool   // another has told the same since
	suspect  bool
	unlisted bool          // no longer shown
	patience time.Duration // until then phi is halved
	told     time.Duration // when we last told this node something about itself
	asked    time.Duration // when we last asked somebody for this row
	topPhi   float64       // the highest phi in recent votes
	topAt    time.Duration
	heard    time.Duration // when this node last spoke to us itself
}

// What of a row is still to be sent on.
const (
	pendingRecord = 1 << iota
	pendingProof
)

func (r *row) ref() node.Ref { return node.Ref{ID: r.rec.ID, Generation: r.rec.Generation} }

// before tells whether r is older than a fact with these values.
func (r *row) before(gen uint64, inc uint32, status wire.Status) bool {
	switch {
	case gen != r.rec.Generation:
		return gen > r.rec.Generation
	case inc != r.inc:
		return inc > r.inc
	case r.local:
		return true
	}
	return status > r.status
}

// entries are all that is needed to know what we know of r, and nothing if we
// hold it dead without a verdict.
func (r *row) entries(now time.Duration) []wire.Entry {
	list := []wire.Entry{{Kind: wire.EntryRecord, Body: r.rec.Raw()}}
	if e, ok := r.proved(now); ok {
		list = append(list, e)
	}
	return list
}

// proved is the claim or verdict of r, if there is one.
func (r *row) proved(now time.Duration) (e wire.Entry, ok bool) {
	if r.proof == nil || r.local {
		return e, false
	}
	if r.status != wire.Dead {
		return wire.Entry{Kind: wire.EntryClaim, Body: r.proof}, true
	}
	v, err := wire.ParseVerdict(r.proof)
	if err != nil {
		return e, false // cannot be: we made it or have parsed it before
	}
	v.Age = now - r.at
	return wire.Entry{Kind: wire.EntryVerdict, Body: v.Append(nil)}, true
}

// A table holds the rows, the living and the dead apart, and the hashes of the
// living.
type table struct {
	rows    map[uint64]*row
	bytes   int    // what they weigh
	living  []*row // in no order
	dead    []*row // in no order; those who left are in neither
	buckets wire.Buckets
	counts  [wire.NumBuckets]int // living rows in each bucket
	root    uint64
	changed time.Duration // when a row last changed
	version uint64        // counts changes that somebody may see
	dirty   bool          // the living have changed since the rings were looked at
}

func newTable(now time.Duration) table {
	return table{rows: map[uint64]*row{}, changed: now}
}

// mix is a bijection that scatters its input.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func bucketOf(short uint64) uint { return uint(mix(short) % wire.NumBuckets) }

// hash is what a living row adds to its bucket and to the root.
func (r *row) hash() uint64 {
	return mix(mix(r.short^mix(r.rec.Generation)) + uint64(r.inc))
}

func (t *table) toggle(r *row) {
	h := r.hash()
	t.root ^= h
	t.buckets[bucketOf(r.short)] ^= h
}

// add makes a row for rec that is not alive yet. There must be none for its id.
func (m *Machine) add(rec *wire.Record, now time.Duration) *row {
	r := &row{short: wire.Short(rec.ID), rec: rec, patience: never, told: never, asked: never, topAt: never, heard: never, at: now}
	m.rows[r.short] = r
	m.bytes += r.weight()
	m.rings.add(r)
	return r
}

// set writes a fact into r and moves r to where it belongs.
func (m *Machine) set(r *row, rec *wire.Record, inc uint32, status wire.Status, proof []byte, at time.Duration) {
	was := r.status
	if was == wire.Alive {
		m.toggle(r)
	}
	if was != status {
		m.unplace(r)
	}
	m.bytes -= r.weight()
	r.rec, r.inc, r.status, r.proof, r.at, r.local = rec, inc, status, proof, at, false
	m.bytes += r.weight()
	if was != status {
		m.place(r)
	}
	if status == wire.Alive {
		m.toggle(r)
		r.unlisted = false
	}
	if was == wire.Alive != (status == wire.Alive) {
		m.dirty = true
	}
	m.version++
}

func (t *table) place(r *row) {
	switch r.status {
	case wire.Alive:
		r.place = len(t.living)
		t.living = append(t.living, r)
		t.counts[bucketOf(r.short)]++
	case wire.Dead:
		r.place = len(t.dead)
		t.dead = append(t.dead, r)
	}
}

func (t *table) unplace(r *row) {
	switch r.status {
	case wire.Alive:
		t.living = withdraw(t.living, r)
		t.counts[bucketOf(r.short)]--
	case wire.Dead:
		t.dead = withdraw(t.dead, r)
	}
}

func withdraw(list []*row, r *row) []*row {
	last := len(list) - 1
	list[r.place] = list[last]
	list[r.place].place = r.place
	list[last] = nil
	return list[:last]
}

// anyone returns a random living member that is not us, or nil.
func (m *Machine) anyone() *row {
	for range 8 {
		if r := m.living[m.rng.IntN(len(m.living))]; r != m.self {
			return r
		}
	}
	return nil
}
