package p2p

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kith/node"
)

// still is a session that does nothing but be there.
type still struct {
	Session
	remote node.ID
	done   chan struct{}
}

func (s *still) Remote() node.ID            { return s.remote }
func (s *still) Done() <-chan struct{}      { return s.done }
func (s *still) Err() error                 { return nil }
func (s *still) Stats() SessionStats        { return SessionStats{} }
func (s *still) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

func newStill(id node.ID) *still { return &still{remote: id, done: make(chan struct{})} }

func testCore(self node.ID, edit func(*Server)) *core {
	s := &Server{Policy: OnDemand}
	if edit != nil {
		edit(s)
	}
	return &core{cfg: s.config(), local: node.NewLocal(self, node.Cert), conns: make(map[node.ID]*conn), pending: make(map[*handshake]bool), trusted: make(map[node.ID]bool), changed: make(chan struct{})}
}

func TestOneFunctionDecidesAboutTwoConnections(t *testing.T) {
	small, large := node.ID{1}, node.ID{2}
	const in, out = true, false
	for _, tt := range []struct {
		name         string
		self, remote node.ID
		oldIn        bool
		oldEpoch     uint64
		oldStage     stage
		newIn        bool
		newEpoch     uint64
		want         error // nil: the newcomer takes the place
	}{
		{"a later run replaces", small, large, in, 1, open, in, 2, nil},
		{"a later run replaces what we dialled", small, large, out, 1, open, in, 2, nil},
		{"an earlier run is refused", small, large, in, 2, open, in, 1, DiscSuperseded},
		{"the same side dialled again", small, large, in, 1, open, in, 1, nil},
		{"the same side dialled twice, without runs", small, large, in, 0, open, in, 0, DiscAlreadyConnected},
		{"both dialled, theirs is the smaller id", large, small, out, 1, open, in, 1, nil},
		{"both dialled, ours is the smaller id", small, large, out, 1, open, in, 1, DiscAlreadyConnected},
		{"both dialled, theirs came first and is smaller", large, small, in, 1, open, out, 1, DiscAlreadyConnected},
		{"both dialled, theirs came first and is larger", small, large, in, 1, open, out, 1, nil},
		{"our hello is on its way, ours is smaller", small, large, out, 0, greeting, in, 7, DiscAlreadyConnected},
		{"our hello is on its way, theirs is smaller", large, small, out, 0, greeting, in, 7, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCore(tt.self, nil)
			old := &conn{session: newStill(tt.remote), inbound: tt.oldIn, epoch: tt.oldEpoch, stage: tt.oldStage}
			c.conns[tt.remote] = old
			replaced, err := c.admit(&conn{session: newStill(tt.remote), inbound: tt.newIn}, Hello{Epoch: tt.newEpoch})
			if !errors.Is(err, tt.want) || (tt.want == nil && err != nil) {
				t.Errorf("admit = %v, want %v", err, tt.want)
			}
			if replaced != old {
				t.Errorf("admit speaks of %v, want the old one", replaced)
			}
		})
	}
}

// Both ends must come to the same answer about the same two connections.
func TestBothEndsKeepTheSameConnection(t *testing.T) {
	for _, ids := range [][2]node.ID{{{1}, {2}}, {{2}, {1}}, {{0xff}, {0xfe, 9}}} {
		a, b := ids[0], ids[1]
		stays := func(self, remote node.ID, oldIn bool) bool { // is it the one that a dialled?
			c := testCore(self, nil)
			c.conns[remote] = &conn{session: newStill(remote), inbound: oldIn, epoch: 5, stage: open}
			n := &conn{session: newStill(remote), inbound: !oldIn}
			kept := oldIn
			if _, err := c.admit(n, Hello{Epoch: 5}); err == nil {
				kept = n.inbound
			}
			return kept == (self == b)
		}
		first := stays(a, b, true)
		for _, oldIn := range []bool{true, false} {
			if stays(a, b, oldIn) != first || stays(b, a, oldIn) != first {
				t.Errorf("%v and %v disagree about which connection stays", a.Short(), b.Short())
			}
		}
	}
}

func TestADeadConnectionIsNoRival(t *testing.T) {
	c := testCore(node.ID{1}, nil)
	dead := newStill(node.ID{2})
	close(dead.done)
	c.conns[node.ID{2}] = &conn{session: dead, inbound: true, epoch: 9, stage: open}
	if _, err := c.admit(&conn{session: newStill(node.ID{2}), inbound: true}, Hello{Epoch: 9}); err != nil {
		t.Errorf("admit = %v, want nil: the old session has ended", err)
	}
}

func TestAdmitRefuses(t *testing.T) {
	run := func(*Peer, MsgReadWriter) error { return nil }
	edit := func(s *Server) {
		s.MaxPeers, s.Protocols = 2, []Protocol{{Name: "foo", Version: 1, Length: 1, Run: run}}
	}
	foo := []Cap{{"foo", 1}}
	fill := func(c *core) {
		for i := range 2 {
			id := node.ID{10 + byte(i)}
			c.conns[id] = &conn{session: newStill(id), stage: open}
		}
	}
	for _, tt := range []struct {
		name   string
		remote node.ID
		caps   []Cap
		setup  func(*core)
		want   error
	}{
		{"ourselves", node.ID{1}, foo, nil, DiscSelf},
		{"nothing in common", node.ID{2}, []Cap{{"foo", 2}, {"eth", 68}}, nil, DiscUselessPeer},
		{"full", node.ID{2}, foo, fill, DiscTooManyPeers},
		{"quitting", node.ID{2}, foo, func(c *core) { c.quitting = true }, DiscQuitting},
		{"trusted though full", node.ID{2}, foo, func(c *core) { fill(c); c.trusted[node.ID{2}] = true }, nil},
		{"welcome", node.ID{2}, foo, nil, nil},
	} {
		c := testCore(node.ID{1}, edit)
		if tt.setup != nil {
			tt.setup(c)
		}
		_, err := c.admit(&conn{session: newStill(tt.remote), inbound: true}, Hello{Caps: tt.caps})
		if !errors.Is(err, tt.want) || (tt.want == nil && err != nil) {
			t.Errorf("%s: admit = %v, want %v", tt.name, err, tt.want)
		}
	}
	c := testCore(node.ID{1}, edit)
	_, err := c.admit(&conn{session: newStill(node.ID{2})}, Hello{Caps: []Cap{{"eth", 68}}})
	if want := "no shared protocol; they have eth/68"; err == nil || err.Error() != want {
		t.Errorf("admit = %v, want %q", err, want)
	}
	var many []Cap
	for range 100 {
		many = append(many, Cap{"\x1b[2J\x00", 1})
	}
	if got, want := capText(many), strings.Repeat("\ufffd[2J\ufffd/1 ", 8)+"…"; got != want {
		t.Errorf("a stranger's names are shown as %q, want %q", got, want)
	}
}

func TestFillKeepsSlotsForDialling(t *testing.T) {
	for _, tt := range []struct {
		name          string
		most, present int
		discovery     []Discovery
		inbound       bool
		want          string // empty: welcome
	}{
		{"a third accepted of 3", 3, 2, []Discovery{nil}, true, "too many peers: 2 of 2 accepted"},
		{"a dialled one", 3, 2, []Discovery{nil}, false, ""},
		{"a dialled one too many", 3, 3, []Discovery{nil}, false, "too many peers: 3 of 3"},
		{"nobody to dial", 3, 2, nil, true, ""},
		{"nobody to dial, full", 3, 3, nil, true, "too many peers: 3 of 3"},
		{"only one at all", 1, 0, []Discovery{nil}, true, ""},
	} {
		c := testCore(node.ID{1}, func(s *Server) { s.Policy, s.MaxPeers, s.Discovery = Fill, tt.most, tt.discovery })
		for i := range tt.present {
			id := node.ID{10 + byte(i)}
			c.conns[id] = &conn{session: newStill(id), inbound: true, stage: open}
		}
		_, err := c.admit(&conn{session: newStill(node.ID{2}), inbound: tt.inbound}, Hello{})
		if (tt.want == "") != (err == nil) || err != nil && (err.Error() != tt.want || !errors.Is(err, DiscTooManyPeers)) {
			t.Errorf("%s: admit = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestFillRemembersFew(t *testing.T) {
	r, now := make(recent), time.Unix(1e9, 0)
	if !r.add(node.ID{1}, now) || r.add(node.ID{1}, now.Add(redialAfter)) || !r.add(node.ID{1}, now.Add(redialAfter+1)) {
		t.Error("a node is not left alone for exactly redialAfter")
	}
	for i := range 2 * recentRoom {
		r.add(node.ID{2, byte(i), byte(i >> 8)}, now)
	}
	if len(r) > recentRoom {
		t.Errorf("%d nodes are remembered, want at most %d", len(r), recentRoom)
	}
}

func TestSharedProtocols(t *testing.T) {
	ours := []Protocol{{Name: "b", Version: 2}, {Name: "b", Version: 1}, {Name: "a", Version: 1}, {Name: "c", Version: 3}}
	got := shared(ours, []Cap{{"a", 1}, {"b", 1}, {"b", 2}, {"b", 3}, {"c", 4}})
	if len(got) != 2 || got[0].Cap() != (Cap{"a", 1}) || got[1].Cap() != (Cap{"b", 2}) {
		t.Errorf("shared = %v, want a/1 b/2", got)
	}
}

func TestBackOffHasALimit(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	x, seed := target{id: node.ID{1}}, target{hosts: "10.0.0.1:1"}
	for _, tt := range []struct {
		policy Policy
		t      target
		want   time.Duration
	}{{Fill, x, 30 * time.Second}, {Fill, seed, 30 * time.Second}, {OnDemand, x, 5 * time.Second}, {OnDemand, seed, time.Second}} {
		c := testCore(node.ID{1}, func(s *Server) { s.Policy = tt.policy })
		for range 40 {
			c.backOff.failed(tt.t, io.EOF, now, c.patience(tt.t))
		}
		if wait := c.backOff.failures[tt.t].until.Sub(now); wait > tt.want || wait < tt.want*2/3 {
			t.Errorf("policy %d, %v: after 40 failures the wait is %v, want %v less up to a third", tt.policy, tt.t, wait, tt.want)
		}
	}
}

func TestBackOffDoublesAndIsForgotten(t *testing.T) {
	var b backOff
	now := time.Unix(1e9, 0)
	boom, x := errors.New("boom"), target{hosts: "x"}
	for i, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		want *= time.Millisecond
		if err := b.check(x, now); err != nil {
			t.Fatalf("try %d refused: %v", i, err)
		}
		b.failed(x, boom, now, maxBackOff)
		if err := b.check(x, now.Add(want*2/3-1)); !errors.Is(err, ErrBackOff) || !errors.Is(err, boom) {
			t.Errorf("just after failure %d: %v, want ErrBackOff and boom", i, err)
		}
		now = now.Add(want)
	}
	b.failed(x, boom, now, maxBackOff)
	b.forget(x)
	if err := b.check(x, now); err != nil {
		t.Errorf("after forget: %v", err)
	}
	for i := range 2 * backOffRoom {
		b.failed(target{id: node.ID{byte(i), byte(i >> 8), 1}}, boom, now, maxBackOff)
	}
	if len(b.failures) > backOffRoom {
		t.Errorf("%d failures are remembered, want at most %d", len(b.failures), backOffRoom)
	}
}

func TestBackOffIsNotTheSameForAll(t *testing.T) {
	waits := make(map[time.Duration]bool)
	now := time.Unix(1e9, 0)
	for range 100 {
		var b backOff
		b.failed(target{}, io.EOF, now, maxBackOff)
		waits[b.failures[target{}].until.Sub(now)] = true
	}
	if len(waits) < 50 {
		t.Errorf("100 who fail at once wait %d different times", len(waits))
	}
}

func TestThrottle(t *testing.T) {
	var th throttle
	now := time.Unix(1e9, 0)
	far, near := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("::ffff:10.0.0.7")
	th.block(far, now)
	th.block(near, now)
	err := th.check(far, now.Add(inboundEvery-1))
	if want := "address throttled: one connection in 30s"; !errors.Is(err, ErrThrottled) || err.Error() != want {
		t.Errorf("a far address that comes again: %v, want %q", err, want)
	}
	if err := th.check(far, now.Add(inboundEvery)); err != nil {
		t.Errorf("after inboundEvery: %v", err)
	}
	if err := th.check(near, now); err != nil {
		t.Errorf("a private address is throttled: %v", err)
	}
	for i := range maxFailures {
		if err := th.check(near, now); err != nil {
			t.Fatalf("after %d failures: %v", i, err)
		}
		th.failed(near, now)
	}
	err = th.check(near.Unmap(), now)
	if want := "address throttled: 10 handshakes failed in 10s"; !errors.Is(err, ErrThrottled) || err.Error() != want {
		t.Errorf("after %d failures: %v, want %q", maxFailures, err, want)
	}
	if err := th.check(near, now.Add(failureSpan)); err != nil {
		t.Errorf("after failureSpan: %v", err)
	}
	for i := range 2 * throttleRoom {
		th.failed(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), now)
	}
	if len(th.from) > throttleRoom {
		t.Errorf("%d addresses are remembered, want at most %d", len(th.from), throttleRoom)
	}
}

// One host has 2^64 addresses of IPv6. In a cluster they may be as many members.
func TestThrottleTakesANetworkForOneStranger(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		wide    bool
		a, b    string
		blocked bool
	}{
		{true, "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{true, "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{true, "203.0.113.7", "203.0.113.8", false},
		{true, "fd00::1", "fd00::1", false},
		{false, "2001:db8:0:1::1", "2001:db8:0:1::2", false},
	} {
		th := throttle{wide: tt.wide}
		th.block(netip.MustParseAddr(tt.a), now)
		if err := th.check(netip.MustParseAddr(tt.b), now); (err != nil) != tt.blocked {
			t.Errorf("wide %v: %s came, then %s: %v, want blocked %v", tt.wide, tt.a, tt.b, err, tt.blocked)
		}
	}
}

func TestASlowReaderGetsTheLatest(t *testing.T) {
	r := &reader{news: make(map[node.ID]Event), wake: make(chan struct{}, 1)}
	a := &Peer{session: newStill(node.ID{1})}
	b := &Peer{session: newStill(node.ID{2})}
	r.put(Event{Kind: PeerUp, Peer: a})
	r.put(Event{Kind: PeerUp, Peer: b})
	r.put(Event{Kind: PeerDown, Peer: a})
	first, _ := r.take()
	second, _ := r.take()
	if _, more := r.take(); more || first.Peer != b || second.Peer != a || second.Kind != PeerDown {
		t.Errorf("got %v %v, want b up, a down, no more", first, second)
	}
	r.put(Event{Kind: PeerUp, Peer: a})
	for i := range eventRoom + 5 {
		r.put(Event{Kind: PeerDown, Peer: &Peer{session: newStill(node.ID{3, byte(i), byte(i >> 8)})}})
	}
	up, _ := r.take()
	if len(r.order) != eventRoom-1 || up.Peer != a || up.Missed != 6 {
		t.Errorf("after a flood: %d waiting, first %v with %d missed; want %d, a up, 6", len(r.order), up.Peer.ID().Short(), up.Missed, eventRoom-1)
	}
}

func TestDisconnectionWords(t *testing.T) {
	for _, tt := range []struct {
		reason error
		code   DiscReason
		text   string
		said   string
	}{
		{nil, DiscRequested, "", "peer said: disconnect requested"},
		{DiscTooManyPeers, DiscTooManyPeers, "", "peer said: too many peers"},
		{errors.New("boom"), DiscSubprotocolError, "boom", "peer said: protocol error: boom"},
		{&DisconnectError{Reason: DiscRefused, Text: "unknown CA"}, DiscRefused, "unknown CA", "peer said: refused: unknown CA"},
		{fmt.Errorf("%w: unknown CA", DiscRefused), DiscRefused, "refused: unknown CA", "peer said: refused: unknown CA"},
		{&DisconnectError{Reason: DiscQuitting, Remote: true}, DiscQuitting, "peer said: shutting down", "peer said: peer said: shutting down"},
	} {
		code, text := Disconnection(tt.reason)
		said := (&DisconnectError{Reason: code, Text: text, Remote: true}).Error()
		if code != tt.code || text != tt.text || said != tt.said {
			t.Errorf("Disconnection(%v) = %v, %q, read as %q; want %v, %q, %q", tt.reason, code, text, said, tt.code, tt.text, tt.said)
		}
	}
}

func TestWhoIsGivenUpForANewcomer(t *testing.T) {
	addr := func(last int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(last)}) }
	for _, tt := range []struct {
		name    string
		pending []int // addresses, oldest first
		from    int
		running int // handshakes, those given up too
		want    int // the index of who is given up; -1: the newcomer is turned away
	}{
		{"one each", []int{1, 2, 3}, 4, 3, -1},
		{"from where most come", []int{1, 1, 2}, 1, 3, -1},
		{"it would have as many", []int{1, 1, 2}, 2, 3, -1},
		{"the oldest of the most", []int{2, 1, 1}, 3, 3, 1},
		{"the older of two with as many", []int{3, 2, 2, 1, 1}, 4, 5, 1},
		{"too many that have not ended", []int{2, 1, 1}, 3, 6, -1},
	} {
		c := testCore(node.ID{1}, func(s *Server) { s.MaxPendingPeers = len(tt.pending) })
		c.handshakes = tt.running
		given := -1
		for i, a := range tt.pending {
			c.pending[&handshake{from: addr(a), since: time.Unix(int64(i), 0), stop: func() { given = i }}] = true
		}
		if ok := c.giveWayLocked(&handshake{from: addr(tt.from)}); given != tt.want || ok != (tt.want >= 0) {
			t.Errorf("%s: given up is %d, %v; want %d", tt.name, given, ok, tt.want)
		}
	}
}

// Who dials a node just when its idle session is let go must not be given that.
func TestAnIdleSessionIsLeasedToNobody(t *testing.T) {
	c := testCore(node.ID{1}, nil)
	c.dials = make(map[target]*dialing)
	now := time.Unix(1e9, 0)
	n := &conn{session: newStill(node.ID{2}), inbound: true, epoch: 1, stage: open}
	n.peer = &Peer{core: c, session: n.session, done: make(chan struct{})}
	c.conns[node.ID{2}] = n
	l, _, _, _ := c.share(&node.Node{ID: node.ID{2}})
	if l == nil || c.idle(n.peer, now) || c.idle(n.peer, now.Add(time.Hour)) {
		t.Fatal("a leased peer is idle")
	}
	l.Release()
	if c.idle(n.peer, now.Add(time.Hour+c.cfg.IdleTimeout-1)) || !c.idle(n.peer, now.Add(time.Hour+c.cfg.IdleTimeout)) || c.idle(n.peer, now.Add(2*time.Hour)) {
		t.Error("a peer is not let go once, exactly IdleTimeout after its last lease was seen")
	}
	l, d, wait, err := c.share(&node.Node{ID: node.ID{2}})
	if l != nil || d != nil || wait == nil || err != nil {
		t.Errorf("share = %v, %v, %v, %v; want to wait for the end", l, d, wait, err)
	}
	if n.peer.Lease() != nil || c.lease(node.ID{2}) != nil {
		t.Error("the session is leased")
	}
	if _, err := c.admit(&conn{session: newStill(node.ID{2}), inbound: true}, Hello{Epoch: 1}); err != nil {
		t.Errorf("the node comes again: %v", err)
	}
}

func TestADialThatHasLostLooksForTheWinner(t *testing.T) {
	c := testCore(node.ID{1}, nil)
	id := node.ID{2}
	if c.rivalled(id, io.EOF) || !c.rivalled(id, &DisconnectError{Reason: DiscAlreadyConnected, Remote: true}) {
		t.Error("without a rival, only the peer's word tells of one")
	}
	s := newStill(id)
	c.conns[id] = &conn{session: s, inbound: true, stage: opening}
	if !c.rivalled(id, io.EOF) { // we have closed ours for the rival, and heard of that in the carrier's words
		t.Error("a rival is not seen")
	}
	close(s.done)
	if c.rivalled(id, io.EOF) {
		t.Error("a dead rival counts")
	}
}
