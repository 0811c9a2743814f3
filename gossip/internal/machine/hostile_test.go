package machine

import (
	"fmt"
	"testing"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// What a member can do that does its worst. Its certificate is good, so its own
// words are believed; those about others, and the load, are what is tried here.

// claimOf is one by node i about itself at an incarnation, signed by node by.
func (s *sim) claimOf(i, by int, inc uint32, status wire.Status) []byte {
	r := s.nodes[i].m.self
	c := wire.Claim{Short: r.short, Generation: r.rec.Generation, Incarnation: inc, Record: r.rec.Incarnation, Status: status}
	c.Signature = checksum(s.nodes[by].id[:], c.Message(r.rec.ID))
	return c.Append(nil)
}

func TestM14ReplaysChangeNothing(t *testing.T) {
	s := running(t, 10)
	const liar, reader, j = 5, 1, 4
	old := s.nodes[j].m.self.rec.Raw()
	refutation := s.claimOf(j, j, s.nodes[j].m.self.inc+1, wire.Alive)
	leave := s.claimOf(j, j, s.nodes[j].m.self.inc, wire.Left)
	verdict := s.verdict(j, true, 2, 3)
	s.nodes[j].m.Leave(s.now)
	s.after(s.nodes[j])
	s.run(time.Second)
	s.nodes[j].up = false
	for name, words := range map[string][]byte{"a record": news(wire.EntryRecord, old), "the record, twice": append(news(wire.EntryRecord, old), news(wire.EntryRecord, old)...)} {
		s.tell(reader, liar, wire.KindNews, words)
		if got := s.row(reader, j).status; got != wire.Left {
			t.Errorf("%s from before brought back who left: status %d", name, got)
		}
	}
	s.boot(j)
	s.within(time.Second, "back", func() bool { return s.allKnow(j) })
	for name, words := range map[string][]byte{
		"its record":     news(wire.EntryRecord, old),
		"its refutation": news(wire.EntryClaim, refutation),
		"its leave":      news(wire.EntryClaim, leave),
		"a verdict":      news(wire.EntryVerdict, verdict),
	} {
		s.tell(reader, liar, wire.KindNews, words)
		if r := s.row(reader, j); r.status != wire.Alive || r.rec.Generation != s.nodes[j].gen {
			t.Errorf("%s of its last run changed n%d: status %d, generation %d", name, j, r.status, r.rec.Generation)
		}
	}
}

func TestM14NobodySpeaksForAnother(t *testing.T) {
	s := running(t, 10)
	const liar, reader, j = 5, 1, 4
	self := s.nodes[j].m.self
	before := *s.row(reader, j)
	forged := *self.rec
	forged.Generation += 1 << 40 // far in the future
	sealed, err := forged.Seal(self.rec.PublicKey(), (&simNotary{id: s.nodes[liar].id}).Sign)
	if err != nil {
		t.Fatal(err)
	}
	ack := wire.Ack{Target: self.short, Origin: wire.Short(s.nodes[reader].id), Generation: self.rec.Generation, Nonce: 7}
	ack.Signature = checksum(s.nodes[liar].id[:], ack.Message(self.rec.ID))
	vote := wire.Vote{Subject: self.short, Generation: self.rec.Generation, Incarnation: self.inc, Phi: 900, Hard: true}
	vote.Signature = checksum(s.nodes[liar].id[:], vote.Message(self.rec.ID, s.nodes[3].id)) // as if n3 voted
	from := node.Ref{ID: s.nodes[liar].id, Generation: s.nodes[liar].gen}
	for _, c := range []struct {
		name    string
		kind    wire.Kind
		payload []byte
		breach  bool
	}{
		{"a record", wire.KindNews, news(wire.EntryRecord, sealed.Raw()), true},
		{"a refutation", wire.KindNews, news(wire.EntryClaim, s.claimOf(j, liar, self.inc+1, wire.Alive)), false},
		{"a leave", wire.KindNews, news(wire.EntryClaim, s.claimOf(j, liar, self.inc, wire.Left)), false},
		{"an ack", wire.KindAck, ack.Append(nil), false},
		{"a vote", wire.KindVote, vote.Append(nil), false},
		{"a join", wire.KindJoin, (&wire.Join{Entries: []wire.Entry{{Kind: wire.EntryRecord, Body: sealed.Raw()}}}).Append(nil), true},
	} {
		if err := s.nodes[reader].m.Receive(s.now, from, c.kind, c.payload); (err != nil) != c.breach {
			t.Errorf("%s in n%d's name: Receive = %v, want an error: %v", c.name, j, err, c.breach)
		}
		r := s.row(reader, j)
		if r.rec != before.rec || r.inc != before.inc || r.status != before.status {
			t.Errorf("%s in n%d's name was believed", c.name, j)
		}
	}
	if b := s.nodes[reader].m.boxes[self.short]; b != nil {
		for _, v := range b.votes {
			t.Errorf("a vote of %s is counted", v.voter.rec.Name)
		}
	}
}

// A member may give itself any generation and incarnation that it likes: only
// its own row moves, and its next run can go on from there.
func TestM14AGenerationFarInTheFutureIsItsOwn(t *testing.T) {
	s := running(t, 10)
	s.nodes[4].up = false
	s.nodes[4].gen = 1<<62 - 1
	s.boot(4)
	s.within(time.Second, "known", func() bool { return s.allKnow(4) })
	s.crash(4, true)
	s.run(20 * time.Second)
	s.boot(4)
	s.within(time.Second, "known again", func() bool { return s.allKnow(4) })
	s.sane(t)
}

// A verdict that names others as voters is not believed, nor shown, nor passed on.
func TestM14VotesOfOthersAreNotShown(t *testing.T) {
	s := running(t, 50)
	const j = 20
	observers := indices(s, s.nodes[0].m.observersOf(s.row(0, j)))
	reader := -1
	var others []int
	for i := range s.nodes {
		if i != j && !s.nodes[0].m.mayObserve(s.row(0, i), s.row(0, j)) {
			others = append(others, i)
		}
	}
	reader, others = others[0], others[1:]
	m := s.nodes[reader].m
	m.Take()
	s.tell(reader, others[0], wire.KindNews, news(wire.EntryVerdict, s.verdict(j, true, append(observers[:2:2], others[:9]...)...)))
	out, events := m.Take()
	for i := range events {
		if e := &events[i]; e.Kind == Died && len(e.Votes) != 2 {
			t.Errorf("%d votes are shown, want those of 2 observers", len(e.Votes))
		}
	}
	if len(events) == 0 {
		t.Error("two hard votes of observers do not convict")
	}
	for _, o := range out {
		list, err := wire.ParseEntries(o.Payload)
		if o.Kind != wire.KindNews || err != nil {
			continue
		}
		for _, e := range list {
			if v, err := wire.ParseVerdict(e.Body); e.Kind == wire.EntryVerdict && (err != nil || len(v.Votes) != 2) {
				t.Errorf("%d votes are passed on, %v; want 2", len(v.Votes), err)
			}
		}
	}
}

// Votes that were sure but not enough are worth nothing a while later.
func TestM14OldVotesAreWorthNothing(t *testing.T) {
	s := running(t, 50)
	const j = 20
	kept := s.verdict(j, true, indices(s, s.nodes[j].m.observers)[:2]...)
	r := s.nodes[j].m.self
	v := wire.Vote{Subject: r.short, Generation: r.rec.Generation, Incarnation: r.inc, Phi: 900, Hard: true}
	o := s.nodes[j].m.observers[0]
	v.Signature = checksum(o.rec.ID[:], v.Message(r.rec.ID, o.rec.ID))
	s.tell(j, s.by[o.rec.ID].i, wire.KindVote, v.Append(nil))
	s.after(s.nodes[j])
	s.run(time.Second)
	for i := range s.nodes {
		if i != j {
			s.tell(i, 7, wire.KindNews, news(wire.EntryVerdict, kept))
		}
	}
	if d, _ := s.heldDead(j); d > 0 {
		t.Errorf("%d believe votes from before", d)
	}
	inc := r.inc
	s.tell(j, s.by[o.rec.ID].i, wire.KindVote, v.Append(nil))
	v.Incarnation = inc
	s.tell(j, s.by[o.rec.ID].i, wire.KindVote, v.Append(nil))
	if r.inc != inc {
		t.Error("a second vote within a minute made it speak again")
	}
}

// Whom two invented observers convict says so, and is not convicted again in the
// minutes that follow.
func TestM14InventedObserversConvictOnce(t *testing.T) {
	s := running(t, 50)
	const liar, reader, j = 7, 1, 20
	var voters []*wire.Record // invented until there are two next to n20
	target := s.row(reader, j)
	for i := 0; len(voters) < 2; i++ {
		rec := invented(t, i, 0)
		probe := &row{short: wire.Short(rec.ID), rec: rec}
		for k := range K {
			if walked := s.nodes[reader].m.rings.find(k, probe); walked == s.nodes[reader].m.rings.find(k, target) {
				voters = append(voters, rec)
				break
			}
		}
	}
	verdict := func() []byte {
		self := s.nodes[j].m.self
		v := wire.Verdict{Short: self.short, Generation: self.rec.Generation, Incarnation: self.inc}
		for _, rec := range voters {
			b := wire.Ballot{Observer: wire.Short(rec.ID), Phi: 900, Hard: true}
			vote := v.Vote(&b)
			b.Signature = checksum(rec.ID[:], vote.Message(self.rec.ID, rec.ID))
			v.Votes = append(v.Votes, b)
		}
		return v.Append(nil)
	}
	for i := range s.nodes {
		if i == j {
			continue
		}
		for _, rec := range voters {
			s.tell(i, liar, wire.KindNews, news(wire.EntryRecord, rec.Raw()))
		}
		s.after(s.nodes[i])
	}
	dead := func() int { n, _ := s.heldDead(j); return n }
	attack := func() (most int) {
		for i := range s.nodes {
			if i != j && i != liar {
				s.tell(i, liar, wire.KindNews, news(wire.EntryVerdict, verdict()))
				s.after(s.nodes[i])
			}
		}
		s.until(s.now+3*time.Second, func() bool { most = max(most, dead()); return false })
		return most
	}
	first, second := attack(), attack()
	t.Logf("held dead by %d of 48 at first, then by %d; known limit: see SECURITY.md", first, second)
	if second > 0 || dead() > 0 {
		t.Errorf("held dead by %d the second time, and %d 3 s later; want 0", second, dead())
	}
}

// Pings and acks go on by us only where somebody was asked to, and not without end.
func TestM14ErrandsAreBounded(t *testing.T) {
	s := running(t, 20)
	m := s.nodes[1].m
	m.Take()
	for i := range 3 * maxErrands {
		q := wire.Probe{Target: wire.Short(s.nodes[3].id), Origin: wire.Short(s.nodes[2].id), Nonce: uint32(i)}
		s.tell(1, 2, wire.KindPingRequest, q.Append(nil))
	}
	if n := len(s.sent(1, wire.KindPing)); n != maxErrands {
		t.Errorf("%d pings are passed on, want %d", n, maxErrands)
	}
	ack := func(nonce uint32) {
		a := wire.Ack{Target: wire.Short(s.nodes[3].id), Origin: wire.Short(s.nodes[2].id), Generation: s.nodes[3].gen, Nonce: nonce}
		s.tell(1, 3, wire.KindAck, a.Append(nil))
	}
	ack(1 << 31) // nobody has asked for it
	if n := len(s.sent(1, wire.KindAck)); n != 0 {
		t.Errorf("%d acks that nobody has asked for are passed on", n)
	}
	ack(5)
	if n := len(s.sent(1, wire.KindAck)); n != 1 {
		t.Errorf("%d acks are passed on, want 1", n)
	}
	s.now += errandFor + time.Second
	q := wire.Probe{Target: wire.Short(s.nodes[3].id), Origin: wire.Short(s.nodes[2].id), Nonce: 1 << 30}
	m.wake(s.now)
	s.tell(1, 2, wire.KindPingRequest, q.Append(nil))
	if n := len(s.sent(1, wire.KindPing)); n != 1 {
		t.Errorf("%d pings are passed on after a while, want 1", n)
	}
}

// A flood of records of nodes that are not there hides nobody for long and makes
// nobody look dead. That they stay, and hold up the news, is a known limit: see
// SECURITY.md.
func TestM14AFloodOfInventedMembers(t *testing.T) {
	n := few(300, 3000)
	s := running(t, 20)
	for i := range n {
		s.tell(1, 7, wire.KindNews, news(wire.EntryRecord, invented(t, i, 0).Raw()))
	}
	s.after(s.nodes[1])
	s.run(5 * time.Second)
	if !s.allKnow(9) {
		t.Error("a flood of invented members has hidden one who is there")
	}
	s.crash(5, true)
	s.run(time.Duration(few(40, 300)) * time.Second)
	s.boot(5)
	s.within(time.Minute, "one comes back", func() bool { return s.allKnow(5) })
	left, wrong := len(s.nodes[1].m.living)-20, 0
	for i := range s.nodes {
		d, _ := s.heldDead(i)
		wrong += d
	}
	t.Logf("%d invented: %d are still held alive, %d times one who is there is held dead", n, left, wrong)
	if wrong > 0 {
		t.Errorf("%d times somebody who is there is held dead", wrong)
	}
}

// Ten megabytes of members are joined in less than five seconds.
func TestM14ALargeStateIsJoined(t *testing.T) {
	members := few(100, 640) // of 16 KB each
	s := newSim(t, 1, 3, fastConfig())
	s.bootAll()
	for i := range members {
		if _, err := s.nodes[0].m.learn(s.now, peer{}, wire.Entry{Kind: wire.EntryRecord, Body: large(t, i).Raw()}, byTable); err != nil {
			t.Fatal(err)
		}
	}
	s.nodes[0].m.Take()
	s.nodes[2].up = false
	s.nodes[2].m = nil
	x := s.boot(2)
	start := s.now
	s.within(5*time.Second, "joined", func() bool { return x.m.joined && len(x.m.rows) >= members })
	t.Logf("%.1f MB in %v", float64(x.m.bytes)/2e6, s.now-start)
}

// large is a record near the limit.
func large(t *testing.T, i int) *wire.Record {
	rec := *invented(t, i, 8000)
	for p := range 120 {
		rec.Ports = append(rec.Ports, wire.Port{Number: uint16(p + 1), Mode: 1, Name: fmt.Sprintf("%060d", p)})
	}
	r, err := rec.Seal(rec.PublicKey(), (&simNotary{id: rec.ID}).Sign)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
