package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"kith/crypto"
	"kith/interop/puppet"
	knode "kith/node"
	"kith/p2p"
)

type config struct {
	key, listen, protos string
	maxPeers            int
}

// A node is our server and what listens to its events.
type node struct {
	*puppet.Actor
	server  *p2p.Server
	ctx     context.Context // ends with the node
	stop    context.CancelFunc
	pending sync.WaitGroup
}

func (c *config) start(number int, a *puppet.Actor) (*node, error) {
	key, err := c.privateKey(number)
	if err != nil {
		return nil, err
	}
	host, err := nth(c.listen, number)
	if err != nil {
		return nil, err
	}
	n := &node{Actor: a}
	n.server = &p2p.Server{
		PrivateKey: key,
		Name:       "kithnode",
		MaxPeers:   c.maxPeers,
		ListenAddr: net.JoinHostPort(host, "0"),
		Logger:     slog.New(&refusals{actor: a}),
		Protocols:  c.protocols(a),
	}
	if err := n.server.Start(); err != nil {
		return nil, err
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	events := n.server.Events(n.ctx)
	n.pending.Go(func() {
		for e := range events {
			if e.Kind == p2p.PeerDown {
				a.Tell(puppet.Event{Event: puppet.Down, Peer: e.Peer.ID().Hex(), Reason: reason(e.Err), Why: e.Err.Error()})
			}
		}
	})
	a.Tell(puppet.Event{Event: puppet.Listens, Enode: n.server.Self().String(), Reason: puppet.NoReason})
	return n, nil
}

func (c *config) privateKey(number int) (*crypto.PrivateKey, error) {
	if c.key == "" || number > 0 {
		return crypto.GenerateKey()
	}
	return crypto.ParseKeyHex(c.key)
}

// nth counts addresses up from host.
func nth(host string, n int) (string, error) {
	a, err := netip.ParseAddr(host)
	for range n {
		a = a.Next()
	}
	return a.String(), err
}

func (c *config) protocols(a *puppet.Actor) []p2p.Protocol {
	lengths := map[string]uint64{puppet.FooBar: puppet.FooBarLength, puppet.Blob: puppet.BlobLength, puppet.Flood: puppet.FloodLength}
	var all []p2p.Protocol
	for _, name := range strings.Split(c.protos, ",") {
		all = append(all, p2p.Protocol{Name: name, Version: 1, Length: max(1, lengths[name]), Run: func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			read := func() (uint64, []byte, error) {
				msg, err := rw.ReadMsg()
				return msg.Code, msg.Payload, err
			}
			return a.Talk(name, p.ID().Hex(), read, func(code uint64, payload []byte) error {
				return rw.WriteMsg(p2p.Msg{Code: code, Payload: payload})
			})
		}})
	}
	return all
}

// reason is the number in an error, if there is one.
func reason(err error) int {
	var code p2p.DiscReason
	if errors.As(err, &code) {
		return int(code)
	}
	return puppet.NoReason
}

// Dial tells of the first failure, and goes on trying.
func (n *node) Dial(url string) error {
	to, err := knode.Parse(url)
	if err != nil {
		return err
	}
	n.pending.Go(func() {
		lease, err := n.server.Dial(n.ctx, to)
		if err != nil {
			n.Tell(puppet.Event{Event: puppet.Failed, Peer: to.ID.Hex(), Reason: reason(err), Why: err.Error()})
		} else {
			defer lease.Release()
		}
		n.server.AddPeer(to) // fails if we are closed by now
	})
	return nil
}

func (n *node) Drop(peer string) error {
	id, err := knode.ParseID(peer)
	if err == nil {
		n.server.RemovePeer(id)
	}
	return err
}

func (n *node) Close() error {
	err := n.server.Close()
	n.stop()
	n.pending.Wait()
	return err
}
