package cluster_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"kith/cert"
	"kith/cluster"
	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
	"kith/port"
)

// Two members on one machine: a joins through b and asks it something.
func ExampleNode() {
	dir, err := certificates("a", "b") // as kith certs ca and kith certs node do
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ca, ctx := filepath.Join(dir, "ca.pem"), context.Background()

	b := &cluster.Node{CA: ca, Cert: filepath.Join(dir, "b.crt"), Key: filepath.Join(dir, "b.key"), ListenAddr: "127.0.0.1:0", Logger: quiet()}
	b.Handle(8080, "greet", port.Request, port.HandlerFunc(func(ctx context.Context, m *port.Message) ([]byte, error) {
		return fmt.Appendf(nil, "hello %s", m.Data), nil
	}))
	if err := b.Start(); err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	a := &cluster.Node{CA: ca, Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key"), ListenAddr: "127.0.0.1:0", Seeds: []string{b.Addr().String()}, Logger: quiet()}
	if err := a.Start(); err != nil {
		log.Fatal(err)
	}
	defer a.Close()

	for members := range a.Watch(ctx) { // until b is there
		if len(members) == 2 {
			break
		}
	}
	for _, m := range a.Members() {
		if m.Self {
			continue
		}
		c, err := a.Connect(ctx, m.Ref(), 8080) // asks b now: no such port, refused, gone are errors here
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		out, err := c.Request(ctx, []byte("b, this is a")) // *port.RemoteError if the handler failed
		fmt.Printf("%s: %s %v\n", m.Name, out, err)
	}
	// Output: b: hello b, this is a <nil>
}

// certificates makes an authority and certificates for nodes, in a new directory.
func certificates(names ...string) (string, error) {
	path, err := os.MkdirTemp("", "kith")
	if err != nil {
		return "", err
	}
	dir := cert.Dir{Path: path}
	if _, err := dir.CreateCA(cert.CAOptions{}); err != nil {
		return "", err
	}
	for _, name := range names {
		if _, err := dir.Issue(cert.NodeOptions{Name: name}); err != nil {
			return "", err
		}
	}
	return path, nil
}

// A protocol of your own runs with every member that has it too, here on a
// network in memory.
func ExampleNode_protocol() {
	heard := make(chan string)
	greet := p2p.Protocol{Name: "greet", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if peer.Inbound() {
			if err := rw.WriteMsg(p2p.Msg{Payload: []byte("welcome")}); err != nil {
				return err
			}
		}
		for {
			m, err := rw.ReadMsg()
			if err != nil {
				return err // the member is gone
			}
			heard <- fmt.Sprintf("%s said %s", peer.Name(), m.Payload)
		}
	}}
	net := new(p2ptest.Network)
	defer net.Close()
	for _, name := range []string{"a", "b"} {
		n := &cluster.Node{
			Transport: net.Transport(name), Signer: p2ptest.Key(name), Name: name,
			ListenAddr: name + ":38080", Protocols: []p2p.Protocol{greet}, Logger: quiet(),
		}
		if name == "b" {
			n.Seeds = []string{"a:38080"}
		}
		if err := n.Start(); err != nil {
			log.Fatal(err)
		}
		defer n.Close()
	}
	fmt.Println(<-heard)
	// Output: a said welcome
}

// A configuration is the seed's JSON object, with keys of ours.
func ExampleFromJSON() {
	c, err := cluster.FromJSON([]byte(`{
  "ca_cert_file": "ca.pem", "cert_file": "a.crt", "key_file": "a.key",
  "local_host": "0.0.0.0:38080", "seed_host": "10.0.0.1:38080"
}`))
	if err != nil {
		log.Fatal(err)
	}
	n := c.Node()
	fmt.Println(n.ListenAddr, n.Seeds, n.Profile.Heartbeat)

	_, err = cluster.FromJSON([]byte(`{
  "ca_cert_file": "ca.pem", "cert_file": "a.crt", "key_file": "a.key",
  "phi_threshold": 0.5,
  "sead_host": "10.0.0.1:38080"
}`))
	fmt.Println(err)
	// Output:
	// 0.0.0.0:38080 [10.0.0.1:38080] 1s
	// cluster: config: 2 problems:
	//   line 3: phi_threshold: 0.5: must be a number from 1 to 50
	//   line 4: sead_host: "10.0.0.1:38080": is not a key of a configuration; did you mean "seed_host"?
}

// ref is what a person types: id/generation, id/0 or id.
func ExampleNode_Connect() {
	net := new(p2ptest.Network)
	defer net.Close()
	n := &cluster.Node{Transport: net.Transport("a"), Signer: p2ptest.Key("a"), ListenAddr: "a:38080", Logger: quiet()}
	if err := n.Start(); err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	n.Handle(8080, "echo", port.Request, echo)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	ref, err := node.ParseRef("G5eEsnVMewi5fNkvTHVoRh3AWwC678cw6Kb9K1sGrvAy/0")
	if err != nil {
		log.Fatal(err)
	}
	c, err := n.Connect(ctx, ref, 8080) // a call to ourselves
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	out, err := c.Request(ctx, []byte("hello"))
	fmt.Println(string(out), err)
	// Output: hello <nil>
}
