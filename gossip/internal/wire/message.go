package wire

import "fmt"

// A Kind is the code of a message.
type Kind uint64

// The kinds of message. What is lossy may travel as a datagram; the others go
// on the session's reliable stream.
const (
	KindHeartbeat   Kind = iota // lossy: Beat, to an observer
	KindHello                   // lossy: Beat, to anybody
	KindPing                    // Probe: answer with an ack
	KindPingRequest             // Probe: ping the target for me
	KindAck                     // Ack
	KindVote                    // Vote
	KindDeny                    // Deny
	KindNotice                  // Notice: I hold you dead
	KindNews                    // entries
	KindWant                    // shorts: send me their entries
	KindBuckets                 // Buckets
	KindDigests                 // Digests
	KindDelta                   // Delta
	KindJoin                    // Join
	KindTable                   // Table
	kinds
)

// Codes is the Length of the protocol. Those that are no kind yet are for later
// versions: a message of one is skipped, and no breach.
const Codes = 32

var kindNames = [kinds]string{
	"heartbeat", "hello", "ping", "ping-request", "ack", "vote", "deny", "notice",
	"news", "want", "buckets", "digests", "delta", "join", "table",
}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint64(k))
}

// Lossy tells whether a message of this kind may be lost without harm.
func (k Kind) Lossy() bool { return k == KindHeartbeat || k == KindHello }

// A Datagram is one lossy message on a session's carrier of datagrams. It may
// come late, twice or never.
//
//	1 byte  kind
//	payload
type Datagram struct {
	Kind    Kind
	Payload []byte
}

// Head is what goes before the payload.
func (m *Datagram) Head() []byte { return []byte{byte(m.Kind)} }

// ParseDatagram reads a datagram. The payload shares memory with b.
func ParseDatagram(b []byte) (m Datagram, err error) {
	c := cursor{b: b}
	m.Kind = Kind(c.u8())
	switch m.Payload = c.b; {
	case c.short:
		return m, bad("datagram", "too short")
	case !m.Kind.Lossy():
		return m, bad("datagram", "a %v does not travel so", m.Kind)
	}
	return m, nil
}

// MaxMessage is the largest payload, in bytes, that is made or read.
const MaxMessage = 64 << 10

// CheckSize refuses a payload that is too large.
func CheckSize(k Kind, payload []byte) error {
	if len(payload) > MaxMessage {
		return &LimitError{What: "size of a " + k.String() + " message", Got: len(payload), Max: MaxMessage}
	}
	return nil
}

// A Beat is a heartbeat or a hello.
//
//	8 bytes  generation of the sender
//	4 bytes  sequence: one more in each round
//	4 bytes  count of members that the sender holds alive
//	8 bytes  root: the hash of its table
type Beat struct {
	Generation uint64
	Sequence   uint32
	Count      uint32
	Root       uint64
}

// Append writes the payload behind b.
func (m *Beat) Append(b []byte) []byte {
	b = be.AppendUint32(be.AppendUint64(b, m.Generation), m.Sequence)
	return be.AppendUint64(be.AppendUint32(b, m.Count), m.Root)
}

// ParseBeat reads what Append wrote.
func ParseBeat(b []byte) (m Beat, err error) {
	c := cursor{b: b}
	m = Beat{c.u64(), c.u32(), c.u32(), c.u64()}
	return m, c.done("heartbeat")
}

func (c *cursor) done(what string) error {
	if c.short {
		return bad(what, "too short")
	}
	return nil
}

// A Probe asks for a sign of life.
//
//	8 bytes  target: short of the node in doubt
//	8 bytes  origin: short of the observer that wants to know
//	4 bytes  nonce, handed back
//	4 bytes  0
type Probe struct {
	Target, Origin uint64
	Nonce          uint32
}

// Append writes the payload behind b.
func (m *Probe) Append(b []byte) []byte {
	b = be.AppendUint64(be.AppendUint64(b, m.Target), m.Origin)
	return be.AppendUint32(be.AppendUint32(b, m.Nonce), 0)
}

// ParseProbe reads what Append wrote.
func ParseProbe(b []byte) (m Probe, err error) {
	c := cursor{b: b}
	m = Probe{c.u64(), c.u64(), c.u32()}
	c.u32()
	return m, c.done("probe")
}

// An Ack is a sign of life. One that takes a way through another member is
// signed by the target; a direct one is proved by its session.
//
//	8 bytes  target
//	8 bytes  origin
//	8 bytes  generation of the target
//	4 bytes  nonce
//	1 byte   signature length, 0 if direct · signature
type Ack struct {
	Target, Origin uint64
	Generation     uint64
	Nonce          uint32
	Signature      []byte
}

// Append writes the payload behind b.
func (m *Ack) Append(b []byte) []byte {
	b = be.AppendUint64(be.AppendUint64(b, m.Target), m.Origin)
	b = be.AppendUint32(be.AppendUint64(b, m.Generation), m.Nonce)
	return appendSized(b, m.Signature)
}

// ParseAck reads what Append wrote. The signature shares memory with b.
func ParseAck(b []byte) (m Ack, err error) {
	c := cursor{b: b}
	m = Ack{c.u64(), c.u64(), c.u64(), c.u32(), c.signature()}
	return m, c.done("ack")
}

// Message is what the target, whose whole id is given, signs.
func (m *Ack) Message(target [32]byte) []byte {
	b := append([]byte(forAck), target[:]...)
	return be.AppendUint32(be.AppendUint64(be.AppendUint64(b, m.Origin), m.Generation), m.Nonce)
}

// A Vote says that an observer holds its subject dead.
//
//	8 bytes  subject
//	8 bytes  generation
//	4 bytes  incarnation
//	2 bytes  phi in hundredths, 655.35 at most
//	1 byte   flags: 1 hard
//	1 byte   signature length · signature
type Vote struct {
	Subject     uint64
	Generation  uint64
	Incarnation uint32
	Phi         uint16
	Hard        bool
	Signature   []byte
}

// Append writes the payload behind b.
func (m *Vote) Append(b []byte) []byte {
	b = be.AppendUint64(be.AppendUint64(b, m.Subject), m.Generation)
	b = be.AppendUint16(be.AppendUint32(b, m.Incarnation), m.Phi)
	return appendSized(append(b, flagByte(m.Hard)), m.Signature)
}

func flagByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// ParseVote reads what Append wrote. The signature shares memory with b.
func ParseVote(b []byte) (m Vote, err error) {
	c := cursor{b: b}
	m = Vote{c.u64(), c.u64(), c.u32(), c.u16(), c.u8()&1 != 0, c.signature()}
	return m, c.done("vote")
}

// Message is what the observer signs; both whole ids are given.
func (m *Vote) Message(subject, observer [32]byte) []byte {
	b := append(append([]byte(forVote), subject[:]...), observer[:]...)
	b = be.AppendUint32(be.AppendUint64(b, m.Generation), m.Incarnation)
	return append(be.AppendUint16(b, m.Phi), flagByte(m.Hard))
}

// A Deny says that an observer hears the subject of a vote.
//
//	8 bytes  subject
//	8 bytes  generation
//	4 bytes  incarnation
//	2 bytes  phi in hundredths
type Deny struct {
	Subject     uint64
	Generation  uint64
	Incarnation uint32
	Phi         uint16
}

// Append writes the payload behind b.
func (m *Deny) Append(b []byte) []byte {
	b = be.AppendUint64(be.AppendUint64(b, m.Subject), m.Generation)
	return be.AppendUint16(be.AppendUint32(b, m.Incarnation), m.Phi)
}

// ParseDeny reads what Append wrote.
func ParseDeny(b []byte) (m Deny, err error) {
	c := cursor{b: b}
	m = Deny{c.u64(), c.u64(), c.u32(), c.u16()}
	return m, c.done("deny")
}

// A Notice tells its reader that the sender holds it dead.
//
//	8 bytes  generation
//	4 bytes  incarnation
type Notice struct {
	Generation  uint64
	Incarnation uint32
}

// Append writes the payload behind b.
func (m *Notice) Append(b []byte) []byte {
	return be.AppendUint32(be.AppendUint64(b, m.Generation), m.Incarnation)
}

// ParseNotice reads what Append wrote.
func ParseNotice(b []byte) (m Notice, err error) {
	c := cursor{b: b}
	m = Notice{c.u64(), c.u32()}
	return m, c.done("notice")
}

// A Want asks for the entries of some members.
//
//	2 bytes  count
//	8 bytes  short, for each
type Want []uint64

// Append writes the payload behind b.
func (m Want) Append(b []byte) []byte {
	b = be.AppendUint16(b, uint16(len(m)))
	for _, s := range m {
		b = be.AppendUint64(b, s)
	}
	return b
}

// ParseWant reads what Append wrote.
func ParseWant(b []byte) (Want, error) {
	c := cursor{b: b}
	m := c.want()
	return m, c.done("want")
}

func (c *cursor) want() Want {
	list := cursor{b: c.take(8 * int(c.u16()))}
	m := make(Want, 0, len(list.b)/8)
	for len(list.b) > 0 {
		m = append(m, list.u64())
	}
	return m
}
