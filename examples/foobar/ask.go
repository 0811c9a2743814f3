package main

import (
	"context"
	"fmt"
	"io"

	"kith/crypto"
	"kith/node"
	"kith/p2p"
)

// ask dials a node, says foo, and prints the answer.
func ask(ctx context.Context, enode string, out io.Writer) error {
	to, err := node.Parse(enode)
	if err != nil {
		return err
	}
	nodekey, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	answer := make(chan Message, 1)
	proto := MyProtocol()
	proto.Run = func(peer *p2p.Peer, ws p2p.MsgReadWriter) error {
		if err := p2p.SendItems(ws, messageId, "foo"); err != nil {
			return err
		}
		msg, err := ws.ReadMsg()
		if err != nil {
			return err
		}
		var myMessage [1]Message
		if err := msg.Decode(&myMessage); err != nil {
			return err // the peer is told, and disconnected
		}
		answer <- myMessage[0]
		_, err = ws.ReadMsg() // to return would disconnect
		return err
	}
	srv := p2p.Server{PrivateKey: nodekey, Name: "foobar", Protocols: []p2p.Protocol{proto}} // no ListenAddr: it only dials
	if err := srv.Start(); err != nil {
		return err
	}
	defer srv.Close()

	lease, err := srv.Dial(ctx, to) // the error says why not
	if err != nil {
		return err
	}
	defer lease.Release()
	select {
	case text := <-answer:
		_, err = fmt.Fprintln(out, "recv:", text)
		return err
	case <-lease.Peer().Done():
		return lease.Peer().Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
