package machine

import (
	"testing"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// running is a cluster of n that has run for ten rounds without loss.
func running(t *testing.T, n int) *sim {
	s := newSim(t, 3, n, fastConfig())
	s.bootAll()
	s.run(10 * time.Second)
	return s
}

func (s *sim) row(at, about int) *row { return s.nodes[at].m.rows[wire.Short(s.nodes[about].id)] }

// verdict makes one about j by these voters, signed as they would.
func (s *sim) verdict(j int, hard bool, voters ...int) []byte {
	r := s.nodes[j].m.self
	v := wire.Verdict{Short: r.short, Generation: r.rec.Generation, Incarnation: r.inc}
	for _, i := range voters {
		x := s.nodes[i]
		b := wire.Ballot{Observer: wire.Short(x.id), Phi: 900, Hard: hard}
		vote := v.Vote(&b)
		b.Signature = checksum(x.id[:], vote.Message(r.rec.ID, x.id))
		v.Votes = append(v.Votes, b)
	}
	return v.Append(nil)
}

func (s *sim) tell(at, from int, kind wire.Kind, payload []byte) {
	s.t.Helper()
	f := s.nodes[from]
	if err := s.nodes[at].m.Receive(s.now, node.Ref{ID: f.id, Generation: f.gen}, kind, payload); err != nil {
		s.t.Errorf("%v: %v", kind, err)
	}
}

func news(kind wire.EntryKind, body []byte) []byte {
	return wire.AppendEntries(nil, []wire.Entry{{Kind: kind, Body: body}})
}

func indices(s *sim, rows []*row) (list []int) {
	for _, r := range rows {
		list = append(list, s.by[r.rec.ID].i)
	}
	return list
}

func TestAVerdictNeedsVotesOfObservers(t *testing.T) {
	s := running(t, 50)
	const j = 20
	reader := -1 // somebody who neither observes j nor is j
	observers := indices(s, s.nodes[0].m.observersOf(s.row(0, j)))
	near := func(i int) bool { return s.nodes[0].m.mayObserve(s.row(0, i), s.row(0, j)) }
	var strangers []int
	for i := range s.nodes {
		if i != j && !near(i) {
			strangers = append(strangers, i)
		}
	}
	reader, strangers = strangers[0], strangers[1:]
	forged := s.verdict(j, true, observers[:3]...)
	forged[len(forged)-1] ^= 1
	forged[len(forged)-77] ^= 1
	for _, c := range []struct {
		name string
		body []byte
		want wire.Status
	}{
		{"no votes", s.verdict(j, true), wire.Alive},
		{"one hard vote", s.verdict(j, true, observers[0]), wire.Alive},
		{"one vote, twice", s.verdict(j, true, observers[0], observers[0]), wire.Alive},
		{"two soft votes", s.verdict(j, false, observers[:2]...), wire.Alive},
		{"votes of others", s.verdict(j, true, strangers[:10]...), wire.Alive},
		{"two of three forged", forged, wire.Alive},
		{"two hard votes", s.verdict(j, true, observers[:2]...), wire.Dead},
	} {
		s.tell(reader, strangers[0], wire.KindNews, news(wire.EntryVerdict, c.body))
		if got := s.row(reader, j).status; got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
	}
	// It lives, says so, and the same votes are worth nothing any more.
	s.after(s.nodes[reader])
	s.within(time.Second, "refuted", s.allRight)
	s.tell(reader, strangers[0], wire.KindNews, news(wire.EntryVerdict, s.verdictAt(j, 0, observers[:2]...)))
	if got := s.row(reader, j).status; got != wire.Alive {
		t.Error("a replayed verdict was believed")
	}
}

// verdictAt is verdict about another incarnation.
func (s *sim) verdictAt(j int, inc uint32, voters ...int) []byte {
	r := s.nodes[j].m.self
	now := r.inc
	r.inc = inc
	defer func() { r.inc = now }()
	return s.verdict(j, true, voters...)
}

func TestAnObserverThatHearsDoesNotBelieve(t *testing.T) {
	s := running(t, 50)
	const j = 20
	observers := indices(s, s.nodes[j].m.observers)
	s.tell(observers[2], observers[0], wire.KindNews, news(wire.EntryVerdict, s.verdict(j, true, observers[:2]...)))
	if got := s.row(observers[2], j).status; got != wire.Alive {
		t.Error("an observer that hears the node believed that it is dead")
	}
	s.after(s.nodes[observers[2]])
	s.run(5 * time.Second)
	if !s.allRight() {
		t.Error("somebody holds it dead in the end")
	}
}

func TestForgedWords(t *testing.T) {
	s := running(t, 10)
	j := s.nodes[4].m.self
	claim := wire.Claim{Short: j.short, Generation: j.rec.Generation, Incarnation: j.inc + 1, Record: j.rec.Incarnation, Status: wire.Left}
	claim.Signature = checksum(s.nodes[5].id[:], claim.Message(j.rec.ID))
	s.tell(1, 5, wire.KindNews, news(wire.EntryClaim, claim.Append(nil)))
	if r := s.row(1, 4); r.status != wire.Alive || r.inc != j.inc {
		t.Error("n5 made n4 leave")
	}
	raw := append([]byte(nil), j.rec.Raw()...)
	raw[1+64+1+32+8+3]++ // the incarnation
	from := node.Ref{ID: s.nodes[5].id, Generation: s.nodes[5].gen}
	if err := s.nodes[1].m.Receive(s.now, from, wire.KindNews, news(wire.EntryRecord, raw)); err == nil {
		t.Error("a record changed on its way was accepted")
	}
	if r := s.row(1, 4); r.inc != j.inc {
		t.Error("n5 changed n4's record")
	}
}

func TestTheNewerOfTwoRunsWins(t *testing.T) { // M8
	s := running(t, 5)
	old := s.nodes[3].m
	s.nodes[3].gen += 10 * 365 * 24 * 3600 * 1000 // a clock ten years ahead is no reason to refuse
	x := s.boot(3)
	s.within(time.Second, "new run", func() bool { return s.allKnow(3) })
	beat := wire.Beat{Generation: old.self.rec.Generation, Root: old.root, Count: 5}
	if err := s.nodes[1].m.Receive(s.now, old.self.ref(), wire.KindHeartbeat, beat.Append(nil)); err != nil {
		t.Fatal(err)
	}
	out, _ := s.nodes[1].m.Take()
	for _, m := range out {
		if m.To == x.id && m.Kind == wire.KindNews {
			if err := old.Receive(s.now, s.nodes[1].m.self.ref(), m.Kind, m.Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, evs := old.Take()
	if len(evs) == 0 || evs[len(evs)-1].Kind != Superseded || old.Next() != unset {
		t.Errorf("the older run goes on: %v", evs)
	}
}

func TestAMissedVerdictIsAskedAbout(t *testing.T) {
	s := running(t, 50)
	s.cut = func(a, b *simNode) bool { return (a.i == 7) != (b.i == 7) }
	s.crash(20, true)
	s.run(3 * time.Second)
	s.cut = nil
	s.nodes[7].m.set(s.row(7, 20), s.row(7, 20).rec, s.row(7, 20).inc, wire.Alive, nil, s.now)
	s.run(30 * time.Second)
	if !s.allHoldDead(20) || !s.allRight() {
		t.Error("n7 never learned of the death it had missed")
	}
}

func TestAloneOneConvictsOnlyForItself(t *testing.T) { // n=3, one cut off
	s := running(t, 3)
	s.cut = func(a, b *simNode) bool { return (a.i == 2) != (b.i == 2) }
	s.run(40 * time.Second)
	for i := range 2 {
		if r := s.row(2, i); r.status != wire.Dead || !r.local {
			t.Errorf("n2 holds n%d %d, local %v; want dead here only", i, r.status, r.local)
		}
	}
	if d, _ := s.heldDead(2); d != 2 {
		t.Errorf("%d hold n2 dead, want both", d)
	}
	s.cut = nil
	s.within(4*time.Second, "healed", s.allRight)
}

func TestUpdateNamesItsLimit(t *testing.T) {
	s := running(t, 2)
	m := s.nodes[0].m
	before := m.self.rec
	err := m.Update(s.now, func(r *wire.Record) { r.Meta = map[string][]byte{"k": make([]byte, wire.MaxMetaValue+1)} })
	if want := `gossip: size of metadata "k" is 1025, the limit is 1024`; err == nil || err.Error() != want {
		t.Errorf("Update = %v, want %s", err, want)
	}
	if m.self.rec != before {
		t.Error("a refused update changed the record")
	}
}

func TestTheDeadGoAfterADay(t *testing.T) { // M6
	s := running(t, 3)
	s.crash(2, true)
	s.run(time.Minute)
	m := s.nodes[0].m
	if got := len(m.Members(s.now)); got != 2 {
		t.Errorf("%d listed a minute after the death, want 2", got)
	}
	if len(m.rows) != 3 {
		t.Errorf("%d rows, want 3: the dead one stays as a mark", len(m.rows))
	}
	m.collect(s.now + 25*time.Hour)
	if len(m.rows) != 2 || len(m.dead) != 0 {
		t.Errorf("%d rows, %d dead after a day; want 2, 0", len(m.rows), len(m.dead))
	}
	for k := range K {
		if got := len(m.rings.order[k]); got != 2 {
			t.Errorf("ring %d has %d rows, want 2", k, got)
		}
	}
}

// The hash of a table can be computed from its rows at any time.
func TestTheHashFollowsTheRows(t *testing.T) {
	s := newSim(t, 5, 30, fastConfig())
	s.loss = 0.2
	s.bootAll()
	for i := range 20 {
		j := 1 + i%29
		s.crash(j, i%2 == 0)
		s.run(3 * time.Second)
		s.boot(j)
		s.run(2 * time.Second)
	}
	for _, x := range s.nodes {
		var root uint64
		var buckets wire.Buckets
		for _, r := range x.m.rows {
			if r.status == wire.Alive {
				root ^= r.hash()
				buckets[bucketOf(r.short)] ^= r.hash()
			}
		}
		if root != x.m.root || buckets != x.m.buckets {
			t.Errorf("n%d: the hash is not that of its rows", x.i)
		}
	}
}

func FuzzReceive(f *testing.F) {
	s := newSim(nil, 1, 8, fastConfig())
	s.bootAll()
	s.run(3 * time.Second)
	j := s.nodes[2].m.self
	f.Add(uint8(wire.KindHeartbeat), s.nodes[1].m.beat())
	f.Add(uint8(wire.KindNews), news(wire.EntryRecord, j.rec.Raw()))
	f.Add(uint8(wire.KindNews), news(wire.EntryVerdict, s.verdict(2, true, 3, 4)))
	f.Add(uint8(wire.KindBuckets), s.nodes[1].m.buckets.Append(nil))
	f.Add(uint8(wire.KindWant), wire.Want{j.short, 7}.Append(nil))
	f.Add(uint8(wire.KindJoin), s.nodes[2].m.joinMessage(s.now))
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		m := s.nodes[0].m
		from := node.Ref{ID: s.nodes[1].id, Generation: s.nodes[1].gen}
		s.now += time.Millisecond
		_ = m.Receive(s.now, from, wire.Kind(kind), payload)
		m.Tick(s.now)
		out, _ := m.Take()
		for _, o := range out {
			if len(o.Payload) > wire.MaxMessage {
				t.Errorf("a %v of %d bytes", o.Kind, len(o.Payload))
			}
		}
	})
}

// While somebody else does not answer, a verdict is passed on but waits: for a
// moment, or for longer if the silent one is heard again.
func TestAVerdictWaitsWhileWeAreUnsure(t *testing.T) { // M5
	const j, mute = 20, 30
	for _, c := range []struct {
		name  string
		heard bool
		wait  time.Duration
	}{{"a crash", false, holdFor}, {"a cut that has ended", true, holdFor + healFor}} {
		s := running(t, 50)
		m := s.nodes[1].m
		far := -1 // a reader who does not observe j
		for i := 2; far < 0; i++ {
			if i != j && !s.nodes[i].m.hears(s.now, s.row(i, j)) && !m.mayObserve(s.row(1, i), s.row(1, j)) {
				far = i
			}
		}
		m = s.nodes[far].m
		m.mute(s.now, s.row(far, mute), false)
		observers := indices(s, m.observersOf(s.row(far, j)))
		m.Take()
		s.tell(far, 1, wire.KindNews, news(wire.EntryVerdict, s.verdict(j, true, observers[:2]...)))
		s.now += spreadEvery
		m.Tick(s.now)
		if out := s.sent(far, wire.KindNews); len(out) == 0 {
			t.Errorf("%s: the verdict is not passed on", c.name)
		}
		if c.heard {
			s.tell(far, mute, wire.KindHello, s.nodes[mute].m.beat())
		}
		for d := spreadEvery; d < c.wait; d += spreadEvery {
			if s.row(far, j).status != wire.Alive {
				t.Fatalf("%s: believed after %v, want %v", c.name, d, c.wait)
			}
			s.now += spreadEvery
			m.Tick(s.now)
		}
		if got := s.row(far, j).status; got != wire.Dead {
			t.Errorf("%s: status %d after %v, want dead", c.name, got, c.wait)
		}
	}
}

// A flood of verdicts, true or not, does not fill more than the places for them.
func TestHeldVerdictsAreBounded(t *testing.T) { // M14
	s := running(t, 50)
	m := s.nodes[1].m
	m.mute(s.now, s.row(1, 30), false)
	for range maxQuestions {
		m.questions = append(m.questions, question{row: s.row(1, 3)})
	}
	r := s.row(1, 20)
	v, err := wire.ParseVerdict(s.verdict(20, true, 4, 5))
	if err != nil || m.hold(s.now, peer{}, r, &v, byNews) || len(m.relays) > 0 {
		t.Errorf("held beyond %d questions, %d relays, %v", maxQuestions, len(m.relays), err)
	}
}
