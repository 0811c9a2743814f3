package p2p

import (
	"testing"
	"time"

	"kith/node"
)

func TestTheLeastUsefulLeaves(t *testing.T) {
	old, young := time.Unix(1000, 0), time.Unix(2000, 0)
	for _, tt := range []struct {
		name    string
		stays   []stay
		inbound bool
		want    int // index; -1: nobody
	}{
		{"nobody", nil, true, -1},
		{"only of the other kind", []stay{{nil, false, 0, old}}, true, -1},
		{"the fewest messages", []stay{{nil, true, 5, young}, {nil, true, 1, old}, {nil, true, 2, young}}, true, 1},
		{"of two with as few the younger", []stay{{nil, true, 0, old}, {nil, true, 0, young}, {nil, true, 0, old}}, true, 1},
		{"of those we dialled", []stay{{nil, true, 0, old}, {nil, false, 9, young}}, false, 1},
	} {
		for i := range tt.stays {
			tt.stays[i].peer = &Peer{session: newStill(node.ID{byte(i + 1)})}
		}
		got := leastUseful(tt.stays, tt.inbound)
		switch {
		case tt.want < 0 && got != nil:
			t.Errorf("%s: %v leaves, want nobody", tt.name, got.ID())
		case tt.want >= 0 && got != tt.stays[tt.want].peer:
			t.Errorf("%s: %v leaves, want %d", tt.name, got, tt.want)
		}
	}
}

// Who may be asked to leave, and when.
func TestChurnSparesThoseThatAreWanted(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		name string
		edit func(c *core, p *Peer)
		want bool
	}{
		{"a passive one", func(*core, *Peer) {}, true},
		{"a trusted one", func(c *core, p *Peer) { c.trusted[p.ID()] = true }, false},
		{"a static one", func(c *core, p *Peer) { c.static[target{id: p.ID()}] = new(kept) }, false},
		{"one on its way out", func(_ *core, p *Peer) { p.going = ending(DiscQuitting) }, false},
		{"one that is leased", func(_ *core, p *Peer) { p.leases++ }, false},
		{"one while there is room", func(c *core, _ *Peer) { c.cfg.MaxPeers = 2 }, false},
	} {
		c := testCore(node.ID{1}, func(s *Server) { s.Policy, s.MaxPeers = Fill, 1 })
		c.static, c.recent, c.rested = make(map[target]*kept), make(recent), make(recent)
		n := &conn{session: newStill(node.ID{2}), inbound: true, stage: open}
		n.peer = &Peer{core: c, session: n.session, inbound: true, since: now}
		c.conns[node.ID{2}] = n
		tt.edit(c, n.peer)
		if first := c.churn(now.Add(time.Second)); len(first) != 0 {
			t.Errorf("%s: it has to leave though it was not there all the time", tt.name)
		}
		leave := c.churn(now.Add(time.Hour))
		if (len(leave) == 1) != tt.want {
			t.Errorf("%s: %d have to leave, want that: %v", tt.name, len(leave), tt.want)
		}
		if again := c.churn(now.Add(2 * time.Hour)); len(again) != 0 {
			t.Errorf("%s: it has to leave twice", tt.name)
		}
	}
}
