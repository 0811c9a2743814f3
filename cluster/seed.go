package cluster

import (
	"context"
	"fmt"
	"strings"

	"kith/node"
	"kith/p2p"
)

// seeds are the members to join by.
type seeds struct {
	hosts  []string
	pinned map[string]node.ID // who must answer, by host
}

func parseSeeds(texts []string) (seeds, error) {
	s := seeds{pinned: make(map[string]node.ID)}
	for _, text := range texts {
		n := &node.Node{Hosts: []string{text}}
		err := node.CheckHost(text)
		if strings.Contains(text, "://") {
			n, err = node.Parse(text)
			if err == nil && n.Scheme != node.Cert {
				err = fmt.Errorf("%.40q is a node of an open network: %w", text, node.ErrBadNode)
			}
		}
		if err == nil && len(n.Hosts) == 0 {
			err = fmt.Errorf("%q has no address: %w", text, node.ErrBadNode)
		}
		if err != nil {
			return s, fmt.Errorf("cluster: start: seed: %w", err)
		}
		for _, h := range n.Hosts {
			s.hosts = append(s.hosts, h)
			if !n.ID.IsZero() {
				s.pinned[h] = n.ID
			}
		}
	}
	return s, nil
}

// A seedDialer knows who must answer at some addresses.
type seedDialer struct {
	dialer p2p.Dialer
	pinned map[string]node.ID
}

func (d *seedDialer) Dial(ctx context.Context, n *node.Node) (*p2p.Lease, error) {
	if n.ID.IsZero() && len(n.Hosts) == 1 {
		n = &node.Node{ID: d.pinned[n.Hosts[0]], Scheme: n.Scheme, Hosts: n.Hosts}
	}
	return d.dialer.Dial(ctx, n)
}
