package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// The codes of the ping protocol.
const (
	ping = iota
	pong
)

// A protocol of yours between two nodes, on a network in memory. With another
// Transport the same program runs on real sockets.
func Example() {
	net := new(p2ptest.Network)
	defer net.Close()

	answers := make(chan string)
	protocol := p2p.Protocol{Name: "ping", Version: 1, Length: 2, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if !peer.Inbound() { // who has dialled begins
			if err := rw.WriteMsg(p2p.Msg{Code: ping, Payload: []byte("hello")}); err != nil {
				return err
			}
		}
		for {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err // the session has ended
			}
			switch msg.Code {
			case ping:
				if err := rw.WriteMsg(p2p.Msg{Code: pong, Payload: msg.Payload}); err != nil {
					return err
				}
			case pong:
				answers <- string(msg.Payload)
			}
		}
	}}

	a := &p2p.Server{Transport: net.Transport("a"), Protocols: []p2p.Protocol{protocol}}
	b := &p2p.Server{Transport: net.Transport("b"), Protocols: []p2p.Protocol{protocol}, ListenAddr: "b:30303"}
	for _, s := range []*p2p.Server{a, b} {
		if err := s.Start(); err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
	}
	if err := a.AddPeer(b.Self()); err != nil { // stays connected, whatever happens
		fmt.Println(err)
		return
	}
	fmt.Println(<-answers)
	// Output: hello
}

// Who uses a session now and then dials each time: sessions are shared, and with
// OnDemand they end when nobody has used them for a while.
func ExampleServer_Dial() {
	net := new(p2ptest.Network)
	defer net.Close()
	a, b := net.Server("a"), net.Server("b")
	for _, s := range []*p2p.Server{a, b} {
		s.Policy = p2p.OnDemand
		if err := s.Start(); err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lease, err := a.Dial(ctx, b.Self())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("connected to", lease.Peer().Name())
	lease.Release() // the session stays for whoever dials next, for IdleTimeout

	again, err := a.Dial(ctx, b.Self())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer again.Release()
	fmt.Println("the same session:", again.Peer() == lease.Peer())

	_, err = a.Dial(ctx, &node.Node{Hosts: []string{"nobody:1"}})
	fmt.Println(err)
	_, err = a.Dial(ctx, &node.Node{Hosts: []string{"nobody:1"}})
	fmt.Println("at once again:", errors.Is(err, p2p.ErrBackOff))
	// Output:
	// connected to b
	// the same session: true
	// p2p: dial nobody:1: p2ptest: a: dial nobody:1: lookup nobody: no such host
	// at once again: true
}

// Events are asked for before Peers, so that nothing is missed in between.
func ExampleServer_Events() {
	net := new(p2ptest.Network)
	defer net.Close()
	a, b := net.Server("a"), net.Server("b")
	for _, s := range []*p2p.Server{a, b} {
		if err := s.Start(); err != nil {
			fmt.Println(err)
			return
		}
	}
	defer a.Close()

	events := a.Events(context.Background())
	fmt.Println(len(a.Peers()), "peers")
	if _, err := a.Dial(context.Background(), b.Self()); err != nil {
		fmt.Println(err)
		return
	}
	for e := range events {
		if e.Kind == p2p.PeerDown {
			fmt.Println(e.Peer.Name(), e.Kind, e.Err)
			break
		}
		fmt.Println(e.Peer.Name(), e.Kind)
		b.Close()
	}
	// Output:
	// 0 peers
	// b up
	// b down peer said: shutting down
}

// echo is a Run function.
func echo(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	for {
		m, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if err := rw.WriteMsg(m); err != nil {
			return err
		}
	}
}

// A Run function is tested alone.
func ExampleMsgPipe() {
	ours, theirs := p2p.MsgPipe()
	ended := make(chan error)
	go func() { ended <- echo(nil, theirs) }()

	ours.WriteMsg(p2p.Msg{Code: 1, Payload: []byte("hello")})
	m, _ := ours.ReadMsg()
	fmt.Printf("%d %s\n", m.Code, m.Payload)

	ours.CloseWithError(p2p.DiscQuitting)
	fmt.Println(<-ended)
	// Output:
	// 1 hello
	// shutting down
}
