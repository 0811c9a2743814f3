package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/opennet"
	"kith/cmd/kith/internal/why"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// A resident is the side of an open network.
type resident struct {
	node    *opennet.Node
	clients clients
}

func (r *resident) network() admin.Network { return admin.NetOpen }

func (r *resident) close() { r.clients.close() }

func (r *resident) use(ctx context.Context, to admin.Target, f func(*port.Client) error) error {
	n, err := r.resolve(to.Peer)
	if err != nil {
		return err
	}
	connect := func() (*port.Client, error) { return r.node.Connect(ctx, n, to.Port) }
	err = r.clients.use(target{node.Ref{ID: n.ID}, to.Port}, connect, f)
	return r.explain(to, err)
}

// explain goes by why a peer could not be reached before what else may be.
func (r *resident) explain(to admin.Target, err error) error {
	if err == nil {
		return nil
	}
	err = inTheOpen(to, err)
	code, hint := why.Explain(err)
	if hint == "" || code == exit.Timeout {
		return explain(admin.NetOpen, to.Peer, to.Port, err)
	}
	return exit.With(err, code, hint)
}

// inTheOpen puts what was typed where the port package says whom it has asked.
func inTheOpen(to admin.Target, err error) error {
	rest, asked := strings.CutPrefix(err.Error(), "port: connect to ")
	if _, cause, ok := strings.Cut(rest, ": "); asked && ok {
		return &plainError{fmt.Sprintf("port %d of %s: %s", to.Port, to.Peer, cause), err}
	}
	return err
}

func (r *resident) handle(number uint16, name string, mode port.Mode, h port.Handler) error {
	return r.node.Handle(number, name, mode, h)
}

func (r *resident) unhandle(number uint16) { r.node.Unhandle(number) }

// ports are ours: peers of an open network do not tell theirs.
func (r *resident) ports(peer string) ([]admin.Port, error) {
	if peer != "" {
		n, err := r.resolve(peer)
		if err != nil {
			return nil, err
		}
		if n.ID != r.node.Self().ID {
			return nil, exit.Errorf(exit.NotFound, "kith call "+peer+" PORT --net open asks for one", "peers of an open network do not tell their ports")
		}
	}
	var all []admin.Port
	self := r.node.Self()
	for _, p := range r.node.Ports() {
		all = append(all, admin.Port{Network: admin.NetOpen, ID: self.IDText(), Node: r.node.Name(), Number: p.Number, Name: p.Name, Mode: p.Mode.String()})
	}
	return all, nil
}

// pingPort is asked for by ping; it does not matter whether it is there.
const pingPort = 1

// ping asks for a port where the peer has ports; else what the session has
// measured itself must do.
func (r *resident) ping(ctx context.Context, who string) (admin.Pong, error) {
	n, err := r.resolve(who)
	if err != nil {
		return admin.Pong{}, err
	}
	pong := admin.Pong{Schema: admin.Schema, Network: admin.NetOpen, ID: n.IDText(), Name: r.node.Name(), Address: listening(r.node.Addr())}
	to := admin.Target{Peer: who, Port: pingPort}
	var p *p2p.Peer
	if n.ID != r.node.Self().ID {
		lease, err := r.node.Server().Dial(ctx, n)
		if err != nil {
			return pong, r.explain(to, err)
		}
		defer lease.Release()
		p = lease.Peer()
		pong.Name, pong.Address = p.Name(), p.RemoteAddr().String()
	}
	if p != nil && !p.Runs("port") {
		pong.RTT = millis(measured(ctx, p))
		if pong.RTT == 0 {
			return pong, exit.Errorf(exit.Failed, "kith devp2p ping "+p.Node().String()+" measures it", "ping %s: it has no ports, and the session has measured nothing yet", who)
		}
		return pong, nil
	}
	began := time.Now()
	c, err := r.node.Connect(ctx, n, pingPort)
	switch code, _ := classify(admin.NetOpen, who, pingPort, err); {
	case err == nil:
		_ = c.Close()
	case code != exit.NotFound: // no such port is an answer, too
		return pong, r.explain(to, err)
	}
	pong.RTT = millis(time.Since(began))
	return pong, nil
}

// firstRTT is how long a session may take for its first round trip: it pings a
// second after it has opened.
const firstRTT = 3 * time.Second

// measured is the round trip that p's session has measured. It waits for the
// first; 0 if none comes.
func measured(ctx context.Context, p *p2p.Peer) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, firstRTT)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if rtt := p.Stats().RTT; rtt > 0 {
			return rtt
		}
		select {
		case <-look.C:
		case <-p.Done():
			return 0
		case <-ctx.Done():
			return 0
		}
	}
}

// resolve finds who is meant: "self", the text of a node, an id, the name of a
// peer, or the start of a peer's id or key that only one has.
func (r *resident) resolve(who string) (*node.Node, error) {
	if who == "self" {
		return r.node.Self(), nil
	}
	n, err := node.Parse(who)
	switch {
	case err == nil && n.Scheme == node.V4:
		return n, nil
	case strings.Contains(who, ":"):
		if err == nil {
			return nil, exit.Errorf(exit.Usage, "kith peers lists who is connected", "%s is a node of a cluster", who)
		}
		return nil, exit.With(err, exit.Usage, "a node of an open network is enode://… or enr:…")
	case who == "":
		return nil, exit.Errorf(exit.Usage, "kith peers lists who is connected", "no peer is named")
	}
	known := []neighbour{{r.node.Name(), r.node.Self()}}
	for _, p := range r.node.Server().Peers() {
		known = append(known, neighbour{p.Name(), p.Node()})
	}
	return choose(who, known)
}

// A neighbour is us, or a peer.
type neighbour struct {
	name string
	node *node.Node
}

// choose finds somebody by the name, or by the start of the id or the key.
func choose(who string, known []neighbour) (*node.Node, error) {
	var hits []*node.Node
	byName := false
	for _, one := range known {
		n, named := one.node, one.name == who
		if !named && !strings.HasPrefix(n.IDText(), who) && !strings.HasPrefix(strings.TrimPrefix(n.String(), "enode://"), who) {
			continue
		}
		if named && !byName {
			hits, byName = nil, true // a name goes before what only begins so
		}
		if named == byName {
			hits = append(hits, n)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return nil, exit.Errorf(exit.NotFound, "kith peers lists who is connected; an enode:// is dialled", "no peer %q", who)
	}
	var ids []string
	for _, n := range hits {
		ids = append(ids, n.IDText())
	}
	return nil, exit.Errorf(exit.NotFound, "name it by its id, or enough of it", "%q could be any of:\n%s", who, strings.Join(ids, "\n"))
}

func (r *resident) status() admin.OpenStatus {
	self := r.node.Self()
	return admin.OpenStatus{
		ID: self.IDText(), Name: r.node.Name(), Enode: self.String(), Listening: listening(r.node.Addr()),
		Peers: len(r.node.Server().Peers()), MaxPeers: r.node.MaxPeers(), Protocols: texts(r.node.Protocols()),
	}
}

func (r *resident) peers() []admin.Peer {
	var all []admin.Peer
	for _, p := range r.node.Server().Peers() {
		one := peer(p)
		info := p.Info()
		one.Network, one.ID, one.Enode = admin.NetOpen, info.ID, info.Enode
		one.Static, one.Trusted = info.Network.Static, info.Network.Trusted
		all = append(all, one)
	}
	sortPeers(all)
	return all
}

// peer is what both networks say of one.
func peer(p *p2p.Peer) admin.Peer {
	stats := p.Stats()
	one := admin.Peer{
		Name: p.Name(), Address: p.RemoteAddr().String(), Inbound: p.Inbound(), Since: p.Since(), Protocols: texts(p.Running()), Capabilities: texts(p.Caps()),
		Carrier: stats.Carrier, BytesIn: stats.BytesIn, BytesOut: stats.BytesOut,
	}
	if stats.RTT > 0 {
		ms := millis(stats.RTT)
		one.RTT = &ms
	}
	return one
}

func sortPeers(all []admin.Peer) {
	slices.SortFunc(all, func(a, b admin.Peer) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
