package p2p

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

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

func TestSharedProtocols(t *testing.T) {
	ours := []Protocol{{Name: "b", Version: 2}, {Name: "b", Version: 1}, {Name: "a", Version: 1}, {Name: "c", Version: 3}}
	got := shared(ours, []Cap{{"a", 1}, {"b", 1}, {"b", 2}, {"b", 3}, {"c", 4}})
	if len(got) != 2 || got[0].Cap() != (Cap{"a", 1}) || got[1].Cap() != (Cap{"b", 2}) {
		t.Errorf("shared = %v, want a/1 b/2", got)
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

func TestTheOneWhoLosesItsPlaceIsDownFirst(t *testing.T) {
	id := node.ID{2}
	for name, tt := range map[string]struct {
		going *DisconnectError
		want  error
	}{"replaced": {nil, DiscSuperseded}, "on its way out": {ending(DiscIdle), DiscIdle}} {
		c := testCore(node.ID{1}, nil)
		c.dials = make(map[target]*dialing)
		r := newReader()
		c.feed.add(r)
		old, n := &conn{session: newStill(id), stage: open}, &conn{session: newStill(id), stage: opening}
		old.peer = &Peer{core: c, session: old.session, going: tt.going}
		c.conns[id] = old
		c.takeLocked(n, DiscSuperseded)
		e, ok := r.take()
		if !ok || e.Kind != PeerDown || e.Peer != old.peer || !errors.Is(e.Err, tt.want) {
			t.Errorf("%s: the news is %v %v, want down, %v", name, e.Kind, e.Err, tt.want)
		}
		if err := c.enter(old, old.peer); !errors.Is(err, DiscAlreadyConnected) || c.conns[id] != n {
			t.Errorf("%s: the old one enters: %v, want already connected", name, err)
		}
	}
}
