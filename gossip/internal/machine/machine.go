// Package machine decides who is a member of the cluster.
//
// A [Machine] has no clock, no socket and no goroutine. Its methods are told
// what time it is (monotonic, since any start) and what a peer said; what it
// wants to say, and what it found out, is fetched with Take. Call Tick no later
// than Next says. It is not safe for concurrent use.
//
// The rules, in the order of the files: everybody is observed by five others,
// its neighbours on five pseudo-random rings (ring.go), to which it sends its
// heartbeats (beat.go). Who stays silent is probed and then voted on
// (observe.go, verdict.go). News floods the rings (spread.go, learn.go); what
// a flood has missed is mended by comparing hashes (repair.go), and what is old
// is asked of the node itself (question.go). A newcomer asks a seed (join.go).
package machine

import (
	"crypto"
	"math"
	"math/rand/v2"
	"time"

	"kith/gossip/internal/phi"
	"kith/gossip/internal/wire"
	"kith/node"
)

// A Config holds what an operator may choose. Nothing in it has a default here.
type Config struct {
	Rhythm
	Threshold     float64       // phi at which an observer is sure
	Grace         time.Duration // how long dead and left members are listed
	Collect       time.Duration // how often that is looked at
	SyncTimeout   time.Duration // how long one repair may take
	Seeds         []string      // host:port
	SeedAmount    int           // seeds to greet in a round
	NotSeedAmount int           // members to greet in a round
	MaxTable      int           // bytes that the rows may take, see row.weight
}

// A Rhythm is how often nodes beat and what that makes of a silence.
type Rhythm = phi.Rhythm

// A Notary signs for us and proves what others signed. Open may hand out the
// same record twice: records are never changed.
type Notary interface {
	Sign(message []byte) ([]byte, error)
	Open(raw []byte) (*wire.Record, error)
	Verify(pub crypto.PublicKey, message, signature []byte) bool
}

// A Send is one message to one node.
type Send struct {
	To      node.ID // zero: the seed at Host, whoever it is
	Host    string
	Kind    wire.Kind
	Payload []byte // shared between messages: never changed
}

// Stats count what a machine did and refused.
type Stats struct {
	Refutations uint64 // times we had to say that we live
	Verdicts    uint64 // times we convicted somebody
	Repairs     uint64 // times we compared tables
	Pauses      uint64 // times we woke up late
	Unproved    uint64 // records, claims and votes whose signature did not hold
	Unconvinced uint64 // verdicts without enough votes of observers
	Foreign     uint64 // records of a version that does not go with ours
	Unasked     uint64 // digests, deltas and tables nobody had asked for
	Full        uint64 // newcomers refused because the table is full
}

const (
	spreadEvery = 50 * time.Millisecond  // at most this often news is sent on
	quiet       = 500 * time.Millisecond // a table must not have changed for this long to be compared
	aside       = time.Second            // at most this often one node is told or asked the same
	freshFor    = 10 * time.Second       // a verdict older than this is asked about
	markFor     = 24 * time.Hour         // how long the dead keep their row
	joinEvery   = time.Second
	deniedRest  = 10 * time.Second

	// MaxRows is how many members, living and dead, a table holds, if their bytes
	// stay within MaxTable. The oldest dead make room; with none left a newcomer,
	// or a longer record of a member, is refused.
	MaxRows = 1 << 16

	never   = time.Duration(math.MinInt64 / 2)
	unset   = time.Duration(math.MaxInt64)
	hurried = 2 // phi from which silences are looked at between heartbeats
)

// A Machine is one node's view of the cluster. Make one with New.
type Machine struct {
	cfg    Config
	notary Notary
	rng    *rand.Rand
	self   *row
	halted bool // left or superseded: says nothing more

	table
	rings     rings
	observers []*row     // who observes me
	subjects  []*subject // whom I observe
	past      map[uint64]*subject
	boxes     map[uint64]*box

	wants         wire.Want // to ask the sender of the message in hand for
	news          []*row    // to be sent on
	relays        []fact    // verdicts that we hold, to be sent on
	flushed       time.Duration
	suspects      []*row                   // in doubt, by us or by votes
	muted         []silent                 // whom we observe, or did, and who did not answer of late
	mended        time.Duration            // when somebody silent was heard again, or somebody dead came back
	sickAt        time.Duration            // when we were the sick one, in the last round in which we were
	errands       map[errand]time.Duration // pings that we have passed on, and when
	questions     []question
	repairs       map[uint64]repair
	repaired      time.Duration // when we last began to compare tables
	differs       time.Duration // since when tables differ without having been compared
	strangers     map[uint64]time.Duration
	served        map[run]time.Duration // who got a whole table, and when
	seeds         []seed
	joined        bool
	refuted       time.Duration
	outdated      time.Duration
	sequence      uint32
	lastTick      time.Duration
	lookedForRoom time.Duration

	tickAt, evalAt, flushAt, joinAt, collectAt time.Duration

	out    []Send
	events []Event
	stats  Stats
}

// New returns a machine for the node that self describes; ID, generation and
// key must be there. self is signed and then belongs to the machine.
func New(cfg Config, self wire.Record, pub crypto.PublicKey, notary Notary, rng *rand.Rand, now time.Duration) (*Machine, error) {
	rec, err := self.Seal(pub, notary.Sign)
	if err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, notary: notary, rng: rng, table: newTable(now),
		past: map[uint64]*subject{}, boxes: map[uint64]*box{}, repairs: map[uint64]repair{}, errands: map[errand]time.Duration{},
		strangers: map[uint64]time.Duration{}, served: map[run]time.Duration{},
		flushed: never, lookedForRoom: never, repaired: never, differs: unset, refuted: never, mended: never, sickAt: never, outdated: never, lastTick: now,
		tickAt: now + time.Duration(rng.Int64N(int64(cfg.Heartbeat))), evalAt: unset, flushAt: unset, joinAt: unset, collectAt: now + cfg.Collect,
		joined: len(cfg.Seeds) == 0,
	}
	for _, host := range cfg.Seeds {
		m.seeds = append(m.seeds, seed{host: host})
	}
	m.self = m.add(rec, now)
	m.set(m.self, rec, rec.Incarnation, wire.Alive, nil, now)
	if !m.joined {
		m.joinAt = now
	}
	return m, nil
}

// Next is when Tick must be called at the latest.
func (m *Machine) Next() time.Duration {
	if m.halted {
		return unset
	}
	next := min(m.tickAt, m.evalAt, m.flushAt, m.joinAt, m.collectAt)
	for i := range m.questions {
		next = min(next, m.questions[i].due)
	}
	return next
}

// Take returns what is to be sent and what has happened since the last call.
// The slices are valid until the next call of any method.
func (m *Machine) Take() ([]Send, []Event) {
	out, events := m.out, m.events
	m.out, m.events = m.out[:0], m.events[:0]
	return out, events
}

// Stats returns the counters.
func (m *Machine) Stats() Stats { return m.stats }

// Tick does what is due.
func (m *Machine) Tick(now time.Duration) {
	if m.halted {
		return
	}
	m.wake(now)
	if now >= m.tickAt {
		m.tick(now)
	}
	if now >= m.evalAt {
		m.evaluate(now)
	}
	if now >= m.joinAt {
		m.join(now)
	}
	if now >= m.collectAt {
		m.collect(now)
	}
	m.ask(now)
	m.rest(now)
}

// wake notices that we slept. What we did not hear meanwhile says nothing
// about the others, and neither does what was voted meanwhile.
func (m *Machine) wake(now time.Duration) {
	if now-m.lastTick <= 2*m.cfg.Heartbeat {
		return
	}
	m.stats.Pauses++
	m.lastTick = now
	m.forgive(now)
	clear(m.boxes)
	m.questions = m.questions[:0]
	for i := range m.subjects {
		m.subjects[i].closed = false
	}
}

func (m *Machine) forgive(now time.Duration) {
	for _, s := range m.subjects {
		s.win.Forgive(now)
		s.rounds = 0
	}
}

// rest ends every call: what has to be said at once is said. Verdicts may have
// made the table too heavy.
func (m *Machine) rest(now time.Duration) {
	m.makeRoom(now, 0, 0)
	if now >= m.flushAt {
		m.flush(now)
	}
}

func (m *Machine) send(to node.ID, kind wire.Kind, payload []byte) {
	m.out = append(m.out, Send{To: to, Kind: kind, Payload: payload})
}

// Receive takes in a message. The generation of from is what the session
// proved, or zero. The payload is not kept. An error means that the peer does
// not speak our protocol.
func (m *Machine) Receive(now time.Duration, from node.Ref, kind wire.Kind, payload []byte) error {
	if m.halted || from.ID == m.self.rec.ID {
		return nil
	}
	if err := wire.CheckSize(kind, payload); err != nil {
		return err
	}
	m.wake(now)
	r := m.rows[wire.Short(from.ID)]
	if r != nil && r.rec.ID != from.ID {
		return nil // two ids with the same first bytes: the one that came first is kept
	}
	if r != nil && from.Generation == r.rec.Generation {
		m.signOfLife(now, r)
	}
	err := m.dispatch(now, peer{from.ID, wire.Short(from.ID), from.Generation, r}, kind, payload)
	m.sendWants(from.ID)
	m.rest(now)
	return err
}

// A peer is who sent a message.
type peer struct {
	id    node.ID
	short uint64
	gen   uint64
	row   *row // nil: a stranger
}

func (m *Machine) dispatch(now time.Duration, p peer, kind wire.Kind, b []byte) error {
	switch kind {
	case wire.KindHeartbeat, wire.KindHello:
		return m.onBeat(now, p, kind, b)
	case wire.KindPing, wire.KindPingRequest:
		return m.onProbe(now, p, kind, b)
	case wire.KindAck:
		return m.onAck(now, p, b)
	case wire.KindVote:
		return m.onVote(now, p, b)
	case wire.KindDeny:
		return m.onDeny(now, p, b)
	case wire.KindNotice:
		return m.onNotice(now, p, b)
	case wire.KindNews:
		return m.onNews(now, p, b)
	case wire.KindWant:
		return m.onWant(now, p, b)
	case wire.KindBuckets:
		return m.onBuckets(now, p, b)
	case wire.KindDigests:
		return m.onDigests(now, p, b)
	case wire.KindDelta:
		return m.onDelta(now, p, b)
	case wire.KindJoin:
		return m.onJoin(now, p, b)
	case wire.KindTable:
		return m.onTable(now, p, b)
	}
	return nil // from a later version
}
