package machine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"kith/gossip/internal/wire"
)

// collect takes the dead from the list when their time has come, and from the
// table a day later.
func (m *Machine) collect(now time.Duration) {
	m.collectAt = now + m.cfg.Collect
	gone := false
	for short, r := range m.rows {
		if r.status == wire.Alive || r == m.self {
			continue
		}
		if !r.unlisted && now-r.at > m.cfg.Grace {
			r.unlisted = true
			m.version++
		}
		if now-r.at > markFor && r.pending == 0 {
			m.drop(short, r)
			gone = true
		}
	}
	if gone {
		m.rings.remove(m.dropped)
	}
}

func (m *Machine) drop(short uint64, r *row) {
	m.unplace(r)
	m.bytes -= r.weight()
	r.status = 0
	delete(m.rows, short)
	delete(m.past, short)
	delete(m.boxes, short)
}

func (m *Machine) dropped(r *row) bool { return m.rows[r.short] != r }

// rowSize is about what a row takes beside its bytes: itself, its parsed record,
// its places in the maps and on the rings.
const rowSize = 512

// weight is about what r takes in memory, in bytes. A record is there as it came
// and parsed.
func (r *row) weight() int { return rowSize + 2*len(r.rec.Raw()) + len(r.proof) }

// crowded tells whether the table has no place for so many more rows and bytes.
func (m *Machine) crowded(rows, bytes int) bool {
	return len(m.rows)+rows > MaxRows || m.bytes+bytes > m.cfg.MaxTable
}

// makeRoom tells whether there is a place for so many more rows and bytes. Those
// that have been dead or gone for longest may have to go, and a few more with
// them, so that the next need not look through the table again; while nobody can
// go, that is looked at once a second.
func (m *Machine) makeRoom(now time.Duration, rows, bytes int) bool {
	switch {
	case !m.crowded(rows, bytes):
		return true
	case len(m.rows) == len(m.living) || now-m.lookedForRoom < time.Second:
		return false
	}
	m.lookedForRoom = now
	var gone []*row
	spare := 0
	for _, r := range m.rows {
		if r.status != wire.Alive && r != m.self && r.pending == 0 {
			gone = append(gone, r)
			spare += r.weight()
		}
	}
	if m.crowded(rows-len(gone), bytes-spare) {
		return false
	}
	m.lookedForRoom = never
	slices.SortFunc(gone, func(a, b *row) int { return cmp.Compare(a.at, b.at) })
	for _, r := range gone {
		if !m.crowded(rows+MaxRows/64, bytes+m.cfg.MaxTable/64) {
			break
		}
		m.drop(r.short, r)
	}
	m.rings.remove(m.dropped)
	m.version++
	return true
}

// full refuses a member for want of room.
func (m *Machine) full() error {
	m.stats.Full++
	return &RefusedError{Full: true, Text: fmt.Sprintf("gossip: no room for another member: %d of %d members, %d of %d bytes", len(m.rows), MaxRows, m.bytes, m.cfg.MaxTable)}
}
