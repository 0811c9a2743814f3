// Command p2p is a node on kith/p2p with a protocol of its own, which answers
// foo with bar.
package main

import (
	"fmt"
	"os"

	"kith/crypto"
	"kith/p2p"
)

const messageID = 0

func main() {
	nodekey, _ := crypto.GenerateKey()
	srv := p2p.Server{
		MaxPeers:   10,
		PrivateKey: nodekey,
		Name:       "my node name",
		ListenAddr: ":30300",
		Protocols:  []p2p.Protocol{{Name: "MyProtocol", Version: 1, Length: 1, Run: run}},
	}
	if err := srv.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

func run(_ *p2p.Peer, ws p2p.MsgReadWriter) error {
	for {
		msg, err := ws.ReadMsg()
		if err != nil {
			return err
		}
		var message [1]string
		if err := msg.Decode(&message); err != nil {
			continue
		}
		if message[0] != "foo" {
			fmt.Println("recv:", message)
		} else if err := p2p.SendItems(ws, messageID, "bar"); err != nil {
			return err
		}
	}
}
