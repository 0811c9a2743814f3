// Command quic is a client on quic-go.
package main

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"os"

	"github.com/quic-go/quic-go"
)

func main() {
	conn, err := quic.DialAddr(context.Background(), "localhost:4433", &tls.Config{NextProtos: []string{"x"}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	stream, err := conn.AcceptStream(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, stream)
}
