package port_test

import (
	"context"
	"fmt"
	"strings"

	"kith/p2p"
	"kith/p2p/p2ptest"
	"kith/port"
)

// Two nodes in a network in memory; with another Transport it is the same
// program.
func Example() {
	ctx := context.Background()
	net := new(p2ptest.Network)
	defer net.Close()

	var far port.Mux
	far.Handle(8080, "shout", port.Request, port.HandlerFunc(func(ctx context.Context, m *port.Message) ([]byte, error) {
		return []byte(strings.ToUpper(string(m.Data))), nil
	}))
	server := &p2p.Server{
		Transport: net.Transport("far"), ListenAddr: "far:30303",
		Policy: p2p.OnDemand, Protocols: []p2p.Protocol{far.Protocol()},
	}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer far.Close()
	defer server.Close()

	var near port.Mux
	client := &p2p.Server{
		Transport: net.Transport("near"),
		Policy:    p2p.OnDemand, Protocols: []p2p.Protocol{near.Protocol()},
	}
	if err := client.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer near.Close()
	defer client.Close()

	c, err := near.Connect(ctx, client, net.Transport("far").Node(30303), 0, 8080)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	reply, err := c.Request(ctx, []byte("hello"))
	fmt.Println(c.Name(), c.Mode(), string(reply), err)
	fmt.Println(strings.Contains(c.Send(ctx, nil).Error(), "wrong mode: the port takes requests only"))

	// Output:
	// shout request HELLO <nil>
	// true
}
