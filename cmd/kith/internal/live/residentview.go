package live

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
	"kith/p2p"
)

func (r *resident) events(ctx context.Context) iter.Seq[admin.Event] {
	events := r.node.Server().Events(ctx)
	return func(yield func(admin.Event) bool) {
		for e := range events {
			if e.Kind != p2p.PeerUp && e.Kind != p2p.PeerDown {
				continue
			}
			if !yield(newsOfPeer(e)) {
				return
			}
		}
	}
}

func newsOfPeer(e p2p.Event) admin.Event {
	p := e.Peer
	n := p.Node()
	out := admin.Event{
		Schema: admin.Schema, Network: admin.NetOpen, Time: time.Now(), Kind: "connected", ID: n.IDText(), Name: p.Name(), Address: p.RemoteAddr().String(), Missed: e.Missed,
	}
	if e.Kind == p2p.PeerDown {
		out.Kind = "gone"
	}
	out.Text = "open " + Sentence(e)
	return out
}

// Sentence tells of a peer that has come or gone: "peer connected 3f9a01c2 (from
// 10.0.0.7:51000, "my node name"), MyProtocol/1".
func Sentence(e p2p.Event) string {
	p := e.Peer
	who := p.Node().Short()
	if e.Kind == p2p.PeerDown {
		text := "peer gone " + who
		if e.Err != nil {
			text += ": " + show.Tame(e.Err.Error(), 200)
		}
		return text
	}
	where := "from " + p.RemoteAddr().String()
	if !p.Inbound() {
		where = "at " + p.RemoteAddr().String()
	}
	runs := "no protocol"
	if all := texts(p.Running()); len(all) > 0 {
		runs = strings.Join(all, ", ")
	}
	return fmt.Sprintf("peer connected %s (%s, %q), %s", who, where, show.Tame(p.Name(), 60), runs)
}

func texts(caps []p2p.Cap) []string {
	all := []string{}
	for _, c := range caps {
		all = append(all, c.String())
	}
	return all
}
