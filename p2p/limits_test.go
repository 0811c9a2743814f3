package p2p

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"kith/node"
)

func TestFillRemembersFew(t *testing.T) {
	r, now := make(recent), time.Unix(1e9, 0)
	one := target{id: node.ID{1}}
	if !r.add(one, now) || r.add(one, now.Add(redialAfter)) || !r.add(one, now.Add(redialAfter+1)) {
		t.Error("a node is not left alone for exactly redialAfter")
	}
	for i := range 2 * recentRoom {
		r.add(target{id: node.ID{2, byte(i), byte(i >> 8)}}, now)
	}
	if len(r) > recentRoom {
		t.Errorf("%d nodes are remembered, want at most %d", len(r), recentRoom)
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
	th.block(far, now)
	th.relent(far, now)
	if early, late := th.check(far, now.Add(relentAfter-1)), th.check(far, now.Add(relentAfter)); early == nil || late != nil {
		t.Errorf("given up for another: %v just before relentAfter, %v then", early, late)
	}
	th.relent(near.Next(), now)
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
	r := newReader()
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

func TestWhoIsGivenUpForANewcomer(t *testing.T) {
	const nobody, any = -1, -2
	addr := func(last int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(last)}) }
	for _, tt := range []struct {
		name    string
		policy  Policy
		pending []int // addresses, oldest first; negative: a friend's
		from    int
		after   time.Duration // after the last of them
		running int           // handshakes, those given up too
		want    int           // the index of who is given up; nobody: the newcomer is turned away
	}{
		{"one each", OnDemand, []int{1, 2, 3}, 4, 0, 3, nobody},
		{"from where most come", OnDemand, []int{1, 1, 2}, 1, 0, 3, nobody},
		{"it would have as many", OnDemand, []int{1, 1, 2}, 2, 0, 3, nobody},
		{"the oldest of the most", OnDemand, []int{2, 1, 1}, 3, 0, 3, 1},
		{"the older of two with as many", OnDemand, []int{3, 2, 2, 1, 1}, 4, 0, 5, 1},
		{"too many that have not ended", OnDemand, []int{2, 1, 1}, 3, 0, 6, nobody},
		{"one each, the oldest just not slow", OnDemand, []int{1, 2, 3}, 4, slowHandshake - 3, 3, nobody},
		{"one each, the oldest slow", OnDemand, []int{1, 2, 3}, 4, slowHandshake - 2, 3, 0},
		{"it would have as many, and they are slow", OnDemand, []int{2, 1, 1}, 1, time.Second, 3, 0},
		{"one each, in the open", Fill, []int{1, 2, 3}, 4, 0, 3, any},
		{"one each, in the open, from there", Fill, []int{1, 2, 3}, 3, 0, 3, nobody},
		{"one each, in the open, too many have not ended", Fill, []int{1, 2, 3}, 4, 0, 6, nobody},
		{"a friend", OnDemand, []int{1, 2, 3}, -4, 0, 3, 0},
		{"a second one of a friend's", Fill, []int{1, 2, -3}, -3, 0, 3, nobody},
		{"a friend, though too many have not ended", Fill, []int{1, 2, 3}, -4, 0, 6, 0},
		{"a friend, and far too many have not ended", Fill, []int{1, 2, 3}, -4, 0, 9, nobody},
		{"a second one of a friend's, too many have not ended", Fill, []int{1, 2, -3}, -3, time.Second, 6, nobody},
		{"from a friend's address come most", Fill, []int{-3, -3, -3}, 4, 0, 3, 0},
		{"a friend's stays", Fill, []int{-1, 2, -3}, 4, time.Second, 3, 1},
		{"all are friends'", Fill, []int{-1, -2, -3}, -4, time.Second, 3, nobody},
	} {
		c := testCore(node.ID{1}, func(s *Server) { s.MaxPendingPeers, s.Policy = len(tt.pending), tt.policy })
		c.handshakes = tt.running
		given := nobody
		come := func(a, i int) *handshake {
			return &handshake{from: addr(max(a, -a)), friend: a < 0, since: time.Unix(0, int64(i)), stop: func() { given = i }}
		}
		for i, a := range tt.pending {
			c.pending[come(a, i)] = true
		}
		newcomer := come(tt.from, len(tt.pending)-1)
		newcomer.since = newcomer.since.Add(tt.after)
		ok := c.giveWayLocked(newcomer)
		if tt.want == any && given >= 0 {
			given = any
		}
		if given != tt.want || ok != (tt.want != nobody) || ok && len(c.pending) != len(tt.pending)-1 {
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

func TestWhoAsksForEventsAtTheEndIsTold(t *testing.T) {
	var f feed
	f.close()
	r := newReader()
	f.add(r)
	if !r.closed || len(f.readers) != 0 {
		t.Error("a reader waits for a feed that has ended")
	}
}
