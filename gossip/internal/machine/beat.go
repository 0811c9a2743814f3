package machine

import (
	"time"

	"kith/gossip/internal/wire"
)

// tick is one round: heartbeats to our observers and a few greetings.
func (m *Machine) tick(now time.Duration) {
	m.lastTick = now
	if m.tickAt += m.cfg.Heartbeat; m.tickAt <= now {
		m.tickAt = now + m.cfg.Heartbeat
	}
	m.refresh(now)
	m.sequence++
	b := m.beat()
	for _, o := range m.observers {
		m.send(o.rec.ID, wire.KindHeartbeat, b)
	}
	m.greet(now, b)
	m.settleSuspects(now)
	m.evaluate(now)
}

func (m *Machine) beat() []byte {
	b := wire.Beat{Generation: m.self.rec.Generation, Sequence: m.sequence, Count: uint32(len(m.living)), Root: m.root}
	return b.Append(make([]byte, 0, 24))
}

// greet says hello to a few members, to a seed now and then, and to somebody
// dead: that is how the parts of a cluster find each other again.
func (m *Machine) greet(now time.Duration, b []byte) {
	for range m.cfg.NotSeedAmount {
		if r := m.anyone(); r != nil && m.rng.Float64() < 0.1 {
			m.send(r.rec.ID, wire.KindHello, b)
		}
	}
	sick := m.sick(now)
	if sick {
		m.sickAt = now
	}
	urgent := len(m.dead) >= len(m.living) || sick
	for range m.cfg.SeedAmount {
		if urgent || m.rng.Float64() < 8/float64(len(m.living)) {
			m.greetSeed(b)
		}
	}
	if d := len(m.dead); d > 0 && m.rng.Float64() < float64(d)/float64(len(m.living)+1) {
		m.send(m.dead[m.rng.IntN(d)].rec.ID, wire.KindHello, b)
	}
}

func (m *Machine) onBeat(now time.Duration, p peer, kind wire.Kind, payload []byte) error {
	b, err := wire.ParseBeat(payload)
	if err != nil {
		return err
	}
	r := p.row
	switch {
	case r == nil:
		m.wantFrom(now, p)
		return nil
	case b.Generation > r.rec.Generation:
		m.wantFrom(now, p)
	case b.Generation < r.rec.Generation:
		m.tell(now, r, p, wire.KindNews, wire.AppendEntries(nil, r.entries(now)))
		return nil
	case r.status == wire.Dead:
		m.signOfLife(now, r)
	case r.status == wire.Alive && kind == wire.KindHeartbeat:
		if s := m.subject(r); s != nil && s.gen == b.Generation {
			s.win.Beat(now, &m.cfg.Rhythm)
			s.rounds, s.closed = 0, false
		}
	}
	m.compare(now, p, b.Root)
	return nil
}

// signOfLife counts a message that r itself sent just now.
func (m *Machine) signOfLife(now time.Duration, r *row) {
	r.heard = now
	m.unmute(now, r)
	if r.status == wire.Dead {
		if r.local {
			m.revive(now, r)
		} else {
			m.notify(now, r)
		}
	}
	if s := m.subject(r); s != nil && s.gen == r.rec.Generation {
		s.win.Alive(now)
		s.rounds, s.closed = 0, false
	}
}

// revive lifts a verdict that was only ours.
func (m *Machine) revive(now time.Duration, r *row) {
	m.set(r, r.rec, r.inc, wire.Alive, r.proof, now)
	m.changed, m.mended = now, now
	m.event(now, Returned, r)
}

// tell sends p something about itself, at most once a second.
func (m *Machine) tell(now time.Duration, r *row, p peer, kind wire.Kind, payload []byte) {
	if now-r.told >= aside {
		r.told = now
		m.send(p.id, kind, payload)
	}
}

// notify tells a node that we hold it dead, so that it may say that it lives.
func (m *Machine) notify(now time.Duration, r *row) {
	if r.status != wire.Dead || r.local || now-r.told < aside {
		return
	}
	r.told = now
	n := wire.Notice{Generation: r.rec.Generation, Incarnation: r.inc}
	m.send(r.rec.ID, wire.KindNotice, n.Append(nil))
}

// maxStrangers is how many nodes without a row we remember to have asked;
// beyond it all are forgotten.
const maxStrangers = 1024

// wantFrom asks p for its own record, at most once a second.
func (m *Machine) wantFrom(now time.Duration, p peer) {
	if at, ok := m.strangers[p.short]; ok && now-at < aside {
		return
	}
	if len(m.strangers) >= maxStrangers {
		clear(m.strangers)
	}
	m.strangers[p.short] = now
	m.send(p.id, wire.KindWant, wire.Want{p.short}.Append(nil))
}
