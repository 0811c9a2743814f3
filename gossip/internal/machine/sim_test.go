package machine

import (
	"container/heap"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// A sim is a cluster in one goroutine on virtual time. Every message is encoded
// by its sender and parsed by its receiver. One seed decides everything.
type sim struct {
	t     *testing.T
	rng   *rand.Rand
	cfg   Config
	now   time.Duration
	queue events
	seq   uint64
	nodes []*simNode
	by    map[node.ID]*simNode
	hosts map[string]*simNode
	open  map[string]*wire.Record

	min, max time.Duration // one-way latency
	loss     float64
	cut      func(a, b *simNode) bool // nil: everybody reaches everybody
	drop     func(a, b *simNode) bool // nil: only loss decides
	side     func(a *simNode) bool    // after a cut: verdicts about the other side are no fault
	sick     func(a *simNode) bool    // verdicts about these are no fault
	closed   map[[2]int]*Machine      // {to, from}: the run whose session has ended
	arrives  map[[2]int]time.Duration // {to, from}: when the last that a session carries is there; its end comes after

	dead   map[[2]int]time.Duration // {observer, subject}: when it was first held dead
	met    map[[2]int]time.Duration // {observer, newcomer}
	left   map[[2]int]time.Duration
	wild   int // times a node that runs, reachable by all, was held dead
	ghosts int // times a node held dead that does not run was seen alive
	log    []string
}

type simNode struct {
	i       int
	id      node.ID
	gen     uint64
	m       *Machine
	up      bool
	downAt  time.Duration
	pausedT time.Duration // paused until then
	bytes   int
	wakeAt  time.Duration // the earliest timer in the queue
	events  map[EventKind]int
}

type simEvent struct {
	at      time.Duration
	seq     uint64
	to      *simNode
	run     *Machine // the run whose timer this is, or who sent the message
	from    node.Ref
	sender  *simNode
	sent    time.Duration
	kind    wire.Kind
	payload []byte
	do      func() // neither message nor timer
	timer   bool
}

type events []*simEvent

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(*simEvent)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

func (s *sim) push(e *simEvent) {
	s.seq++
	e.seq = s.seq
	heap.Push(&s.queue, e)
}

func newSim(t *testing.T, seed uint64, n int, cfg Config) *sim {
	s := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), cfg: cfg, by: map[node.ID]*simNode{}, hosts: map[string]*simNode{}, open: map[string]*wire.Record{},
		min: time.Millisecond, max: 100 * time.Millisecond, closed: map[[2]int]*Machine{}, arrives: map[[2]int]time.Duration{},
		dead: map[[2]int]time.Duration{}, met: map[[2]int]time.Duration{}, left: map[[2]int]time.Duration{},
	}
	for i := range n {
		x := &simNode{i: i, gen: 1000, events: map[EventKind]int{}, wakeAt: unset}
		for k := 0; k < 32; k += 8 {
			binary.BigEndian.PutUint64(x.id[k:], s.rng.Uint64())
		}
		s.nodes = append(s.nodes, x)
		s.by[x.id], s.hosts[host(i)] = x, x
	}
	return s
}

func host(i int) string { return fmt.Sprintf("10.0.%d.%d:38080", i>>8, i&255) }

// boot starts node i, which knows a seed alone.
func (s *sim) boot(i int) *simNode {
	x := s.nodes[i]
	x.gen++
	cfg := s.cfg
	if i != 0 {
		cfg.Seeds = []string{host(0)}
	}
	self := wire.Record{ID: x.id, Generation: x.gen, Name: fmt.Sprintf("n%d", i), Addresses: []string{host(i)}, Version: [3]uint16{0, 1, 0}, Heartbeat: cfg.Heartbeat}
	m, err := New(cfg, self, ed25519.PublicKey(x.id[:]), &simNotary{x.id, s.open}, rand.New(rand.NewPCG(s.rng.Uint64(), 2)), s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	x.m, x.up, x.pausedT, x.wakeAt = m, true, 0, unset
	s.after(x)
	return x
}

// bootAll starts everybody knowing everybody, as a cluster that has run for
// some time.
func (s *sim) bootAll() {
	for i := range s.nodes {
		s.boot(i)
	}
	for _, x := range s.nodes {
		for _, y := range s.nodes {
			if x != y {
				if _, err := x.m.learn(s.now, peer{}, wire.Entry{Kind: wire.EntryRecord, Body: y.m.self.rec.Raw()}, byTable); err != nil {
					s.t.Fatal(err)
				}
			}
		}
		if x.i != 0 {
			x.m.Answered(host(0), s.nodes[0].id)
		}
		x.m.joined, x.m.joinAt = true, unset
		x.m.Take()
		s.arm(x)
	}
	clear(s.met)
}

// after does what the machine of x wants.
func (s *sim) after(x *simNode) {
	out, evs := x.m.Take()
	for i := range evs {
		s.note(x, &evs[i])
	}
	for i := range out {
		s.send(x, &out[i])
	}
	s.arm(x)
}

func (s *sim) arm(x *simNode) {
	if next := x.m.Next(); next < x.wakeAt {
		x.wakeAt = next
		s.push(&simEvent{at: max(next, s.now), to: x, run: x.m, timer: true})
	}
}

func (s *sim) note(x *simNode, e *Event) {
	x.events[e.Kind]++
	y := s.by[e.Record.ID]
	if y == x || y == nil {
		return
	}
	k := [2]int{x.i, y.i}
	switch e.Kind {
	case Died:
		if _, ok := s.dead[k]; !ok {
			s.dead[k] = s.now
		}
		if s.sick != nil && s.sick(y) {
			break
		}
		if y.up && y.pausedT <= s.now && y.gen == e.Record.Generation && s.cut == nil && (s.side == nil || s.side(x) == s.side(y)) {
			s.wild++
			s.log = append(s.log, fmt.Sprintf("%v: n%d holds n%d dead (local %v) by %d votes", s.now, x.i, y.i, e.Local, len(e.Votes)))
		}
	case Joined:
		s.met[k] = s.now
		s.haunt(k, y)
	case Returned:
		s.haunt(k, y)
	case Parted:
		s.left[k] = s.now
	}
	if e.Kind == Joined || e.Kind == Returned {
		delete(s.dead, k)
	}
}

// haunt counts a ghost: k[0] sees alive again whom it held dead and who is.
func (s *sim) haunt(k [2]int, y *simNode) {
	if since, ok := s.dead[k]; ok && !y.up && y.downAt < since {
		s.ghosts++
		s.log = append(s.log, fmt.Sprintf("%v: n%d sees the ghost of n%d", s.now, k[0], k[1]))
	}
}

func (s *sim) latency() time.Duration {
	return s.min + time.Duration(s.rng.Int64N(int64(s.max-s.min)+1))
}

func cost(payload []byte) int { return len(payload) + 60*max(1, (len(payload)+1199)/1200) }

func (s *sim) send(x *simNode, m *Send) {
	if len(m.Payload) > wire.MaxMessage {
		s.t.Errorf("a %v of %d bytes", m.Kind, len(m.Payload))
	}
	y := s.by[m.To]
	if m.Host != "" {
		y = s.hosts[m.Host]
	}
	x.bytes += cost(m.Payload)
	if y == nil { // somebody whom a test has invented
		return
	}
	e := &simEvent{to: y, from: node.Ref{ID: x.id, Generation: x.gen}, sender: x, run: x.m, kind: m.Kind, payload: m.Payload}
	blocked := s.cut != nil && s.cut(x, y)
	if m.Kind.Lossy() {
		if blocked || s.lost(x, y) {
			return
		}
		e.sent = s.now
		e.at = s.now + s.latency()
	} else {
		var late time.Duration
		rto := 200 * time.Millisecond
		for try := 1; s.lost(x, y); try++ {
			if try == 6 {
				return
			}
			late, rto = late+rto, 2*rto
			x.bytes += cost(m.Payload)
		}
		if blocked {
			return
		}
		e.sent = s.now + late
		e.at = e.sent + s.latency()
		s.arrives[[2]int{y.i, x.i}] = max(e.at, s.arrives[[2]int{y.i, x.i}])
	}
	if m.Host != "" { // a dial tells who is there
		if at := m.Host; y.up {
			s.push(&simEvent{at: e.at, do: func() { x.m.Answered(at, y.id) }})
		}
	}
	s.push(e)
}

func (s *sim) lost(x, y *simNode) bool {
	return s.loss > 0 && s.rng.Float64() < s.loss || s.drop != nil && s.drop(x, y)
}

// run lets time pass.
func (s *sim) run(d time.Duration) { s.until(s.now+d, func() bool { return false }) }

// until lets time pass until done or the end. done is asked every 10 ms.
func (s *sim) until(end time.Duration, done func() bool) bool {
	next := s.now
	for len(s.queue) > 0 && s.queue[0].at <= end {
		if s.queue[0].at >= next {
			if done() {
				return true
			}
			next = s.queue[0].at + 10*time.Millisecond
		}
		e := heap.Pop(&s.queue).(*simEvent)
		s.now = e.at
		s.step(e)
	}
	s.now = end
	return done()
}

func (s *sim) step(e *simEvent) {
	x := e.to
	switch {
	case e.do != nil:
		e.do()
	case !x.up || e.timer && x.m != e.run:
	case x.pausedT > s.now:
		e.at = x.pausedT
		heap.Push(&s.queue, e)
	case e.timer:
		x.wakeAt = unset
		if x.m.Next() <= s.now {
			x.m.Tick(s.now)
		}
		s.after(x)
	case !e.sender.up && e.sender.downAt < e.sent || s.closed[[2]int{x.i, e.sender.i}] == e.run:
	default:
		if err := x.m.Receive(s.now, e.from, e.kind, e.payload); err != nil {
			s.t.Errorf("n%d: %v from n%d: %v", x.i, e.kind, e.sender.i, err)
		}
		s.after(x)
	}
}

// crash stops node i; with hint its sessions are seen to close.
func (s *sim) crash(i int, hint bool) {
	x := s.nodes[i]
	x.up, x.downAt = false, s.now
	ref, run := node.Ref{ID: x.id, Generation: x.gen}, x.m
	if !hint {
		return
	}
	for _, rec := range x.m.Partners(s.now) {
		y := s.by[rec.ID]
		if y == nil {
			continue
		}
		s.push(&simEvent{at: max(s.now+s.latency(), s.arrives[[2]int{y.i, x.i}]), do: func() {
			if y.up {
				s.closed[[2]int{y.i, x.i}] = run
				y.m.Closed(s.now, ref)
				s.after(y)
			}
		}})
	}
}

// heldDead counts the running nodes that hold j dead.
func (s *sim) heldDead(j int) (n, of int) {
	for _, x := range s.nodes {
		if x.up && x.i != j {
			of++
			if r := x.m.rows[wire.Short(s.nodes[j].id)]; r != nil && r.status == wire.Dead {
				n++
			}
		}
	}
	return n, of
}

func (s *sim) allHoldDead(j int) bool { n, of := s.heldDead(j); return n == of }

// knows tells whether everybody running holds the present run of j alive.
func (s *sim) allKnow(j int) bool {
	y := s.nodes[j]
	for _, x := range s.nodes {
		if x.up && x != y && !x.m.holds(y) {
			return false
		}
	}
	return true
}

func (m *Machine) holds(y *simNode) bool {
	r := m.rows[wire.Short(y.id)]
	return r != nil && r.status == wire.Alive && r.rec.Generation == y.gen
}

// allRight tells whether everybody running holds exactly the running alive.
func (s *sim) allRight() bool {
	up := 0
	for _, y := range s.nodes {
		if y.up {
			up++
		}
	}
	for _, x := range s.nodes {
		if !x.up {
			continue
		}
		if len(x.m.living) != up {
			return false
		}
		for _, y := range s.nodes {
			if y.up && !x.m.holds(y) {
				return false
			}
		}
	}
	return true
}

func (s *sim) perSecond(d time.Duration) (mean, most float64) {
	for _, x := range s.nodes {
		x.bytes = 0
	}
	s.run(d)
	sum := 0
	for _, x := range s.nodes {
		sum += x.bytes
		most = max(most, float64(x.bytes)/d.Seconds())
	}
	return float64(sum) / d.Seconds() / float64(len(s.nodes)), most
}
