package cluster_test

import (
	"context"
	"fmt"

	"kith/cluster"
	"kith/port"
)

// This is the program of the README; a test holds that both are the same. It
// has no output since it wants real files: ExampleNode runs.
func Example_readme() {
	ask := func(ctx context.Context) error {
		n := &cluster.Node{CA: "ca.pem", Cert: "a.crt", Key: "a.key", ListenAddr: ":38080", Seeds: []string{"10.0.0.1:38080"}}
		n.Handle(8080, "echo", port.Request, port.HandlerFunc(func(ctx context.Context, m *port.Message) ([]byte, error) {
			return m.Data, nil
		}))
		if err := n.Start(); err != nil {
			return err
		}
		defer n.Close()

		for _, m := range n.Members() {
			c, err := n.Connect(ctx, m.Ref(), 8080) // asks the member now: no such port, refused, gone are errors here
			if err != nil {
				return err
			}
			defer c.Close()
			out, err := c.Request(ctx, []byte("hello")) // *port.RemoteError if the handler failed
			fmt.Println(m.Name, string(out), err)
		}
		return nil
	}
	fmt.Println(ask(context.Background()))
}
