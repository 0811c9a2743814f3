package p2p

import (
	"net/netip"
	"slices"

	"kith/node"
)

// permitted tells whether a peer may be at addr.
func (c *config) permitted(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("") // a Prefix contains no address that has one
	return len(c.NetRestrict) == 0 || slices.ContainsFunc(c.NetRestrict, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// within is n without the addresses where no peer may be. Names stay: what they
// stand for is known when they are dialled.
func (c *core) within(n *node.Node) (*node.Node, error) {
	hosts := slices.DeleteFunc(slices.Clone(n.Hosts), func(h string) bool {
		ap, err := netip.ParseAddrPort(h)
		return err == nil && !c.cfg.permitted(ap.Addr())
	})
	switch {
	case len(hosts) == len(n.Hosts):
		return n, nil
	case len(hosts) == 0:
		return nil, c.restricted()
	}
	m := *n
	m.Hosts = hosts
	return &m, nil
}

// restricted counts, and is the error.
func (c *core) restricted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.restricted++
	return ErrRestricted
}
