package port

import (
	"cmp"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// A Port is what a Mux offers under a number.
type Port struct {
	Number uint16    `json:"port"`
	Name   string    `json:"name"`
	Mode   Mode      `json:"mode"`
	Stats  PortStats `json:"stats"`
}

// PortStats count what a port has done since it was offered.
type PortStats struct {
	Calls    uint64  `json:"calls"`    // handler calls begun
	Errors   uint64  `json:"errors"`   // of them failed, panics included
	Busy     uint64  `json:"busy"`     // requests refused for want of room
	Dropped  uint64  `json:"dropped"`  // messages without an answer that were thrown away
	BytesIn  uint64  `json:"bytesIn"`  // of messages
	BytesOut uint64  `json:"bytesOut"` // of replies
	Running  int     `json:"running"`  // workers with it now
	Waiting  int     `json:"waiting"`  // requests, and streams or unreliable messages, that wait for one
	Latency  Latency `json:"latency"`  // of the first 256 handler calls and then of each sixteenth
}

// Stats count what a Mux does for its own Clients, and what it has.
type Stats struct {
	Sessions   int    `json:"sessions"`   // with the ports protocol, two of them for calls to ourselves
	Clients    int    `json:"clients"`    // not closed
	Workers    int    `json:"workers"`    // goroutines, idle ones included
	InFlight   int    `json:"inFlight"`   // requests of ours that wait for their answer
	Requests   uint64 `json:"requests"`   // of ours, answered
	Sends      uint64 `json:"sends"`      // of ours
	Errors     uint64 `json:"errors"`     // calls of ours that failed
	Dropped    uint64 `json:"dropped"`    // unreliable messages of ours, for want of room or of a carrier
	Strays     uint64 `json:"strays"`     // unreliable messages that came for no stream
	Bytes      uint64 `json:"bytes"`      // of our messages and their replies
	Held       int64  `json:"held"`       // bytes of the budget in use
	Datagrams  int    `json:"datagrams"`  // sessions whose unreliable messages travel as datagrams
	NoDatagram int    `json:"noDatagram"` // sessions where that was tried in vain
}

// Latency counts durations: Latency[i] those under 1 µs << i that are not under
// 1 µs << (i-1); the last one all that are longer.
type Latency [26]uint64

// Quantile gives a duration that q of all (0 to 1) do not exceed, to a factor of
// two; 0 if nothing was counted.
func (h *Latency) Quantile(q float64) time.Duration {
	var all uint64
	for _, n := range h {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank := uint64(q * float64(all-1))
	for i, n := range h {
		if rank < n {
			return time.Microsecond << i
		}
		rank -= n
	}
	return time.Microsecond << (len(h) - 1)
}

type latency [26]atomic.Uint64

func (h *latency) add(d time.Duration) {
	h[min(bits.Len64(uint64(max(d, 0)/time.Microsecond)), len(h)-1)].Add(1)
}

// outgoing counts our own calls.
type outgoing struct {
	requests, sends, errors, drops, bytes atomic.Uint64
}

func (o *outgoing) count(what *atomic.Uint64, n int) {
	what.Add(1)
	o.bytes.Add(uint64(n))
}

// Ports are the ports offered, by number.
func (m *Mux) Ports() []Port {
	m.setUp()
	m.mu.Lock()
	ports := make([]Port, 0, len(m.services))
	services := make([]*service, 0, len(m.services))
	for _, s := range m.services {
		services = append(services, s)
	}
	m.mu.Unlock()
	slices.SortFunc(services, func(a, b *service) int { return cmp.Compare(a.number, b.number) })
	for _, s := range services {
		ports = append(ports, Port{s.number, s.name, s.mode, s.stats()})
	}
	return ports
}

func (s *service) stats() PortStats {
	st := PortStats{
		Calls: s.calls.Load(), Errors: s.errors.Load(), Busy: s.busy.Load(), Dropped: s.drops.Load(),
		BytesIn: s.bytesIn.Load(), BytesOut: s.bytesOut.Load(),
	}
	for i := range st.Latency {
		st.Latency[i] = s.latency[i].Load()
	}
	p := &s.mux.pool
	p.mu.Lock()
	st.Running, st.Waiting = s.running, s.queue.len()+s.grams.len()
	p.mu.Unlock()
	return st
}

// Stats are the Mux's.
func (m *Mux) Stats() Stats {
	m.setUp()
	st := Stats{
		Requests: m.sent.requests.Load(), Sends: m.sent.sends.Load(), Errors: m.sent.errors.Load(),
		Dropped: m.sent.drops.Load(), Strays: m.strays.Load(), Bytes: m.sent.bytes.Load(),
	}
	m.pool.mu.Lock()
	st.Workers = m.pool.live
	m.pool.mu.Unlock()
	m.budget.mu.Lock()
	st.Held = m.budget.held
	m.budget.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	st.Sessions, st.Clients = len(m.all), len(m.open)
	for l := range m.all {
		st.InFlight += l.slots.used()
		if l.datagrams() {
			st.Datagrams++
		} else if l.udp.failed() {
			st.NoDatagram++
		}
	}
	return st
}

// used is how many requests are in flight.
func (t *slots) used() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count - len(t.free)
}

func (c *carrier) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}
