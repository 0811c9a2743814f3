package machine

import (
	"crypto"
	"errors"
	"testing"

	"kith/gossip/internal/wire"
	"kith/node"
)

// recordOf is one of a node that nobody knows, changed before and after it is
// signed.
func recordOf(t *testing.T, id byte, change func(r *wire.Record)) *wire.Record {
	t.Helper()
	x := node.ID{id, 1, 2, 3}
	r := &wire.Record{ID: x, Generation: 5, Incarnation: 1, Name: "x", Addresses: []string{"10.9.9.9:1"}, Version: [3]uint16{0, 1, 0}}
	if change != nil {
		change(r)
	}
	r, err := r.Seal(crypto.PublicKey(x[:]), (&simNotary{id: x}).Sign)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An honest member may pass on what we cannot read or do not take: its session
// goes on, and what else it says is taken.
func TestRecordsOfOtherVersionsArePassedOver(t *testing.T) {
	s := running(t, 5)
	m := s.nodes[1].m
	other := append([]byte(nil), recordOf(t, 7, nil).Raw()...)
	other[1+64] = 2 // the version; the signature no longer holds, but nobody looks
	major := recordOf(t, 8, func(r *wire.Record) { r.Version = [3]uint16{1, 0, 0} })
	minor := recordOf(t, 9, func(r *wire.Record) { r.Version = [3]uint16{0, 2, 0} })
	list := []wire.Entry{
		{Kind: wire.EntryRecord, Body: other},
		{Kind: 99, Body: []byte("an entry to come")},
		{Kind: wire.EntryRecord, Body: major.Raw()},
		{Kind: wire.EntryRecord, Body: minor.Raw()},
	}
	s.tell(1, 2, wire.KindNews, wire.AppendEntries(nil, list))
	for _, c := range []struct {
		rec  *wire.Record
		want bool
	}{{major, false}, {minor, true}} {
		if got := m.Lookup(c.rec.ID) != nil; got != c.want {
			t.Errorf("a member of version %v is known: %v, want %v", c.rec.Version, got, c.want)
		}
	}
	if m.Stats().Foreign != 2 {
		t.Errorf("Foreign = %d, want 2", m.Stats().Foreign)
	}
	for kind := wire.KindTable + 1; kind < wire.Codes; kind++ {
		s.tell(1, 2, kind, []byte("a message to come"))
	}
}

// Who joins itself is told.
func TestWhoCannotJoinForItsVersionIsTold(t *testing.T) {
	s := running(t, 3)
	other := append([]byte(nil), recordOf(t, 7, nil).Raw()...)
	other[1+64] = 2
	for want, raw := range map[string][]byte{
		"gossip: record of version 2, only version 1 is read here": other,
		"gossip: version 1.2.3 cannot join those of version 0.1.0": recordOf(t, 8, func(r *wire.Record) { r.Version = [3]uint16{1, 2, 3} }).Raw(),
	} {
		join := wire.Join{Entries: []wire.Entry{{Kind: wire.EntryRecord, Body: raw}}}
		err := s.nodes[0].m.Receive(s.now, node.Ref{ID: node.ID{7, 1, 2, 3}, Generation: 5}, wire.KindJoin, join.Append(nil))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Full || err.Error() != want {
			t.Errorf("Receive = %v, want a RefusedError: %s", err, want)
		}
	}
}
