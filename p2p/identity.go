package p2p

import (
	"fmt"
	"net/netip"
	"slices"

	"kith/crypto"
	"kith/node"
)

// identify makes the Transport of PrivateKey.
func (c *config) identify() {
	if c.PrivateKey != nil {
		c.Transport = newRLPx(c.PrivateKey, c.permitted)
	}
}

// local is the node that we are.
func (c *config) local() *node.Local {
	if c.PrivateKey != nil {
		return node.NewLocalV4(c.PrivateKey)
	}
	return node.NewLocal(c.Transport.ID(), node.Cert)
}

// describe puts what the protocols tell of themselves into our record.
func (c *core) describe() error {
	if c.scheme != node.V4 {
		return nil
	}
	for _, p := range c.cfg.Protocols {
		for key, v := range p.Attributes {
			if err := c.local.Set(key, v); err != nil {
				return fmt.Errorf("p2p: start: protocol %s: %w", p.Cap(), err)
			}
		}
	}
	return nil
}

// advertise tells where we can be dialled, as far as that is known: where we
// listen. In an open network one who listens at all addresses is said to be on
// loopback, until somebody knows better.
func (c *core) advertise() {
	at, err := netip.ParseAddrPort(c.ln.Addr().String())
	switch {
	case err != nil:
	case !at.Addr().IsUnspecified():
		c.local.SetHosts([]string{c.ln.Addr().String()})
	case c.scheme == node.V4:
		c.local.SetHosts([]string{netip.AddrPortFrom(loopback, at.Port()).String()})
	}
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// short names a node in logs.
func (c *core) short(id node.ID) string { return c.scheme.Short(id) }

// keyed is what a Session offers whose peer proves a key: RLPx.
type keyed interface{ RemoteKey() *crypto.PublicKey }

// Node is the peer as others may dial it: at the addresses that we have dialled,
// or at the port where it says that it listens. It has no Hosts if it does not.
// The node belongs to the caller.
func (p *Peer) Node() *node.Node {
	if p.dialled != nil {
		n := *p.dialled
		n.ID, n.Scheme, n.Hosts = p.ID(), p.core.scheme, slices.Clone(n.Hosts)
		return &n
	}
	n := &node.Node{ID: p.ID(), Scheme: p.core.scheme}
	if k, ok := p.session.(keyed); ok {
		n.Key = k.RemoteKey()
	}
	if p.hello.ListenPort != 0 {
		n.Hosts = []string{netip.AddrPortFrom(p.RemoteAddr().Addr(), p.hello.ListenPort).String()}
	}
	return n
}
