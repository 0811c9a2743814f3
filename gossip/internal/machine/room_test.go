package machine

import (
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// invented is the record of the i-th of any number of nodes that nobody can
// dial, with about so many bytes of metadata.
func invented(t testing.TB, i, size int) *wire.Record {
	var x node.ID
	binary.BigEndian.PutUint64(x[:], mix(uint64(i)+1<<40))
	r := &wire.Record{ID: x, Generation: 5, Incarnation: 1, Name: "invented", Addresses: []string{"10.9.9.9:38080"}, Version: [3]uint16{0, 1, 0}, Heartbeat: time.Second}
	for k := 0; size > 0; k++ {
		n := min(size, 1000)
		if r.Meta == nil {
			r.Meta = map[string][]byte{}
		}
		r.Meta[fmt.Sprint(k)] = make([]byte, n)
		size -= n
	}
	r, err := r.Seal(crypto.PublicKey(x[:]), (&simNotary{id: x}).Sign)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func weigh(m *Machine) (sum int) {
	for _, r := range m.rows {
		sum += r.weight()
	}
	return sum
}

// flood tells node at of members that are not there.
func (s *sim) flood(at, from, first, n, size int) {
	for i := first; i < first+n; i++ {
		s.tell(at, from, wire.KindNews, news(wire.EntryRecord, invented(s.t, i, size).Raw()))
	}
}

func TestAFullTableRefusesInWords(t *testing.T) { // M14
	cfg := fastConfig()
	cfg.MaxTable = 1 << 20
	s := newSim(t, 3, 5, cfg)
	s.bootAll()
	s.run(10 * time.Second)
	m := s.nodes[1].m
	s.flood(1, 2, 0, 200, 7000)
	if m.bytes != weigh(m) || m.bytes > cfg.MaxTable || m.bytes < cfg.MaxTable*9/10 {
		t.Errorf("%d bytes are counted of %d, want as many, and at most %d", m.bytes, weigh(m), cfg.MaxTable)
	}
	refused := m.Stats().Full
	if want := uint64(5 + 200 - len(m.rows)); refused != want {
		t.Errorf("Full = %d, want %d", refused, want)
	}
	late := invented(t, 1000, 7000)
	join := wire.Join{Entries: []wire.Entry{{Kind: wire.EntryRecord, Body: late.Raw()}}}
	err := m.Receive(s.now, node.Ref{ID: late.ID, Generation: 5}, wire.KindJoin, join.Append(nil))
	var full *RefusedError
	if want := fmt.Sprintf("gossip: no room for another member: %d of 65536 members, %d of 1048576 bytes", len(m.rows), m.bytes); !errors.As(err, &full) || !full.Full || err.Error() != want {
		t.Errorf("Receive of a join = %v, want %s", err, want)
	}
	// A member's longer record is not taken either; what is known of it stays.
	r := s.row(1, 3)
	old := r.rec
	if err := s.nodes[3].m.Update(s.now, func(r *wire.Record) {
		r.Meta = map[string][]byte{"a": make([]byte, 1000), "b": make([]byte, 1000), "c": make([]byte, 1000), "d": make([]byte, 1000)}
	}); err != nil {
		t.Fatal(err)
	}
	s.flood(1, 2, 2000, 10, 0) // the last gap
	s.tell(1, 2, wire.KindNews, news(wire.EntryRecord, s.nodes[3].m.self.rec.Raw()))
	if r.rec != old || m.bytes > cfg.MaxTable {
		t.Errorf("a longer record was taken into a full table of %d bytes", m.bytes)
	}
}

// The dead make room, those dead for longest first.
func TestTheDeadMakeRoom(t *testing.T) { // M6
	cfg := fastConfig()
	cfg.MaxTable = 256 << 10
	s := newSim(t, 3, 10, cfg)
	s.bootAll()
	s.run(10 * time.Second)
	m := s.nodes[1].m
	for _, i := range []int{7, 8} {
		s.crash(i, false)
		s.run(20 * time.Second)
	}
	s.flood(1, 2, 0, 300, 300)
	if s.row(1, 7) != nil {
		t.Error("the one dead for longest has not made room")
	}
	if m.bytes != weigh(m) || m.bytes > cfg.MaxTable {
		t.Errorf("%d bytes are counted of %d, want at most %d", m.bytes, weigh(m), cfg.MaxTable)
	}
	for k := range K {
		m.rings.settle()
		if got := len(m.rings.order[k]); got != len(m.rows) {
			t.Errorf("ring %d has %d rows, want %d", k, got, len(m.rows))
		}
	}
}

// Verdicts are not weighed before they are taken: what they add is made up for.
func TestProofsAreWeighed(t *testing.T) {
	s := running(t, 10)
	m := s.nodes[1].m
	s.crash(7, false)
	s.run(20 * time.Second)
	m.cfg.MaxTable = m.bytes - 1
	m.Tick(s.now)
	if s.row(1, 7) != nil || m.bytes != weigh(m) {
		t.Errorf("the dead one is still there, %d bytes of %d", m.bytes, weigh(m))
	}
}

func TestAViewOfTenThousandIsSmall(t *testing.T) { // M15
	const n, limit = 10_000, 40 << 20
	heap := func() uint64 {
		var st runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&st)
		return st.HeapAlloc
	}
	s := newSim(t, 1, 1, fastConfig())
	s.boot(0)
	m := s.nodes[0].m
	m.notary = plainNotary{}
	before := heap()
	for i := range n {
		if _, err := m.learn(s.now, peer{}, wire.Entry{Kind: wire.EntryRecord, Body: invented(t, i, 0).Raw()}, byTable); err != nil {
			t.Fatal(err)
		}
	}
	m.Take()
	m.refresh(s.now)
	m.events = nil
	took := heap() - before
	t.Logf("a view of %d: %.1f MB, weighed as %.1f MB", n, float64(took)/1e6, float64(m.bytes)/1e6)
	if took > limit || len(m.rows) != n+1 {
		t.Errorf("%d rows take %d bytes, want at most %d", len(m.rows), took, limit)
	}
	runtime.KeepAlive(m)
}

// A plainNotary believes everything, and remembers nothing.
type plainNotary struct{}

func (plainNotary) Sign(message []byte) ([]byte, error) { return make([]byte, 64), nil }

func (plainNotary) Verify(crypto.PublicKey, []byte, []byte) bool { return true }

func (n plainNotary) Open(raw []byte) (*wire.Record, error) { return wire.OpenRecord(raw, n.Verify) }
