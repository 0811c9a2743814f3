package mtls_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"kith/cert"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
)

// Two nodes of one authority, and a protocol of their own.
func Example() {
	ca, err := cert.CreateCA(cert.CAOptions{Name: "example"})
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan string)
	hello := p2p.Protocol{Name: "hello", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if err := rw.WriteMsg(p2p.Msg{Payload: []byte("hello from " + peer.LocalAddr().Addr().String())}); err != nil {
			return err
		}
		m, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		heard <- string(m.Payload)
		_, err = rw.ReadMsg() // until the session ends
		return err
	}}
	start := func(name string) *p2p.Server {
		srv := &p2p.Server{
			Name: name, Transport: &mtls.Transport{Credentials: credentials(ca, name)},
			ListenAddr: "127.0.0.1:0", Policy: p2p.OnDemand, Protocols: []p2p.Protocol{hello},
		}
		if err := srv.Start(); err != nil {
			log.Fatal(err)
		}
		return srv
	}
	a, b := start("a"), start("b")
	defer a.Close()
	defer b.Close()

	lease, err := a.Dial(context.Background(), &node.Node{Hosts: []string{b.Addr().String()}})
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release()
	fmt.Println(lease.Peer().Name())
	fmt.Println(<-heard)
	fmt.Println(<-heard)
	// Output:
	// b
	// hello from 127.0.0.1
	// hello from 127.0.0.1
}

// credentials makes a node's certificate. A real node has them in files, which
// cert.Files watches.
func credentials(ca *cert.CA, name string) *cert.Snapshot {
	pair, err := ca.Issue(cert.NodeOptions{Name: name})
	if err != nil {
		log.Fatal(err)
	}
	key, err := cert.EncodeKey(pair.Key)
	if err != nil {
		log.Fatal(err)
	}
	s, err := cert.Material{CA: cert.EncodeCerts(ca.Cert), Cert: cert.EncodeCerts(pair.Cert), Key: key}.Load(time.Now())
	if err != nil {
		log.Fatal(err)
	}
	return s
}
