// Command cluster is a node of a private cluster that offers a port and calls
// the others.
package main

import (
	"context"
	"log"

	"kith/cluster"
	"kith/port"
)

func main() {
	n := &cluster.Node{CA: "ca.pem", Cert: "a.crt", Key: "a.key", ListenAddr: ":38080", Seeds: []string{"localhost:38081"}}
	echo := func(_ context.Context, m *port.Message) ([]byte, error) { return m.Data, nil }
	if err := n.Handle(8080, "echo", port.Request, port.HandlerFunc(echo)); err != nil {
		log.Fatal(err)
	}
	if err := n.Start(); err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	for _, m := range n.Members() {
		c, err := n.Connect(context.Background(), m.Ref(), 8080)
		if err != nil {
			log.Print(err)
			continue
		}
		defer c.Close()
		reply, err := c.Request(context.Background(), []byte("hello"))
		log.Println(m.Name, reply, err)
	}
}
