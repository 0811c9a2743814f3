package main

import (
	"slices"
	"strconv"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
)

type portsCmd struct {
	Peer string  `arg:"" optional:"" help:"Whose ports: self, a name, an id or the start of one. None means everybody's."`
	Net  netFlag `help:"The network: cluster or open. As a rule both." placeholder:"NETWORK"`
}

func (portsCmd) Help() string {
	return "The services of the members, and this node's own in the open network, where peers do not tell theirs.\n\nExample:\n\n    kith ports\n    kith ports b -o json\n    kith ports self --net open"
}

func (c *portsCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	doc, err := client.Ports(a.ctx, c.Net.network(), c.Peer)
	if err != nil {
		return err
	}
	return a.Print(doc, func() *show.Table {
		open := slices.ContainsFunc(doc.Ports, func(p admin.Port) bool { return p.Network == admin.NetOpen })
		t := &show.Table{Columns: []show.Column{{Name: "NODE"}, {Name: "PORT"}, {Name: "NAME"}, {Name: "MODE"}, {Name: "NETWORK", Wide: !open}, {Name: "WHOLE ID", Wide: true}}}
		for _, p := range doc.Ports {
			t.Row(p.Node, strconv.Itoa(int(p.Number)), p.Name, p.Mode, string(p.Network), p.ID)
		}
		if len(doc.Ports) == 0 {
			t.Notes = []string{"No ports. kith serve PORT -- COMMAND offers one"}
		}
		return t
	})
}
