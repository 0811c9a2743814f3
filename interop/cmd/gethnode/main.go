// Command gethnode runs nodes on go-ethereum's p2p package as puppets of a test.
package main

import (
	"flag"
	"fmt"
	"os"

	"kith/interop/puppet"
)

func main() {
	c := new(config)
	flag.StringVar(&c.key, "key", "", "private key of the first node in hex; empty for a new one")
	flag.StringVar(&c.listen, "listen", "127.0.0.1", "host of the first node; the next has the next address")
	flag.IntVar(&c.maxPeers, "max", 50, "the most peers of a node")
	flag.StringVar(&c.protos, "protos", "MyProtocol,blob,flood", "what the nodes speak")
	count := flag.Int("n", 1, "how many nodes")
	flag.Parse()
	if err := run(c, *count); err != nil {
		fmt.Fprintln(os.Stderr, "gethnode:", err)
		os.Exit(1)
	}
}

func run(c *config, count int) error {
	out := puppet.NewOut(os.Stdout)
	var nodes []puppet.Node
	var actors []*puppet.Actor
	for i := range count {
		a := puppet.NewActor(i, out)
		n, err := c.start(i, a)
		if err != nil {
			return err
		}
		nodes, actors = append(nodes, n), append(actors, a)
	}
	return puppet.Play(os.Stdin, out, nodes, actors)
}
