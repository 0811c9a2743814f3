package machine

import (
	"testing"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// sent takes what node at wants sent, of one kind.
func (s *sim) sent(at int, kind wire.Kind) (out []Send) {
	all, _ := s.nodes[at].m.Take()
	for _, m := range all {
		if m.Kind == kind {
			out = append(out, m)
		}
	}
	return out
}

// However much somebody claims to know, it is asked once for each message, and
// for so many rows at most.
func TestWhatIsNotKnownIsAskedForAtOnce(t *testing.T) { // M14
	s := running(t, 5)
	var list []wire.Entry
	for i := range 600 {
		c := wire.Claim{Short: uint64(i) + 1, Generation: 5, Incarnation: 2, Record: 1, Status: wire.Alive, Signature: make([]byte, 64)}
		list = append(list, wire.Entry{Kind: wire.EntryClaim, Body: c.Append(nil)})
	}
	s.nodes[1].m.Take()
	s.tell(1, 2, wire.KindNews, wire.AppendEntries(nil, append(list, list[:10]...)))
	out := s.sent(1, wire.KindWant)
	if len(out) != 1 || out[0].To != s.nodes[2].id {
		t.Fatalf("%d wants, want one, to who has told us", len(out))
	}
	if w, err := wire.ParseWant(out[0].Payload); err != nil || len(w) != maxWants {
		t.Errorf("%d rows are wanted, %v; want %d", len(w), err, maxWants)
	}
	s.tell(1, 3, wire.KindHeartbeat, s.nodes[3].m.beat())
	if out := s.sent(1, wire.KindWant); len(out) != 0 {
		t.Errorf("what is wanted of n2 was asked of another")
	}
}

// Who claims all the time that there is newer word of a dead node does not keep
// us from telling that node, which may live, that we hold it dead.
func TestNobodyIsKeptFromRefuting(t *testing.T) { // M14
	s := running(t, 10)
	s.cut = func(a, b *simNode) bool { return (a.i == 4) != (b.i == 4) }
	s.run(20 * time.Second)
	if d, of := s.heldDead(4); d != of {
		t.Fatalf("%d of %d hold n4 dead", d, of)
	}
	s.cut = nil
	r := s.row(1, 4)
	c := wire.Claim{Short: r.short, Generation: r.rec.Generation + 1, Incarnation: 2, Record: 1, Status: wire.Alive, Signature: make([]byte, 64)}
	s.now += aside
	for range 20 {
		s.now += wantAgain
		s.tell(1, 2, wire.KindNews, news(wire.EntryClaim, c.Append(nil)))
	}
	s.nodes[1].m.Take()
	if err := s.nodes[1].m.Receive(s.now, node.Ref{ID: s.nodes[4].id, Generation: s.nodes[4].gen}, wire.KindHello, s.nodes[4].m.beat()); err != nil {
		t.Fatal(err)
	}
	if out := s.sent(1, wire.KindNotice); len(out) != 1 || out[0].To != s.nodes[4].id {
		t.Errorf("%d notices to n4, want one", len(out))
	}
}

// A part of the table may hold more rows than a message, if somebody has seen to
// that.
func TestDigestsFitIntoAMessage(t *testing.T) { // M14
	s := running(t, 3)
	m := s.nodes[1].m
	m.notary = plainNotary{}
	n := 0
	for i := 0; n < wire.MaxDigests+100; i++ {
		rec := invented(t, i, 0)
		if bucketOf(wire.Short(rec.ID)) != 7 {
			continue
		}
		n++
		if _, err := m.learn(s.now, peer{}, wire.Entry{Kind: wire.EntryRecord, Body: rec.Raw()}, byTable); err != nil {
			t.Fatal(err)
		}
	}
	m.Take()
	s.tell(1, 2, wire.KindBuckets, s.nodes[2].m.buckets.Append(nil))
	out := s.sent(1, wire.KindDigests)
	if len(out) != 1 || len(out[0].Payload) > wire.MaxMessage {
		t.Fatalf("%d digests, the first of %d bytes; want one within a message", len(out), len(out[0].Payload))
	}
	if d, err := wire.ParseDigests(out[0].Payload); err != nil || len(d.Rows) != wire.MaxDigests {
		t.Errorf("%d rows, %v; want %d", len(d.Rows), err, wire.MaxDigests)
	}
}
