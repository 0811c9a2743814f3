// Command nats is a client on nats.go; the broker is not in it.
package main

import (
	"crypto/tls"
	"log"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	conn, err := nats.Connect("localhost", nats.Secure(&tls.Config{}))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	reply, err := conn.Request("echo", nil, time.Second)
	log.Println(reply, err)
}
