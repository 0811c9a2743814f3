package wire

// NumBuckets is into how many parts a table is hashed.
const NumBuckets = 64

// Buckets are the hashes of the 64 parts of a table, 8 bytes each.
type Buckets [NumBuckets]uint64

// Append writes the payload behind b.
func (m *Buckets) Append(b []byte) []byte {
	for _, h := range m {
		b = be.AppendUint64(b, h)
	}
	return b
}

// ParseBuckets reads what Append wrote.
func ParseBuckets(b []byte) (m Buckets, err error) {
	c := cursor{b: b}
	for i := range m {
		m[i] = c.u64()
	}
	return m, c.done("buckets")
}

// A Digest is one row of a table in 20 bytes.
//
//	8 bytes  short
//	8 bytes  generation
//	4 bytes  incarnation, shifted left by two · status less one
type Digest struct {
	Short       uint64
	Generation  uint64
	Incarnation uint32
	Status      Status
}

const digestSize = 20

// MaxDigests is how many rows the largest Digests have.
const MaxDigests = (MaxMessage - 10) / digestSize

func (d *Digest) append(b []byte) []byte {
	b = be.AppendUint64(be.AppendUint64(b, d.Short), d.Generation)
	return be.AppendUint32(b, d.Incarnation<<2|uint32(d.Status-1))
}

// digests reads a count of 2 bytes and that many digests.
func (c *cursor) digests() []Digest {
	list := cursor{b: c.take(digestSize * int(c.u16()))}
	out := make([]Digest, 0, len(list.b)/digestSize)
	for len(list.b) > 0 {
		d := Digest{Short: list.u64(), Generation: list.u64()}
		v := list.u32()
		d.Incarnation, d.Status = v>>2, Status(v&3)+1
		out = append(out, d)
	}
	return out
}

func appendDigests(b []byte, list []Digest) []byte {
	b = be.AppendUint16(b, uint16(len(list)))
	for i := range list {
		b = list[i].append(b)
	}
	return b
}

// Digests are all living rows of some parts of a table.
//
//	8 bytes  parts, a bit for each
//	2 bytes  count
//	digests
type Digests struct {
	Parts uint64
	Rows  []Digest
}

// Append writes the payload behind b.
func (m *Digests) Append(b []byte) []byte {
	return appendDigests(be.AppendUint64(b, m.Parts), m.Rows)
}

// ParseDigests reads what Append wrote.
func ParseDigests(b []byte) (m Digests, err error) {
	c := cursor{b: b}
	m = Digests{c.u64(), c.digests()}
	return m, c.done("digests")
}

// A Delta makes two tables equal. The first goes to who sent digests, and is
// answered by a final one.
//
//	1 byte   flags: 1 final
//	wants    2 bytes count · 8 bytes short, for each
//	dead     2 bytes count · digests of rows dead for more than 10 s
//	entries
type Delta struct {
	Final   bool
	Wants   Want
	Dead    []Digest
	Entries []Entry
}

// Append writes the payload behind b.
func (m *Delta) Append(b []byte) []byte {
	b = appendDigests(m.Wants.Append(append(b, flagByte(m.Final))), m.Dead)
	return AppendEntries(b, m.Entries)
}

// ParseDelta reads what Append wrote. The entries share memory with b.
func ParseDelta(b []byte) (m Delta, err error) {
	c := cursor{b: b}
	m = Delta{Final: c.u8()&1 != 0, Wants: c.want(), Dead: c.digests()}
	if err = c.done("delta"); err != nil {
		return m, err
	}
	m.Entries, err = ParseEntries(c.b)
	return m, err
}

// A Join asks for the whole table. Its entries are the sender's own record
// and, if there is one, its newest claim.
//
//	8 bytes  root of the sender's table
//	4 bytes  count of members that it holds alive
//	entries
type Join struct {
	Root    uint64
	Count   uint32
	Entries []Entry
}

// Append writes the payload behind b.
func (m *Join) Append(b []byte) []byte {
	return AppendEntries(be.AppendUint32(be.AppendUint64(b, m.Root), m.Count), m.Entries)
}

// ParseJoin reads what Append wrote. The entries share memory with b.
func ParseJoin(b []byte) (m Join, err error) {
	c := cursor{b: b}
	m = Join{Root: c.u64(), Count: c.u32()}
	if err = c.done("join"); err != nil {
		return m, err
	}
	m.Entries, err = ParseEntries(c.b)
	return m, err
}

// A Table is one piece of all living rows.
//
//	1 byte   flags: 1 last
//	entries
type Table struct {
	Last    bool
	Entries []Entry
}

// Append writes the payload behind b.
func (m *Table) Append(b []byte) []byte {
	return AppendEntries(append(b, flagByte(m.Last)), m.Entries)
}

// ParseTable reads what Append wrote. The entries share memory with b.
func ParseTable(b []byte) (m Table, err error) {
	c := cursor{b: b}
	m.Last = c.u8()&1 != 0
	if err = c.done("table"); err != nil {
		return m, err
	}
	m.Entries, err = ParseEntries(c.b)
	return m, err
}
