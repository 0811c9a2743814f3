// Command foobar is two nodes of an open network that say foo and bar.
//
//	go run kith/examples/foobar                 listens on port 30300 and prints its enode URL
//	go run kith/examples/foobar enode://…       dials that one, says foo, and prints the answer
//
// The first is the whole of a program that has a protocol of its own. Any node
// that speaks RLPx and MyProtocol/1 can be its peer.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"kith/crypto"
	"kith/p2p"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) > 1 {
		err = ask(ctx, os.Args[1], os.Stdout)
	} else {
		err = serve(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "foobar:", err)
		os.Exit(1)
	}
}

// serve answers foo until it is interrupted.
func serve(ctx context.Context) error {
	nodekey, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	srv := p2p.Server{
		MaxPeers:   10,
		PrivateKey: nodekey,
		Name:       "my node name",
		ListenAddr: ":30300",
		Protocols:  []p2p.Protocol{MyProtocol()},
	}
	if err := srv.Start(); err != nil {
		return err
	}
	defer srv.Close()
	fmt.Println(srv.Self())
	<-ctx.Done()
	return nil
}
