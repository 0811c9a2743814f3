package machine

import (
	"bytes"
	"slices"
	"time"

	"kith/gossip/internal/wire"
)

// A question is about an old verdict on somebody that we hold alive. The node
// itself is asked, and only its silence lets us ask for the verdict's votes.
//
//	waiting --due--> asked --due, silent--> wanted --verdict--> believed
//	   \________________\______ heard from the node: dropped
type question struct {
	row  *row
	gen  uint64
	inc  uint32
	from peer // who holds it dead
	step step
	at   time.Duration // when the step began
	due  time.Duration
	held *wire.Verdict // held: what is believed when it is due
}

type step uint8

const (
	waiting step = iota
	asked
	wanted
	held
)

// maxQuestions is how many are open at a time; further ones wait for the next
// repair to bring them up again.
const maxQuestions = 256

func (m *Machine) patienceFor() time.Duration {
	return max(1500*time.Millisecond, m.cfg.Heartbeat/2)
}

// question opens one. When many nodes meet the same verdict, a few ask at once
// and the others give the answer time to reach them as news.
func (m *Machine) question(now time.Duration, p peer, r *row, inc uint32) {
	for i := range m.questions {
		if m.questions[i].row == r {
			return
		}
	}
	if len(m.questions) >= maxQuestions || inc > r.inc+64 {
		return
	}
	q := question{row: r, gen: r.rec.Generation, inc: inc, from: p, at: now, due: now + m.patienceFor()/2}
	switch {
	case m.missed(now, r): // it does not answer
		m.askVotes(&q)
		q.due = now + m.patienceFor()
	case m.rng.Float64() < 20/float64(len(m.living)):
		m.askNode(&q)
		q.due = now + m.patienceFor()
	}
	m.questions = append(m.questions, q)
}

// How long a verdict waits while we are unsure: until somebody who was silent can
// have answered; and if one has, until a refutation can have reached all.
const (
	holdFor = 250 * time.Millisecond
	healFor = 500 * time.Millisecond
)

// hold passes on a verdict whose votes suffice but waits with believing it,
// because we are unsure. It is false if there are too many questions.
func (m *Machine) hold(now time.Duration, p peer, r *row, v *wire.Verdict, w way) bool {
	i := slices.IndexFunc(m.questions, func(q question) bool { return q.row == r })
	if i >= 0 && m.questions[i].step == held {
		return true
	}
	if i >= 0 { // asked about an older one
		m.questions = slices.Delete(m.questions, i, i+1)
	}
	if len(m.questions) >= maxQuestions {
		return false
	}
	own := *v
	own.Votes = slices.Clone(v.Votes)
	for i := range own.Votes {
		own.Votes[i].Signature = bytes.Clone(own.Votes[i].Signature)
	}
	q := question{row: r, gen: r.rec.Generation, inc: v.Incarnation, from: p, at: now}
	if m.rng.Float64() < 20/float64(len(m.living)) {
		m.askNode(&q)
	}
	q.step, q.due, q.held = held, now+holdFor, &own
	m.askMuted(now)
	m.questions = append(m.questions, q)
	if w == byNews {
		m.relay(now, fact{Entry: wire.Entry{Kind: wire.EntryVerdict, Body: own.Append(nil)}, from: p.short})
	}
	return true
}

func (m *Machine) askNode(q *question) {
	q.step = asked
	n := wire.Notice{Generation: q.gen, Incarnation: q.inc}
	m.send(q.row.rec.ID, wire.KindNotice, n.Append(nil))
}

func (m *Machine) askVotes(q *question) {
	q.step = wanted
	m.send(q.from.id, wire.KindWant, wire.Want{q.row.short}.Append(nil))
}

// ask moves the questions on that are due.
func (m *Machine) ask(now time.Duration) {
	kept := m.questions[:0]
	for _, q := range m.questions {
		r := q.row
		if r.status != wire.Alive || r.rec.Generation != q.gen || r.inc > q.inc || r.heard >= q.at {
			continue
		}
		if now < q.due {
			kept = append(kept, q)
			continue
		}
		if q.step == held && q.at+holdFor == q.due && (now-m.mended <= mendFor+holdFor || now < r.patience) {
			q.due += healFor
			kept = append(kept, q)
			continue
		}
		if q.step == held {
			m.convict(now, r, q.held, q.at-q.held.Age, q.from.short, byRepair)
			continue
		}
		q.at, q.due = now, now+m.patienceFor()
		switch q.step {
		case waiting:
			m.askNode(&q)
		case asked:
			m.askVotes(&q)
		case wanted:
			continue // whoever brought it up does not answer
		}
		kept = append(kept, q)
	}
	clear(m.questions[len(kept):])
	m.questions = kept
}

// answered tells whether r was asked about a verdict and kept silent.
func (m *Machine) answered(r *row, inc uint32) bool {
	for i := range m.questions {
		q := &m.questions[i]
		if q.row == r && q.step == wanted && q.inc == inc && r.heard < q.at {
			return true
		}
	}
	return false
}
