// Command tls is a client on crypto/tls.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"os"
)

func main() {
	conn, err := tls.Dial("tcp", "localhost:4433", &tls.Config{MinVersion: tls.VersionTLS13})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	io.Copy(os.Stdout, conn)
}
