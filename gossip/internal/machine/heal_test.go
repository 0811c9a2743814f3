package machine

import (
	"slices"
	"testing"
	"time"

	"kith/gossip/internal/phi"
	"kith/gossip/internal/wire"
)

// reader is somebody who does not observe j, and the observers of j.
func (s *sim) reader(j int) (at int, observers []int) {
	observers = indices(s, s.nodes[0].m.observersOf(s.row(0, j)))
	for at = 2; at == j || s.nodes[at].m.hears(s.now, s.row(at, j)) || s.nodes[0].m.mayObserve(s.row(0, at), s.row(0, j)); at++ {
	}
	return at, observers
}

// Whom we hold dead may be across a cut: its vote alone, or with one other, is
// asked about.
func TestVotesOfTheDeadAreAskedAbout(t *testing.T) { // M5
	const j = 20
	for _, c := range []struct {
		name  string
		dead  int // how many of the three voters are
		asked bool
	}{{"none", 0, false}, {"one of three", 1, false}, {"two of three", 2, true}, {"all", 3, true}} {
		s := running(t, 50)
		at, observers := s.reader(j)
		m := s.nodes[at].m
		for _, i := range observers[:c.dead] {
			r := s.row(at, i)
			m.set(r, r.rec, r.inc, wire.Dead, nil, s.now)
		}
		s.tell(at, observers[0], wire.KindNews, news(wire.EntryVerdict, s.verdict(j, true, observers[:3]...)))
		if got := s.row(at, j).status == wire.Alive; got != c.asked || got != (len(m.questions) == 1) {
			t.Errorf("%s of the voters dead: still alive %v, %d questions; want %v", c.name, got, len(m.questions), c.asked)
		}
		if c.asked && len(s.sent(at, wire.KindNews)) > 0 {
			t.Errorf("%s of the voters dead: the verdict is passed on", c.name)
		}
	}
}

// While a cut may just have ended a verdict waits; a while later it does not.
func TestAnEndedCutIsForgotten(t *testing.T) { // M5
	const j, mute = 20, 30
	for _, c := range []struct {
		name  string
		after time.Duration
		want  wire.Status
	}{{"at once", 0, wire.Alive}, {"a while later", mendFor + time.Millisecond, wire.Dead}} {
		s := running(t, 50)
		at, observers := s.reader(j)
		m := s.nodes[at].m
		m.mute(s.now, s.row(at, mute), true)
		s.now += time.Millisecond
		s.tell(at, mute, wire.KindHello, s.nodes[mute].m.beat())
		s.now += c.after
		s.tell(at, observers[0], wire.KindNews, news(wire.EntryVerdict, s.verdict(j, true, observers[:2]...)))
		if got := s.row(at, j).status; got != c.want {
			t.Errorf("%s after somebody silent was heard again: status %d, want %d", c.name, got, c.want)
		}
	}
}

// Whoever would vote on a node itself need not ask it about an old verdict, and
// makes it news again.
func TestAnObserverThatMissesItBelievesAnOldVerdict(t *testing.T) { // M5
	const j = 20
	for _, silent := range []bool{false, true} {
		s := running(t, 50)
		_, observers := s.reader(j)
		at := observers[2]
		m := s.nodes[at].m
		if silent {
			sub := m.subject(s.row(at, j))
			sub.win, sub.rounds, sub.since = phi.OpenLate(s.now, 7*time.Second), 3, s.now-time.Second
			s.row(at, j).heard = s.now - 7*time.Second
		}
		v, err := wire.ParseVerdict(s.verdict(j, true, observers[:2]...))
		if err != nil {
			t.Fatal(err)
		}
		v.Age = time.Minute
		m.Take()
		s.tell(at, observers[0], wire.KindNews, news(wire.EntryVerdict, v.Append(nil)))
		s.now += spreadEvery
		m.Tick(s.now)
		if got := s.row(at, j).status == wire.Dead; got != silent {
			t.Errorf("silent %v: believed %v", silent, got)
		}
		fresh := false
		for _, o := range s.sent(at, wire.KindNews) {
			list, _ := wire.ParseEntries(o.Payload)
			for _, e := range list {
				v, err := wire.ParseVerdict(e.Body)
				fresh = fresh || e.Kind == wire.EntryVerdict && err == nil && v.Age < time.Second
			}
		}
		if fresh != silent {
			t.Errorf("silent %v: told as news %v", silent, fresh)
		}
	}
}

// If all die of whom a node would have heard news, it begins a repair at once when
// it can, and believes what that brings like news.
func TestWhoWasAloneCatchesUp(t *testing.T) { // M4b
	s := running(t, 200)
	const x = 9
	start := s.now
	for _, sub := range s.nodes[x].m.subjects {
		s.crash(s.by[sub.row.rec.ID].i, false)
	}
	for i := range s.nodes { // and others, so that there is something to miss
		if i%10 == 3 && i != x && s.nodes[i].up {
			s.crash(i, false)
		}
	}
	right := func(x *simNode) bool {
		for _, y := range s.nodes {
			if y.up != x.m.holds(y) {
				return false
			}
		}
		return true
	}
	all := s.within(15*time.Second, "the others", func() bool {
		for _, y := range s.nodes {
			if y.up && y.i != x && !right(y) {
				return false
			}
		}
		return true
	})
	s.until(start+20*time.Second, func() bool { return right(s.nodes[x]) })
	if took := s.now - start; took > all+500*time.Millisecond {
		t.Errorf("it knows after %v, the others after %v", took, all)
	}
	s.sane(t)
}

// When many refute, a refutation that two have told is not sent to all observers.
func TestAnObserverIsSparedWhatManyTell(t *testing.T) { // M5
	const j = 20
	for _, c := range []struct {
		name    string
		tellers int
		spared  int
	}{{"one", 1, 0}, {"two", 2, 1}, {"four", 4, 1}} {
		s := running(t, 50)
		at := slices.IndexFunc(s.nodes, func(x *simNode) bool { return x.i != j && len(x.m.observers) == K })
		m := s.nodes[at].m
		observers := indices(s, m.observers)
		refutation := news(wire.EntryClaim, s.claimOf(j, j, s.nodes[j].m.self.inc+1, wire.Alive))
		m.flushed = s.now
		m.Take()
		for i, told := 1, 0; told < c.tellers; i++ {
			if i != at && i != j && !slices.Contains(observers, i) {
				s.tell(at, i, wire.KindNews, refutation)
				told++
			}
		}
		s.now += spreadEvery
		m.Tick(s.now)
		if got := len(s.sent(at, wire.KindNews)); got != K-c.spared {
			t.Errorf("told by %s: sent to %d observers, want %d", c.name, got, K-c.spared)
		}
	}
}
