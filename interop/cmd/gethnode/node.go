package main

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/event"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"kith/interop/puppet"
)

type config struct {
	key, listen, protos string
	maxPeers            int
}

// A node is geth's server and what listens to its events.
type node struct {
	server *p2p.Server
	events event.Subscription
	stop   func()
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
	srv := &p2p.Server{Config: p2p.Config{
		PrivateKey:  key,
		Name:        "gethnode",
		MaxPeers:    c.maxPeers,
		ListenAddr:  net.JoinHostPort(host, "0"),
		NoDiscovery: true,
		Logger:      log.NewLogger(&failures{actor: a}),
		Protocols:   c.protocols(a),
	}}
	if err := srv.Start(); err != nil {
		return nil, err
	}
	feed := make(chan *p2p.PeerEvent, 256)
	n := &node{server: srv, events: srv.SubscribeEvents(feed)}
	n.stop = sync.OnceFunc(srv.Stop)
	go follow(a, feed, n.events)
	addr, err := netip.ParseAddrPort(srv.ListenAddr)
	if err != nil {
		return nil, err
	}
	url := enode.NewV4(&key.PublicKey, addr.Addr().AsSlice(), int(addr.Port()), 0).URLv4()
	a.Tell(puppet.Event{Event: puppet.Listens, Enode: url, Reason: puppet.NoReason})
	return n, nil
}

func (c *config) privateKey(number int) (*ecdsa.PrivateKey, error) {
	if c.key == "" || number > 0 {
		return crypto.GenerateKey()
	}
	return crypto.HexToECDSA(c.key)
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
			return a.Talk(name, p.ID().String(), func() (uint64, []byte, error) { return read(rw) }, func(code uint64, payload []byte) error {
				return rw.WriteMsg(p2p.Msg{Code: code, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)})
			})
		}})
	}
	return all
}

func read(rw p2p.MsgReader) (uint64, []byte, error) {
	msg, err := rw.ReadMsg()
	if err != nil {
		return 0, nil, err
	}
	payload, err := io.ReadAll(msg.Payload)
	return msg.Code, payload, err
}

// follow tells why peers have gone.
func follow(a *puppet.Actor, feed <-chan *p2p.PeerEvent, sub event.Subscription) {
	for {
		select {
		case e := <-feed:
			if e.Type == p2p.PeerEventTypeDrop {
				a.Tell(puppet.Event{Event: puppet.Down, Peer: e.Peer.String(), Reason: reason(e.Error), Why: e.Error})
			}
		case <-sub.Err():
			return
		}
	}
}

// reason finds the number of a reason that geth only tells in words.
func reason(text string) int {
	for r := p2p.DiscRequested; r <= p2p.DiscSubprotocolError; r++ {
		if strings.HasSuffix(text, r.String()) {
			return int(r)
		}
	}
	return puppet.NoReason
}

func (n *node) Dial(url string) error {
	to, err := enode.ParseV4(url)
	if err == nil {
		n.server.AddPeer(to)
	}
	return err
}

func (n *node) Drop(peer string) error {
	for _, p := range n.server.Peers() {
		if p.ID().String() == peer {
			n.server.RemovePeer(p.Node()) // else it would be dialled again
			return nil
		}
	}
	return fmt.Errorf("no peer %s", peer)
}

func (n *node) Close() error {
	n.stop()
	n.events.Unsubscribe()
	return nil
}
