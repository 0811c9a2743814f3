package machine

import (
	"slices"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// A seed is an address to begin with.
type seed struct {
	host string
	id   node.ID // who answered there last; zero if nobody did yet
}

// join asks every seed for its table, each second until one has answered.
func (m *Machine) join(now time.Duration) {
	m.joinAt = unset
	if m.joined || len(m.seeds) == 0 {
		return
	}
	m.joinAt = now + joinEvery
	b := m.joinMessage(now)
	for i := range m.seeds {
		m.out = append(m.out, Send{Host: m.seeds[i].host, Kind: wire.KindJoin, Payload: b})
	}
}

// Denied tells that a seed does not let us join: it is not asked again so soon.
func (m *Machine) Denied(now time.Duration) {
	if !m.joined && !m.halted {
		m.joinAt = now + deniedRest
	}
}

func (m *Machine) joinMessage(now time.Duration) []byte {
	j := wire.Join{Root: m.root, Count: uint32(len(m.living)), Entries: m.self.entries(now)}
	return j.Append(nil)
}

// greetSeed says hello to a random seed; one that is no member here is asked
// for its table instead.
func (m *Machine) greetSeed(b []byte) {
	if len(m.seeds) == 0 || !m.joined {
		return
	}
	s := m.seeds[m.rng.IntN(len(m.seeds))]
	r := m.rows[wire.Short(s.id)]
	if s.id != (node.ID{}) && r != nil && r.status == wire.Alive {
		m.send(s.id, wire.KindHello, b)
		return
	}
	m.out = append(m.out, Send{Host: s.host, Kind: wire.KindJoin, Payload: m.joinMessage(m.lastTick)})
}

// Answered tells who is at a seed's address. If we are, it is not asked to let
// us join; with nobody else to ask, we have joined.
func (m *Machine) Answered(host string, id node.ID) {
	others := false
	for i := range m.seeds {
		s := &m.seeds[i]
		if s.host == host {
			s.id = id
		}
		others = others || s.id != m.self.rec.ID
	}
	if !others {
		m.joined, m.joinAt = true, unset
	}
}

// maxServed is how many runs we remember to have sent our table to; beyond it all
// are forgotten.
const maxServed = 1024

// A run is a node from one start to its end: the next knows nothing of what the
// last was sent.
type run struct{ short, gen uint64 }

func (m *Machine) onJoin(now time.Duration, p peer, payload []byte) error {
	j, err := wire.ParseJoin(payload)
	if err != nil {
		return err
	}
	for _, e := range j.Entries {
		stale, err := m.admit(now, p, e, byNews)
		if err != nil {
			return err
		}
		m.correct(now, p, stale)
	}
	if j.Root == m.root {
		j.Count = uint32(len(m.living)) // nothing is missing there
	} else if at, ok := m.served[run{p.short, p.gen}]; ok && now-at < joinEvery*9/10 {
		return nil
	}
	if len(m.served) >= maxServed {
		clear(m.served)
	}
	m.served[run{p.short, p.gen}] = now
	if int(j.Count)*2 > len(m.living) && j.Count > 1 {
		m.sendTable(now, p, nil) // most of it is there: the next heartbeat's repair costs less
		return nil
	}
	m.sendTable(now, p, m.living)
	return nil
}

// correct tells a newcomer what we know of it that it does not.
func (m *Machine) correct(now time.Duration, p peer, r *row) {
	switch {
	case r == nil || r.short != p.short:
	case r.status == wire.Dead:
		m.notify(now, r)
	case r.status == wire.Left || p.gen < r.rec.Generation:
		m.send(p.id, wire.KindNews, wire.AppendEntries(nil, r.entries(now)))
	}
}

// sendTable sends rows in as many pieces as it takes.
func (m *Machine) sendTable(now time.Duration, p peer, rows []*row) {
	var t wire.Table
	size := 0
	for _, r := range rows {
		list := r.entries(now)
		n := 0
		for _, e := range list {
			n += e.Size()
		}
		if size+n > room {
			m.send(p.id, wire.KindTable, t.Append(nil))
			t.Entries, size = nil, 0
		}
		t.Entries = append(t.Entries, list...)
		size += n
	}
	t.Last = true
	m.send(p.id, wire.KindTable, t.Append(nil))
}

func (m *Machine) onTable(now time.Duration, p peer, payload []byte) error {
	t, err := wire.ParseTable(payload)
	if err != nil {
		return err
	}
	if !m.isSeed(p.id) {
		m.stats.Unasked++
		return nil
	}
	for _, e := range t.Entries {
		if _, err := m.learn(now, p, e, byTable); err != nil {
			return err
		}
	}
	if t.Last && !m.joined {
		m.joined, m.joinAt = true, unset
		m.passOn(now, m.self, pendingRecord, 0)
	}
	return nil
}

func (m *Machine) isSeed(id node.ID) bool {
	return slices.ContainsFunc(m.seeds, func(s seed) bool { return s.id == id })
}

// Joined tells whether a seed has given us its table, or there is none to ask.
func (m *Machine) Joined() bool { return m.joined }
