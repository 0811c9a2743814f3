package wire

import (
	"encoding/binary"
	"time"
)

// A Status is what a table holds of a member. At one generation and
// incarnation the higher one wins.
type Status uint8

// The states of a member. There is no 2.
const (
	Alive Status = 1
	Dead  Status = 3 // convicted by a verdict
	Left  Status = 4
)

// An Entry is one fact about one member, as it travels in a list:
//
//	1 byte kind · uvarint length · body
type Entry struct {
	Kind EntryKind
	Body []byte
}

// An EntryKind tells how to read the body of an entry.
type EntryKind uint8

// The kinds of entry.
const (
	EntryRecord  EntryKind = 1 // a raw record
	EntryClaim   EntryKind = 2 // a Claim
	EntryVerdict EntryKind = 3 // a Verdict
)

// Size is what the entry takes in a list.
func (e Entry) Size() int {
	var b [binary.MaxVarintLen64]byte
	return 1 + binary.PutUvarint(b[:], uint64(len(e.Body))) + len(e.Body)
}

// AppendEntries writes a list behind b.
func AppendEntries(b []byte, list []Entry) []byte {
	for _, e := range list {
		b = append(binary.AppendUvarint(append(b, byte(e.Kind)), uint64(len(e.Body))), e.Body...)
	}
	return b
}

// ParseEntries reads a list that fills b and leaves out entries of unknown
// kinds. The bodies share memory with b.
func ParseEntries(b []byte) ([]Entry, error) {
	var list []Entry
	for c := (cursor{b: b}); len(c.b) > 0; {
		e := Entry{Kind: EntryKind(c.u8())}
		e.Body = c.take(c.size())
		if c.short {
			return nil, bad("entries", "entry %d is cut off", len(list))
		}
		if e.Kind >= EntryRecord && e.Kind <= EntryVerdict {
			list = append(list, e)
		}
	}
	return list, nil
}

// A Claim is what a node says about its own life: a refutation (Alive) or a
// leave (Left), signed with its key.
//
//	8 bytes  short
//	8 bytes  generation
//	4 bytes  incarnation
//	4 bytes  incarnation of the record that is valid with it
//	1 byte   status
//	1 byte   signature length · signature
type Claim struct {
	Short       uint64
	Generation  uint64
	Incarnation uint32
	Record      uint32
	Status      Status
	Signature   []byte
}

// Append writes the body behind b.
func (m *Claim) Append(b []byte) []byte {
	b = be.AppendUint32(be.AppendUint64(be.AppendUint64(b, m.Short), m.Generation), m.Incarnation)
	return appendSized(append(be.AppendUint32(b, m.Record), byte(m.Status)), m.Signature)
}

// ParseClaim reads what Append wrote. The signature shares memory with b.
func ParseClaim(b []byte) (m Claim, err error) {
	c := cursor{b: b}
	m = Claim{c.u64(), c.u64(), c.u32(), c.u32(), Status(c.u8()), c.signature()}
	if err = c.done("claim"); err != nil {
		return m, err
	}
	if m.Status != Alive && m.Status != Left {
		return m, bad("claim", "status %d is neither alive nor left", m.Status)
	}
	if m.Incarnation > MaxIncarnation || m.Record > m.Incarnation {
		return m, bad("claim", "incarnation %d of record %d", m.Incarnation, m.Record)
	}
	return m, nil
}

// Message is what the node, whose whole id is given, signs.
func (m *Claim) Message(id [32]byte) []byte {
	b := be.AppendUint64(append([]byte(forClaim), id[:]...), m.Generation)
	return append(be.AppendUint32(be.AppendUint32(b, m.Incarnation), m.Record), byte(m.Status))
}

// MaxVotes is how many votes a verdict may carry.
const MaxVotes = 16

// A Verdict says that the observers of a member hold it dead, with the votes
// to prove it.
//
//	8 bytes  short
//	8 bytes  generation
//	4 bytes  incarnation
//	4 bytes  age in milliseconds
//	1 byte   count of votes, then for each
//	   8 bytes  short of the observer
//	   2 bytes  phi in hundredths
//	   1 byte   flags: 1 hard
//	   1 byte   signature length · signature, as of a Vote
type Verdict struct {
	Short       uint64
	Generation  uint64
	Incarnation uint32
	Age         time.Duration // of whole milliseconds, 49 days at most
	Votes       []Ballot
}

// A Ballot is a vote in a verdict.
type Ballot struct {
	Observer  uint64
	Phi       uint16
	Hard      bool
	Signature []byte
}

// Append writes the body behind b.
func (m *Verdict) Append(b []byte) []byte {
	b = be.AppendUint32(be.AppendUint64(be.AppendUint64(b, m.Short), m.Generation), m.Incarnation)
	age := uint32(min(m.Age/time.Millisecond, 1<<32-1))
	b = append(be.AppendUint32(b, age), byte(len(m.Votes)))
	for _, v := range m.Votes {
		b = append(be.AppendUint16(be.AppendUint64(b, v.Observer), v.Phi), flagByte(v.Hard))
		b = appendSized(b, v.Signature)
	}
	return b
}

// ParseVerdict reads what Append wrote. The signatures share memory with b.
func ParseVerdict(b []byte) (m Verdict, err error) {
	c := cursor{b: b}
	m = Verdict{Short: c.u64(), Generation: c.u64(), Incarnation: c.u32(), Age: time.Duration(c.u32()) * time.Millisecond}
	n := int(c.u8())
	if n > MaxVotes {
		return m, &LimitError{What: "number of votes", Got: n, Max: MaxVotes}
	}
	m.Votes = make([]Ballot, 0, n)
	for range n {
		m.Votes = append(m.Votes, Ballot{c.u64(), c.u16(), c.u8()&1 != 0, c.signature()})
	}
	return m, c.done("verdict")
}

// Vote is the ballot as its observer signed it.
func (m *Verdict) Vote(v *Ballot) Vote {
	return Vote{m.Short, m.Generation, m.Incarnation, v.Phi, v.Hard, v.Signature}
}
