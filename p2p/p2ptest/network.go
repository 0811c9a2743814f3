package p2ptest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Network connects hosts. The zero Network is a good one: no delay, no loss.
// Its fields are read when the first Transport is made and never written; the
// Set methods change what holds from then on. Close it at the end.
//
// A stream (messages) always keeps its order. A lost frame comes later, after
// 200 ms, or 600 ms, 1.4 s, 3 s, 6.2 s if it is lost again; the sixth loss ends
// the session after 7 s with a network error. A session that hears nothing, as
// in a partition, ends after 7 s; a dial then fails after as long. What a
// protocol has written and the peer's protocol not yet read is at most 256 KiB
// and one message: then WriteMsg waits, for that protocol alone.
//
// All methods are safe for concurrent use.
type Network struct {
	// Seed decides everything that is random.
	Seed uint64
	// Delay is the least time that something takes one way, Jitter how much more
	// it may take.
	Delay, Jitter time.Duration
	// Loss is the share of frames, datagrams and dials that get lost, 0 to 1.
	Loss float64
	// Reorder is the share of datagrams that later ones overtake, at least 1 ms
	// late; Duplicate the share that arrive twice. Jitter reorders, too.
	Reorder, Duplicate float64
	// Bandwidth is how many bytes a second one direction of a session carries.
	// It carries whole messages, so a large one holds up the others. 0 means
	// any number.
	Bandwidth int
	// NoDirect and NoDatagrams are the defaults of the fields of Transport.
	NoDirect, NoDatagrams bool

	mu     sync.Mutex // guards what follows; taken before that of a line
	begun  bool
	closed bool
	cond   conditions
	udp    bool // datagrams have a way
	runs   []*Transport
	hosts  map[string]*host
	byAddr map[netip.Addr]*host
	alias  map[string][]string
	conns  map[*conn]struct{}
	blocks map[[2]string]bool // from, to
	groups map[string]int     // of Partition; nil: there is none
}

func (n *Network) beginLocked() {
	if n.begun {
		return
	}
	n.begun, n.udp = true, true
	n.cond = conditions{n.Delay, n.Jitter, n.Loss, n.Reorder, n.Duplicate, n.Bandwidth}
	n.hosts = make(map[string]*host)
	n.byAddr = make(map[netip.Addr]*host)
	n.alias = make(map[string][]string)
	n.conns = make(map[*conn]struct{})
	n.blocks = make(map[[2]string]bool)
}

// Close ends all sessions and listeners and returns when their goroutines have
// ended. The network cannot be used again.
func (n *Network) Close() error {
	n.mu.Lock()
	n.beginLocked()
	n.closed = true
	runs, conns := n.runs, n.connsLocked()
	n.mu.Unlock()
	for _, t := range runs {
		t.stop(errNetworkClosed)
	}
	for _, c := range conns {
		for _, s := range c.ends {
			s.end(errNetworkClosed, nil, true)
			s.loops.Wait()
		}
	}
	return nil
}

// connsLocked are the connections, always in the same order.
func (n *Network) connsLocked() []*conn {
	return slices.SortedFunc(maps.Keys(n.conns), func(c, d *conn) int {
		return cmp.Or(cmp.Compare(c.from.host.name, d.from.host.name),
			cmp.Compare(c.to.host.name, d.to.host.name), cmp.Compare(c.number, d.number))
	})
}

// SetLoss changes Loss, for everybody or if names are given for what they send
// and receive. Where the two ends of a way have different ones the greater
// counts.
func (n *Network) SetLoss(loss float64, names ...string) {
	n.set(names, func(c *conditions) { c.loss = loss })
}

// SetDelay changes Delay and Jitter as SetLoss changes Loss.
func (n *Network) SetDelay(delay, jitter time.Duration, names ...string) {
	n.set(names, func(c *conditions) { c.delay, c.jitter = delay, jitter })
}

func (n *Network) set(names []string, change func(*conditions)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.beginLocked()
	if len(names) == 0 {
		change(&n.cond)
		for _, h := range n.hosts {
			h.cond = n.cond
		}
	}
	for _, name := range names {
		change(&n.hostLocked(name).cond)
	}
	n.refreshLocked()
}

// SetDatagrams says whether datagrams have a way, as UDP has or has not. They
// have at first. Taking it away leaves the sessions, whose datagrams then have
// no carrier until a protocol opens one again.
func (n *Network) SetDatagrams(open bool) {
	n.mu.Lock()
	n.beginLocked()
	n.udp = open
	conns := n.connsLocked()
	n.mu.Unlock()
	if open {
		return
	}
	for _, c := range conns {
		for _, s := range c.ends {
			s.carrier.lose(errNoUDP.Error())
		}
	}
}

func (n *Network) datagramsHaveAWay() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.udp
}

// refreshLocked tells every line what holds for it now, and starts or stops the
// clock of every session that hears nothing.
func (n *Network) refreshLocked() {
	for _, c := range n.connsLocked() {
		for _, s := range c.ends {
			s.in.change(n.betweenLocked(s.peer.t, s.t), n.blockedLocked(s.peer.t, s.t))
			s.listen()
		}
	}
}

func (n *Network) betweenLocked(from, to *Transport) conditions {
	return from.host.cond.worst(to.host.cond)
}

// forget drops a connection when both its ends have ended.
func (n *Network) forget(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.live--; c.live == 0 {
		delete(n.conns, c)
	}
}
