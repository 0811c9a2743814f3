package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
)

type peersCmd struct {
	Net netFlag `help:"The network: cluster or open. As a rule both." placeholder:"NETWORK"`
}

func (peersCmd) Help() string {
	return "The nodes that are connected now, in either network. A member of the cluster need not be connected: sessions are opened when somebody needs them.\n\nExample:\n\n    kith peers\n    kith peers --net open -o json"
}

func (c *peersCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	doc, err := client.Peers(a.ctx, c.Net.network())
	if err != nil {
		return err
	}
	return a.Print(doc, func() *show.Table { return peersTable(doc.Peers, time.Now()) })
}

// maxName is how much of a name that a stranger has given itself is shown.
const maxName = 32

func peersTable(peers []admin.Peer, now time.Time) *show.Table {
	t := &show.Table{Columns: []show.Column{
		{Name: "NETWORK"},
		{Name: "NAME"},
		{Name: "ID"},
		{Name: "ADDRESS"},
		{Name: "DIALLED"},
		{Name: "PROTOCOLS"},
		{Name: "RTT"},
		{Name: "FOR"},
		{Name: "CAPABILITIES", Wide: true},
		{Name: "CARRIER", Wide: true},
		{Name: "IN", Wide: true},
		{Name: "OUT", Wide: true},
		{Name: "KEPT", Wide: true},
		{Name: "WHOLE ID", Wide: true},
		{Name: "ENODE", Wide: true},
	}}
	for _, p := range peers {
		dialled := "by us"
		if p.Inbound {
			dialled = "by them"
		}
		t.Row(string(p.Network), show.Tame(p.Name, maxName), peerID(p.Network, p.ID), p.Address, dialled, show.Tame(strings.Join(p.Protocols, ","), 200),
			optional(p.RTT, millis), span(now.Sub(p.Since)), show.Tame(strings.Join(p.Capabilities, ","), 200), p.Carrier,
			strconv.FormatUint(p.BytesIn, 10), strconv.FormatUint(p.BytesOut, 10), kept(p), p.ID, p.Enode)
	}
	counts := make(map[admin.Network]int)
	for _, p := range peers {
		counts[p.Network]++
	}
	var parts []string
	for _, net := range []admin.Network{admin.NetCluster, admin.NetOpen} {
		if counts[net] > 0 {
			parts = append(parts, fmt.Sprintf("%d in the %s", counts[net], netWords[net]))
		}
	}
	t.Notes = []string{strings.TrimSuffix(plural(len(peers), "peer")+": "+strings.Join(parts, ", "), ": ") + "."}
	return t
}

var netWords = map[admin.Network]string{admin.NetCluster: "cluster", admin.NetOpen: "open network"}

// peerID is how each network shortens ids.
func peerID(net admin.Network, id string) string {
	if net == admin.NetOpen {
		return id[:min(len(id), 8)]
	}
	return shortID(id)
}

func kept(p admin.Peer) string {
	var words []string
	if p.Static {
		words = append(words, "static")
	}
	if p.Trusted {
		words = append(words, "trusted")
	}
	return strings.Join(words, ",")
}
