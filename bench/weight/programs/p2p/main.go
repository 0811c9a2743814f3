// Command p2p is a node on kith/p2p with a protocol of its own.
package main

import (
	"log"

	"kith/p2p"
)

func main() {
	foobar := p2p.Protocol{Name: "foobar", Version: 1, Length: 2, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		if err := rw.WriteMsg(p2p.Msg{Code: 0, Payload: []byte("foo")}); err != nil {
			return err
		}
		msg, err := rw.ReadMsg()
		log.Printf("got %s", msg.Payload)
		return err
	}}
	srv := p2p.Server{Name: "my node name", ListenAddr: ":30300", Protocols: []p2p.Protocol{foobar}}
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
}
