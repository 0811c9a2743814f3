package gossip_test

import (
	"context"
	"fmt"
	"log/slog"

	"kith/gossip"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// Two nodes find each other. On a real network the Transport is an
// mtls.Transport, and Key the key of its certificate.
func Example() {
	var net p2ptest.Network
	defer net.Close()

	join := func(name string, seeds ...string) (*p2p.Server, *gossip.Gossip) {
		srv := net.Server(name) // a p2p.Server with a Transport, a ListenAddr and an Epoch
		g := &gossip.Gossip{
			Key: p2ptest.Key(name), Generation: srv.Epoch, Dialer: srv, Seeds: seeds, Name: name,
			Logger: slog.New(slog.DiscardHandler),
		}
		srv.Policy = p2p.OnDemand
		srv.Protocols = []p2p.Protocol{g.Protocol()}
		srv.Discovery = []p2p.Discovery{g}
		if err := srv.Start(); err != nil {
			panic(err)
		}
		return srv, g
	}
	a, _ := join("a")
	defer a.Close()
	b, known := join("b", "a:30303")
	defer b.Close()

	for members := range known.Watch(context.Background()) {
		if len(members) == 2 {
			fmt.Println(members[0].Name, members[0].State)
			fmt.Println(members[1].Name, members[1].State)
			break
		}
	}
	// Output:
	// a alive
	// b alive
}
