package machine

import (
	"time"

	"kith/gossip/internal/wire"
)

// passOn queues what is new about r for our observers. What is queued is the
// row, not the words: a row that changes twice before it is sent is sent once,
// so the queue never holds more than the table.
func (m *Machine) passOn(now time.Duration, r *row, what uint8, from uint64) {
	if r.pending == 0 {
		m.news = append(m.news, r)
	}
	r.pending |= what
	r.from, r.echoed = from, false
	m.flushSoon(now)
}

// relay queues a fact that our table does not hold. There are not more of them
// than questions.
func (m *Machine) relay(now time.Duration, f fact) {
	m.relays = append(m.relays, f)
	m.flushSoon(now)
}

func (m *Machine) flushSoon(now time.Duration) {
	if m.flushAt == unset {
		m.flushAt = max(now, m.flushed+spreadEvery)
	}
}

// flush sends the queue to our observers: at once, then at most each 50 ms. A
// refutation that a second node has told us before we send it on is all over the
// place: one observer is spared it.
func (m *Machine) flush(now time.Duration) {
	m.flushAt, m.flushed = unset, now
	m.refresh(now)
	told := map[uint64]bool{} // who told us some of it
	var list []fact
	for _, r := range m.news {
		told[r.from] = true
		spared := uint64(0)
		if r.echoed && len(m.observers) == K {
			spared = m.observers[m.rng.IntN(len(m.observers))].short
			told[spared] = true
		}
		list = append(list, r.take(now, spared)...)
	}
	for _, f := range m.relays {
		told[f.from] = true
	}
	list = append(list, m.relays...)
	m.news, m.relays = m.news[:0], nil
	m.sendFacts(m.observers, list, told)
}

// A fact is an entry and who told us.
type fact struct {
	wire.Entry
	from   uint64
	spared uint64 // an observer who will hear it from others; 0: none
}

// take empties what is pending about r.
func (r *row) take(now time.Duration, spared uint64) (list []fact) {
	if r.pending&pendingRecord != 0 {
		list = append(list, fact{wire.Entry{Kind: wire.EntryRecord, Body: r.rec.Raw()}, r.from, spared})
	}
	if e, ok := r.proved(now); ok {
		list = append(list, fact{e, r.from, spared})
	}
	r.pending = 0
	return list
}

// sendFacts sends the list to each, but nobody what it told us itself.
func (m *Machine) sendFacts(to []*row, list []fact, told map[uint64]bool) {
	var common [][]byte // for the many who told us nothing of it
	for _, o := range to {
		if told[o.short] {
			m.sendAll(o, pack(list, o.short))
			continue
		}
		if common == nil {
			common = pack(list, 0)
		}
		m.sendAll(o, common)
	}
}

func (m *Machine) sendAll(to *row, payloads [][]byte) {
	for _, b := range payloads {
		m.send(to.rec.ID, wire.KindNews, b)
	}
}

// room is how many bytes of entries go into one message.
const room = wire.MaxMessage - 1<<10

// pack writes lists of entries, each small enough for a message, leaving out
// what except has told.
func pack(list []fact, except uint64) (payloads [][]byte) {
	var part []wire.Entry
	size := 0
	cut := func() {
		if len(part) > 0 {
			payloads = append(payloads, wire.AppendEntries(make([]byte, 0, size), part))
			part, size = part[:0], 0
		}
	}
	for _, f := range list {
		if except != 0 && (f.from == except || f.spared == except) {
			continue
		}
		if size+f.Size() > room {
			cut()
		}
		part = append(part, f.Entry)
		size += f.Size()
	}
	cut()
	return payloads
}
