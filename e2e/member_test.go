package e2e

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// three is a cluster of a, b and c, each alive for the others.
func three(t *testing.T, l *lab) (a, b, c *member) {
	t.Helper()
	w := newTown(t, l, authority(t, "a", "b", "c"))
	a = w.settle("a", nil)
	b, c = w.settle("b", nil, a), w.settle("c", nil, a)
	for _, m := range []*member{a, b, c} {
		m.shows(soon, "alive", "a", "b", "c")
	}
	return a, b, c
}

// quiet wants no word of others' deaths.
func quiet(t *testing.T, observer *member, kinds []string, of ...string) {
	t.Helper()
	for _, name := range of {
		for _, e := range observer.events(name, kinds...) {
			t.Errorf("%s: %s", observer.name, e.Text)
		}
	}
}

// M4, M5: a machine that falls silent is dead for the others in seven seconds,
// and back soon after its cable is. Nobody else is held dead meanwhile.
func TestM4SilentMachine(t *testing.T) {
	t.Parallel()
	a, b, c := three(t, newLab(t))
	c.host.cut()
	cut := time.Now()
	for _, m := range []*member{a, b} {
		m.hears(7*time.Second+slack, "c", "dead", cut)
	}
	c.host.heal()
	healed := time.Now()
	for _, m := range []*member{a, b} {
		m.hears(4*round+slack, "c", "returned", healed)
	}
	for _, m := range []*member{a, b, c} {
		m.shows(4*round+slack, "alive", "a", "b", "c")
	}
	quiet(t, a, []string{"dead"}, "b")
	quiet(t, b, []string{"dead"}, "a")
}

// M10: a process that is stopped for a while convicts nobody when it goes on, and
// is back at once.
func TestM10PausedProcess(t *testing.T) {
	t.Parallel()
	pause := 9 * time.Second
	if long() {
		pause = 20 * time.Second
	}
	a, b, c := three(t, nil)
	c.pause()
	stopped := time.Now()
	for _, m := range []*member{a, b} {
		m.hears(7*time.Second+slack, "c", "dead", stopped)
	}
	time.Sleep(time.Until(stopped.Add(pause))) // the pause is the subject
	c.resume()
	awake := time.Now()
	for _, m := range []*member{a, b} {
		m.hears(time.Second+slack, "c", "returned", awake)
	}
	for _, m := range []*member{a, b, c} {
		m.shows(slack, "alive", "a", "b", "c")
	}
	quiet(t, c, []string{"dead"}, "a", "b")
	quiet(t, a, []string{"dead"}, "b")
	quiet(t, b, []string{"dead"}, "a")
}

// M7: a process that is killed and started again at once is for the others one
// leave and one join, and no death.
func TestM7RestartAtOnce(t *testing.T) {
	t.Parallel()
	a, b, c := three(t, nil)
	old := c.gen
	killed := time.Now()
	c.kill()
	c.start()
	atOnce := true // else the machine is slow, and a death is seen rightly
	for _, m := range []*member{a, b} {
		m.shows(2*round+slack, "alive", "a", "b", "c")
		joined := m.events("c", "joined")
		atOnce = atOnce && joined[len(joined)-1].Time.Sub(killed) <= 400*time.Millisecond
	}
	for _, m := range []*member{a, b} {
		joined, left, dead := m.events("c", "joined"), m.events("c", "left"), m.events("c", "dead")
		if len(joined) != 2 || joined[1].Generation != c.gen {
			t.Errorf("%s saw joins %+v, want one more, of %d", m.name, joined, c.gen)
		}
		if ends := slices.Concat(left, dead); len(ends) != 1 || ends[0].Generation != old || atOnce && len(dead) > 0 {
			t.Errorf("%s saw leaves %+v and deaths %+v, want one leave, of %d", m.name, left, dead, old)
		}
	}
}

// M8: of two processes with one key the newer stays; the older says so and ends
// with 9.
func TestM8TwoOfOneKey(t *testing.T) {
	t.Parallel()
	a, b, c := three(t, nil)
	older := c.child
	c.sock = filepath.Join(c.town.dir, "c2.sock")
	old := c.gen
	c.start()
	if code := older.exit(10*time.Second + slack); code != 9 {
		t.Errorf("the older ended with %d, want 9\n%s", code, older.log.end())
	}
	if older.log.line("superseded") == "" {
		t.Errorf("the older does not say why it ended:\n%s", older.log.end())
	}
	if c.gen <= old {
		t.Errorf("generation %d after %d", c.gen, old)
	}
	for _, m := range []*member{a, b} {
		m.shows(2*round+slack, "alive", "a", "b", "c")
		if v := m.members()["c"]; v.Generation != c.gen {
			t.Errorf("%s shows generation %d, want %d", m.name, v.Generation, c.gen)
		}
		quiet(t, m, []string{"dead"}, "c")
	}
}

// M16: who leaves as soon as it has come has left, and has not died.
func TestM16ComeAndGo(t *testing.T) {
	t.Parallel()
	a, b, c := three(t, nil)
	for range 3 {
		c.do("leave").ends(t, "leave", 0)
		if code := c.exit(soon); code != 0 {
			t.Errorf("kith up ended with %d after a leave, want 0", code)
		}
		for _, m := range []*member{a, b} {
			m.shows(round+slack, "left", "c")
		}
		c.start()
		for _, m := range []*member{a, b} {
			m.shows(round+slack, "alive", "c") // perhaps no more than its first record
		}
	}
	for _, m := range []*member{a, b} {
		quiet(t, m, []string{"dead"}, "c")
		if n := len(m.events("c", "joined")); n != 4 {
			t.Errorf("%s saw %d joins, want 4", m.name, n)
		}
	}
}
