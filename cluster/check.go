package cluster

import (
	"errors"
	"fmt"

	"kith/node"
)

// check says what is wrong with the fields, as far as nobody else does.
func (n *Node) check() error {
	switch {
	case n.Transport != nil && n.CA+n.Cert+n.Key+n.CRL+n.SeedName != "":
		return errors.New("cluster: start: Transport takes the place of CA, Cert, Key, CRL and SeedName: set one or the other")
	case n.Transport != nil && n.Signer == nil:
		return errors.New("cluster: start: a Transport needs a Signer beside it")
	case n.Transport == nil && (n.Signer != nil || n.Name != ""):
		return errors.New("cluster: start: Signer and Name come with a Transport; else they are those of the certificate")
	case n.Transport == nil && (n.CA == "" || n.Cert == "" || n.Key == ""):
		return errors.New("cluster: start: CA, Cert and Key must be set")
	case n.DialTimeout < 0 || n.IdleTimeout < 0 || n.MaxMessage < 0:
		return errors.New("cluster: start: DialTimeout, IdleTimeout or MaxMessage is negative")
	}
	for _, a := range n.Advertise {
		if err := node.CheckHost(a); err != nil {
			return fmt.Errorf("cluster: start: advertise: %w", err)
		}
	}
	for _, q := range n.Protocols {
		if q.Name == "gossip" || q.Name == "port" {
			return fmt.Errorf("cluster: start: protocol %s: the name is taken", q.Cap())
		}
	}
	return n.Profile.check()
}

// check says what is wrong with a profile.
func (p Profile) check() error {
	f := p.filled()
	switch {
	case f.Heartbeat < 0 || f.Initial < 0 || f.Window < 0 || f.Grace < 0 || f.Collect < 0 || f.Sync < 0 || f.Seeds < 0 || f.Others < 0:
		return errors.New("cluster: start: a field of Profile is negative")
	case !(f.Phi >= 1): // NaN neither
		return fmt.Errorf("cluster: start: Profile: Phi is %v, must be at least 1", f.Phi)
	case f.Heartbeat >= f.MaxInterval:
		return fmt.Errorf("cluster: start: Profile: Heartbeat is %v, must be less than MaxInterval, %v", f.Heartbeat, f.MaxInterval)
	case f.Initial > f.MaxInterval:
		return fmt.Errorf("cluster: start: Profile: Initial is %v, must not be more than MaxInterval, %v", f.Initial, f.MaxInterval)
	}
	return nil
}
