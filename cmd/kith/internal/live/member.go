package live

import (
	"context"
	"time"

	"kith/cert"
	"kith/cluster"
	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/gossip"
	"kith/node"
	"kith/port"
)

// A member is the side of a cluster.
type member struct {
	node    *cluster.Node
	clients clients
}

func (c *member) network() admin.Network { return admin.NetCluster }

func (c *member) close() { c.clients.close() }

func (c *member) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.node.Leave(ctx)
}

func (c *member) all() []admin.Member { return c.members(c.node.Members()) }

func (c *member) resolve(peer string) (node.Ref, error) { return resolve(peer, c.node.ID(), c.all()) }

func (c *member) use(ctx context.Context, to admin.Target, f func(*port.Client) error) error {
	ref, err := c.resolve(to.Peer)
	if err != nil {
		return err
	}
	connect := func() (*port.Client, error) { return c.node.Connect(ctx, ref, to.Port) }
	return explain(admin.NetCluster, to.Peer, to.Port, c.clients.use(target{ref, to.Port}, connect, f))
}

func (c *member) handle(number uint16, name string, mode port.Mode, h port.Handler) error {
	return c.node.Handle(number, name, mode, h)
}

func (c *member) unhandle(number uint16) { c.node.Unhandle(number) }

func (c *member) ping(ctx context.Context, peer string) (admin.Pong, error) {
	ref, err := c.resolve(peer)
	if err != nil {
		return admin.Pong{}, err
	}
	took, err := c.node.Ping(ctx, ref)
	if err != nil {
		code, _ := classify(admin.NetCluster, peer, 0, err)
		return admin.Pong{}, exit.With(plain(err), code, "kith members tells how it is with "+name(peer))
	}
	pong := admin.Pong{Schema: admin.Schema, Network: admin.NetCluster, ID: ref.ID.String(), RTT: millis(took)}
	for _, one := range c.all() {
		if one.ID == pong.ID {
			pong.Name, pong.Generation, pong.Address = one.Name, one.Generation, one.Address
			if one.State == "alive" {
				break
			}
		}
	}
	return pong, nil
}

// status fills in what is about the cluster.
func (c *member) status(s *admin.Status) {
	self := c.node.ID()
	s.Network, s.ID, s.Generation, s.Listening = admin.NetCluster, self.ID.String(), self.Generation, listening(c.node.Addr())
	for _, one := range c.all() {
		s.Members++
		if one.State == gossip.Alive.String() {
			s.Alive++
		}
		if one.Self {
			s.Name, s.Advertised = one.Name, list(one.Addresses)
		}
	}
	leaf, alarm := c.node.Certificate()
	if leaf != nil {
		info := cert.Inspect(leaf, time.Now())
		s.Expires, s.DaysLeft = info.NotAfter, &info.DaysLeft
	}
	if alarm != nil {
		s.Alarm = alarm.Error()
	}
}

func (c *member) peers() []admin.Peer {
	var all []admin.Peer
	server := c.node.Server()
	if server == nil {
		return nil
	}
	names := make(map[node.ID]string)
	for _, one := range c.node.Members() {
		names[one.ID] = one.Name
	}
	for _, p := range server.Peers() {
		one := peer(p)
		one.Network, one.ID, one.Generation = admin.NetCluster, p.ID().String(), p.Ref().Generation
		if name := names[p.ID()]; name != "" {
			one.Name = name // it has been proved
		}
		all = append(all, one)
	}
	sortPeers(all)
	return all
}
