package gossip

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"kith/gossip/internal/machine"
	"kith/gossip/internal/wire"
	"kith/node"
	"kith/p2p"
)

func TestWhichEndsOfASessionAreHints(t *testing.T) {
	remote := func(r p2p.DiscReason) error { return &p2p.DisconnectError{Reason: r, Remote: true} }
	local := func(r p2p.DiscReason) error { return &p2p.DisconnectError{Reason: r} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{io.EOF, true},
		{fmt.Errorf("mtls: session: %w: connection reset", p2p.DiscNetworkError), true},
		{local(p2p.DiscNetworkError), true},
		{remote(p2p.DiscQuitting), true},
		{remote(p2p.DiscIdle), false},
		{remote(p2p.DiscRequested), false},
		{remote(p2p.DiscAlreadyConnected), false},
		{remote(p2p.DiscSuperseded), false},
		{local(p2p.DiscSuperseded), false},
		{local(p2p.DiscQuitting), false},
		{local(p2p.DiscIdle), false},
		{fmt.Errorf("mtls: nothing heard for 7s: %w", p2p.DiscReadTimeout), false},
		{p2p.DiscIdle, false},
		{net.ErrClosed, false},
	} {
		if got := hint(c.err); got != c.want {
			t.Errorf("hint(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

// idleEngine has one link whose sender never runs.
func idleEngine() (*engine, *link) {
	l := &link{id: node.ID{1}, sending: true}
	return &engine{links: map[node.ID]*link{l.id: l}}, l
}

func TestAFullOutboxDropsTheOldest(t *testing.T) {
	e, l := idleEngine()
	for i := range maxQueue + 3 {
		e.putLocked(&machine.Send{To: l.id, Kind: wire.KindNews, Payload: []byte{byte(i), byte(i >> 8)}})
	}
	if len(l.queue) != maxQueue || e.count.Dropped != 3 || e.queued != 2*maxQueue {
		t.Errorf("%d queued with %d bytes, %d dropped; want %d, %d, 3", len(l.queue), e.queued, e.count.Dropped, maxQueue, 2*maxQueue)
	}
	if first := l.queue[0].payload[0]; first != 3 {
		t.Errorf("the oldest left is %d, want 3", first)
	}
}

// A peer that does not read fills the budget of all, and pays for it alone.
func TestAllOutboxesShareABudget(t *testing.T) {
	e, deaf := idleEngine()
	l := &link{id: node.ID{2}, sending: true}
	e.links[l.id] = l
	e.putLocked(&machine.Send{To: l.id, Kind: wire.KindNews, Payload: []byte("first")})
	big := make([]byte, wire.MaxMessage)
	for range maxQueued/len(big) + 5 {
		e.putLocked(&machine.Send{To: deaf.id, Kind: wire.KindTable, Payload: big})
	}
	if e.queued > maxQueued || e.count.Dropped == 0 {
		t.Errorf("%d bytes queued, %d dropped; want <= %d", e.queued, e.count.Dropped, maxQueued)
	}
	for range 20 {
		e.putLocked(&machine.Send{To: l.id, Kind: wire.KindNews, Payload: big})
	}
	if len(l.queue) != 21 || e.queued > maxQueued || e.queued != l.bytes+deaf.bytes {
		t.Errorf("%d messages wait for who reads, want 21; %d bytes of %d and %d", len(l.queue), e.queued, l.bytes, deaf.bytes)
	}
	deaf.clearLocked(e)
	l.clearLocked(e)
	if e.queued != 0 || deaf.bytes != 0 {
		t.Errorf("%d bytes counted in empty outboxes", e.queued)
	}
}

// Nobody can have us dial without end.
func TestDialsAreBounded(t *testing.T) {
	e, l := idleEngine()
	for range maxDials {
		if !e.mayDialLocked(l) {
			t.Fatalf("dial %d is refused", e.dialing)
		}
	}
	e.putLocked(&machine.Send{To: l.id, Kind: wire.KindNews, Payload: []byte("late")})
	if e.connect(l) || len(l.queue) != 0 || e.count.Dropped != 1 {
		t.Errorf("dial %d: %d messages wait, %d dropped; want none, 1", maxDials+1, len(l.queue), e.count.Dropped)
	}
	l.partner = true
	if !e.mayDialLocked(l) {
		t.Error("a neighbour is not dialled")
	}
}

func TestOnlyTheNewestHeartbeatWaits(t *testing.T) {
	e, l := idleEngine()
	for i := range 5 {
		e.putLocked(&machine.Send{To: l.id, Kind: wire.KindHeartbeat, Payload: []byte{byte(i)}})
	}
	if l.beat == nil || l.beat.payload[0] != 4 || e.count.DroppedBeats != 4 || len(l.queue) != 0 {
		t.Errorf("beat %v, %d dropped, %d queued", l.beat, e.count.DroppedBeats, len(l.queue))
	}
}

// One peer that says so cannot end us; two can, and so can the only other one.
func TestWhoIsBelievedThatWeAreSuperseded(t *testing.T) {
	said := &p2p.DisconnectError{Reason: p2p.DiscSuperseded, Remote: true}
	if d := (*p2p.DisconnectError)(nil); !errors.As(fmt.Errorf("dial: %w", said), &d) {
		t.Fatal("a wrapped reason is not found")
	}
	ours := &p2p.DisconnectError{Reason: p2p.DiscSuperseded}
	e := &engine{rivals: map[node.ID]bool{}}
	e.rivalLocked(0, node.ID{1}, ours)
	e.rivalLocked(0, node.ID{1}, io.EOF)
	if len(e.rivals) != 0 {
		t.Error("our own decision about a peer was taken for its word about us")
	}
}
