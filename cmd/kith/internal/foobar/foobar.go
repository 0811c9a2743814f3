// Package foobar is the sub-protocol that the command shows: MyProtocol/1, in
// which the list ["foo"] is answered by the list ["bar"].
//
// Start with [Talk.Protocol]. Anything else that a peer says is passed over.
package foobar

import (
	"time"

	"kith/p2p"
)

// Name is what a configuration calls the protocol.
const Name = "foobar"

// message is the only code.
const message = 0

// A Talk says what to do in the protocol besides answering. The zero Talk does
// nothing else. It is safe for concurrent use.
type Talk struct {
	// Greet says foo to every peer as soon as it is there.
	Greet bool
	// Answered is told how a peer has answered that, the first time only. It may
	// be nil.
	Answered func(peer *p2p.Peer, word string, took time.Duration)
}

// Protocol is for a p2p.Server, in any network.
func (t *Talk) Protocol() p2p.Protocol {
	return p2p.Protocol{Name: "MyProtocol", Version: 1, Length: 1, Run: t.run}
}

func (t *Talk) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	began := time.Now()
	if t.Greet {
		if err := p2p.SendItems(rw, message, "foo"); err != nil {
			return err
		}
	}
	for waiting := t.Greet; ; {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		var words [1]string
		if msg.Decode(&words) != nil {
			continue
		}
		if words[0] == "foo" {
			if err := p2p.SendItems(rw, message, "bar"); err != nil {
				return err
			}
		}
		if words[0] == "bar" && waiting {
			waiting = false
			if t.Answered != nil {
				t.Answered(peer, words[0], time.Since(began))
			}
		}
	}
}
