// Command weight is a host on libp2p as libp2p.New makes it.
package main

import (
	"log"

	"github.com/libp2p/go-libp2p"
)

func main() {
	h, err := libp2p.New()
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	log.Println(h.ID(), h.Addrs())
}
