package rlpx_test

import (
	"context"
	"fmt"
	"net"

	"kith/crypto"
	"kith/rlpx"
)

// Two ends of a connection shake hands, say hello and exchange a message.
func Example() {
	server, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	near, far := net.Pipe()
	go serve(far, server)

	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	c, err := rlpx.Initiate(context.Background(), near, key, server.Public())
	if err != nil {
		panic(err)
	}
	s := rlpx.NewSession(c)
	defer s.Close(rlpx.Quitting)
	ours := rlpx.Hello{Name: "client", Caps: []rlpx.Cap{{Name: "foo", Version: 1}}}
	theirs, err := s.Hello(context.Background(), ours, func(rlpx.Hello) error { return nil })
	if err != nil {
		panic(err)
	}
	foo, err := s.Open([]rlpx.Protocol{{Length: 2}}) // foo/1 has two messages
	if err != nil {
		panic(err)
	}
	if err := foo[0].WriteMsg(rlpx.Msg{Code: 0, Payload: []byte("foo")}); err != nil {
		panic(err)
	}
	m, err := foo[0].ReadMsg()
	fmt.Printf("%s said %d %s, %v\n", theirs.Name, m.Code, m.Payload, err)
	// Output: server said 1 bar, <nil>
}

func serve(conn net.Conn, key *crypto.PrivateKey) {
	c, err := rlpx.Accept(context.Background(), conn, key)
	if err != nil {
		panic(err)
	}
	s := rlpx.NewSession(c)
	ours := rlpx.Hello{Name: "server", Caps: []rlpx.Cap{{Name: "foo", Version: 1}}}
	if _, err := s.Hello(context.Background(), ours, func(rlpx.Hello) error { return nil }); err != nil {
		panic(err)
	}
	foo, err := s.Open([]rlpx.Protocol{{Length: 2}})
	if err != nil {
		panic(err)
	}
	for {
		if _, err := foo[0].ReadMsg(); err != nil {
			return // the client has left
		}
		if err := foo[0].WriteMsg(rlpx.Msg{Code: 1, Payload: []byte("bar")}); err != nil {
			return
		}
	}
}
