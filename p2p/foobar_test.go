package p2p_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kith/crypto"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// A word is what a message of MyProtocol holds, alone in a list.
type word string

// myProtocol answers foo with bar, and gives any other word to heard. Who has
// dialled says foo first.
func myProtocol(heard func(word)) p2p.Protocol {
	return p2p.Protocol{Name: "MyProtocol", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if !peer.Inbound() {
			if err := p2p.SendItems(rw, 0, "foo"); err != nil {
				return err
			}
		}
		for {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			var words [1]word
			if err := msg.Decode(&words); err != nil {
				return err // the peer is told, and disconnected
			}
			if words[0] != "foo" {
				heard(words[0])
			} else if err := p2p.SendItems(rw, 0, "bar"); err != nil {
				return err
			}
		}
	}}
}

// Two nodes of an open network: the address of one is all that the other needs.
func ExampleServer() {
	heard := make(chan word, 8)
	start := func() (*p2p.Server, error) {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		srv := &p2p.Server{
			MaxPeers:   10,
			PrivateKey: key,
			Name:       "my node name",
			ListenAddr: "127.0.0.1:0", // ":30303" for everybody
			Protocols:  []p2p.Protocol{myProtocol(func(w word) { heard <- w })},
		}
		return srv, srv.Start()
	}
	a, err := start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	b, err := start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	if err := b.AddPeer(a.Self()); err != nil { // or what node.Parse makes of "enode://…"
		fmt.Println(err)
		return
	}
	fmt.Println("recv:", <-heard)
	// Output: recv: bar
}

// The same protocol in memory, on virtual time: seconds of a slow network
// pass at once. In package cluster it runs over mutual TLS.
func TestCrossProductFoobarInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan word, 8)
		proto := myProtocol(func(w word) { heard <- w })
		began := time.Now()
		p2ptest.Pair(t, &p2ptest.Network{Delay: time.Second, Seed: 1}, proto, proto)
		if w := <-heard; w != "bar" {
			t.Errorf("heard %q, want bar", w)
		}
		if took := time.Since(began); took < 6*time.Second {
			t.Errorf("a connection, hellos and an answer took %v where each way takes a second", took)
		}
	})
}
