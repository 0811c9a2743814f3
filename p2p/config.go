package p2p

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kith/node"
)

// What a zero field of a Server means.
const (
	DefaultMaxPeers         = 50   // Policy Fill
	DefaultMaxPeersOnDemand = 4096 // Policy OnDemand
	DefaultMaxPendingPeers  = 50
	DefaultDialRatio        = 3
	DefaultDialTimeout      = 15 * time.Second
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultIdleTimeout      = 2 * time.Minute
	defaultName             = "kith"
)

// config is a copy of a Server's fields with the defaults filled in.
type config struct {
	*Server
	log *slog.Logger
}

func (s *Server) config() config {
	c := config{Server: &Server{
		Name: cmp.Or(s.Name, defaultName), Version: s.Version, PrivateKey: s.PrivateKey, Transport: s.Transport, ListenAddr: s.ListenAddr,
		Protocols: slices.Clone(s.Protocols), Policy: s.Policy, Epoch: s.Epoch, Discovery: slices.Clone(s.Discovery), Filter: s.Filter,
		StaticNodes: slices.Clone(s.StaticNodes), BootstrapNodes: slices.Clone(s.BootstrapNodes), TrustedNodes: s.TrustedNodes,
		NetRestrict: slices.Clone(s.NetRestrict), NoDial: s.NoDial, EnableMsgEvents: s.EnableMsgEvents, ChurnInterval: s.ChurnInterval,
		MaxPeers:         cmp.Or(s.MaxPeers, DefaultMaxPeers),
		MaxPendingPeers:  cmp.Or(s.MaxPendingPeers, DefaultMaxPendingPeers),
		DialRatio:        cmp.Or(s.DialRatio, DefaultDialRatio),
		DialTimeout:      cmp.Or(s.DialTimeout, DefaultDialTimeout),
		HandshakeTimeout: cmp.Or(s.HandshakeTimeout, DefaultHandshakeTimeout),
		IdleTimeout:      cmp.Or(s.IdleTimeout, DefaultIdleTimeout),
	}, log: s.Logger}
	if s.MaxPeers == 0 && s.Policy == OnDemand {
		c.MaxPeers = DefaultMaxPeersOnDemand
	}
	if c.Version == [3]uint16{} {
		c.Version = [3]uint16{0, 1, 0}
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c
}

// check says what is wrong with the fields.
func (c *config) check() error {
	switch {
	case c.Transport == nil && c.PrivateKey == nil:
		return ErrNoTransport
	case c.Transport != nil && c.PrivateKey != nil:
		return ErrTwoTransports
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxPeers", int64(c.MaxPeers)},
		{"MaxPendingPeers", int64(c.MaxPendingPeers)},
		{"DialRatio", int64(c.DialRatio)},
		{"DialTimeout", int64(c.DialTimeout)},
		{"HandshakeTimeout", int64(c.HandshakeTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
		{"ChurnInterval", int64(c.ChurnInterval)},
	} {
		if f.value < 0 {
			return fmt.Errorf("p2p: start: %s is negative", f.name)
		}
	}
	if c.Policy > OnDemand {
		return fmt.Errorf("p2p: start: Policy is %d, must be Fill or OnDemand", c.Policy)
	}
	if err := c.checkNodes(); err != nil {
		return err
	}
	if err := c.checkProtocols(); err != nil {
		return err
	}
	if c.PrivateKey != nil {
		if err := rlpxHelloOf(Hello{Name: c.Name, Caps: caps(c.Protocols)}).Check(); err != nil {
			return fmt.Errorf("p2p: start: Name and Protocols: %w", fromRLPx(err))
		}
	}
	return nil
}

func (c *config) checkNodes() error {
	if c.NoDial && len(c.StaticNodes) > 0 {
		return errors.New("p2p: start: NoDial is set, but StaticNodes are to be dialled")
	}
	for kind, nodes := range map[string][]*node.Node{"static": c.StaticNodes, "boot": c.BootstrapNodes} {
		for _, n := range nodes {
			if n == nil || n.ID.IsZero() && len(n.Hosts) == 0 {
				return fmt.Errorf("p2p: start: a %s node has neither ID nor Hosts", kind)
			}
		}
	}
	for _, p := range c.NetRestrict {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("p2p: start: NetRestrict: %s is neither a prefix of IPv4 nor of IPv6", p)
		}
	}
	return nil
}

func (c *config) checkProtocols() error {
	seen := make(map[Cap]bool)
	for _, p := range c.Protocols {
		switch {
		case p.Name == "" || len(p.Name) > 64:
			return fmt.Errorf("p2p: start: protocol %q: the name must have 1 to 64 bytes", p.Name)
		case p.Length < 1 || p.Length > 1<<16:
			return fmt.Errorf("p2p: start: protocol %s: Length is %d, must be 1 to 65536", p.Cap(), p.Length)
		case p.MaxMessage < 0:
			return fmt.Errorf("p2p: start: protocol %s: MaxMessage is negative", p.Cap())
		case p.Run == nil:
			return fmt.Errorf("p2p: start: protocol %s: no Run", p.Cap())
		case seen[p.Cap()]:
			return fmt.Errorf("p2p: start: protocol %s is there twice", p.Cap())
		}
		seen[p.Cap()] = true
	}
	return nil
}
