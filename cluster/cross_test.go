package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kith/cluster"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// A protocol that was written for open networks: it answers foo with bar, and
// gives any other word to heard. Who has dialled says foo first.
func myProtocol(heard func(string)) p2p.Protocol {
	return p2p.Protocol{Name: "MyProtocol", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		if !peer.Inbound() {
			if err := p2p.SendItems(rw, 0, "foo"); err != nil {
				return err
			}
		}
		for {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			var words [1]string
			if err := msg.Decode(&words); err != nil {
				return err
			}
			if words[0] != "foo" {
				heard(words[0])
			} else if err := p2p.SendItems(rw, 0, "bar"); err != nil {
				return err
			}
		}
	}}
}

// It runs in a private cluster as it is, over mutual TLS.
func ExampleNode_protocols() {
	dir, err := certificates("a", "b")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	heard := make(chan string, 8)
	member := func(name string, seeds ...string) *cluster.Node {
		return &cluster.Node{
			CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"),
			ListenAddr: "127.0.0.1:0", Seeds: seeds, Logger: quiet(),
			Protocols: []p2p.Protocol{myProtocol(func(word string) { heard <- word })},
		}
	}
	b := member("b")
	if err := b.Start(); err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	a := member("a", b.Addr().String())
	if err := a.Start(); err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	fmt.Println("recv:", <-heard)
	// Output: recv: bar
}

// One process in both networks: an open server and a cluster's member, with one
// handler and one protocol for both.
func TestCrossProductBothNetworksInOneProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	asked, heard := make(chan string, 2), make(chan string, 8)
	greet := port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
		asked <- string(m.Data)
		return bytes.ToUpper(m.Data), nil
	})
	proto := myProtocol(func(word string) { heard <- word })

	dir, err := certificates("both", "member")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	member := func(name string, seeds ...string) *cluster.Node {
		n := &cluster.Node{
			CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"),
			ListenAddr: "127.0.0.1:0", Seeds: seeds, Protocols: []p2p.Protocol{proto}, Logger: quiet(),
		}
		if name == "both" {
			if err := n.Handle(8080, "greet", port.Request, greet); err != nil {
				t.Fatal(err)
			}
		}
		return start(t, n)
	}
	open := func(mux *port.Mux) *p2p.Server {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		s := &p2p.Server{PrivateKey: key, ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{proto, mux.Protocol()}, Logger: quiet()}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(); mux.Close() })
		return s
	}

	var here, there port.Mux
	if err := here.Handle(8080, "greet", port.Request, greet); err != nil {
		t.Fatal(err)
	}
	inCluster, inTheOpen := member("both"), open(&here)
	friend, stranger := member("member", inCluster.Addr().String()), open(&there)

	c, err := there.Connect(ctx, stranger, inTheOpen.Self(), 0, 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, 20*time.Second, "the members know each other", func() bool { return alive(friend) == 2 })
	d, err := friend.Connect(ctx, node.Ref{ID: inCluster.ID().ID}, 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for text, client := range map[string]*port.Client{"from the open": c, "from the cluster": d} {
		reply, err := client.Request(ctx, []byte(text))
		if err != nil || string(reply) != string(bytes.ToUpper([]byte(text))) {
			t.Errorf("Request(%s) = %s, %v", text, reply, err)
		}
		if got := <-asked; got != text {
			t.Errorf("the handler was asked %q, want %q", got, text)
		}
	}
	for range 2 { // one who dialled in each network
		select {
		case word := <-heard:
			if word != "bar" {
				t.Errorf("heard %q, want bar", word)
			}
		case <-ctx.Done():
			t.Fatal("the protocol was not answered in both networks")
		}
	}
	if a, b := inCluster.ID().ID, inTheOpen.Self().ID; a == b {
		t.Error("one identity in two networks")
	}
}
