package main

import (
	"fmt"

	"kith/p2p"
)

// messageId is the only message that there is.
const messageId = 0

// Message is what it holds, alone in a list.
type Message string

// MyProtocol answers foo with bar.
func MyProtocol() p2p.Protocol {
	return p2p.Protocol{
		Name:    "MyProtocol",
		Version: 1,
		Length:  1, // message codes: 0 alone
		Run:     msgHandler,
	}
}

// msgHandler runs once for each peer, until it returns or the peer goes.
func msgHandler(peer *p2p.Peer, ws p2p.MsgReadWriter) error {
	for {
		msg, err := ws.ReadMsg()
		if err != nil {
			return err // the peer has gone
		}

		var myMessage [1]Message // SendItems sends a list, here of one item
		if err := msg.Decode(&myMessage); err != nil {
			fmt.Println(peer, "sent what makes no sense:", err)
			continue
		}

		switch myMessage[0] {
		case "foo":
			if err := p2p.SendItems(ws, messageId, "bar"); err != nil {
				return err
			}
		default:
			fmt.Println("recv:", myMessage[0])
		}
	}
}
