package p2ptest_test

import (
	"fmt"
	"testing"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

func TestExample(t *testing.T) { testPing(t) }

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
	ours, theirs := p2ptest.MsgPipe()
	ended := make(chan error)
	go func() { ended <- echo(nil, theirs) }()

	ours.WriteMsg(p2p.Msg{Code: 1, Payload: []byte("hello")})
	m, _ := ours.ReadMsg()
	fmt.Printf("%d %s\n", m.Code, m.Payload)

	ours.Close(p2p.DiscQuitting)
	fmt.Println(<-ended)
	// Output:
	// 1 hello
	// peer said: shutting down
}
