package kith_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kith/cert"
	"kith/cluster"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
	"kith/port"
)

// messageId is the only message of MyProtocol.
const messageId = 0

func MyProtocol() p2p.Protocol {
	return p2p.Protocol{Name: "MyProtocol", Version: 1, Length: 1, Run: msgHandler}
}

func msgHandler(peer *p2p.Peer, ws p2p.MsgReadWriter) error {
	for {
		msg, err := ws.ReadMsg()
		if err != nil {
			return err // the peer has gone
		}
		var words [1]string // SendItems sends a list, here of one item
		if err := msg.Decode(&words); err != nil {
			continue // it makes no sense; the error says why
		}
		if words[0] == "foo" {
			if err := p2p.SendItems(ws, messageId, "bar"); err != nil {
				return err
			}
		}
	}
}

// A node of an open network, as the README has it.
func Example_openNetwork() {
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	key, err := crypto.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "node.key")
	if err := key.Save(path); err != nil {
		log.Fatal(err)
	}
	err = openNetwork(path, "127.0.0.1:0", func(srv *p2p.Server) error {
		fmt.Println(srv.Self().ID == node.V4ID(key.Public()))
		return nil
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func openNetwork(path, addr string, then func(*p2p.Server) error) error {
	nodekey, err := crypto.LoadKey(path) // kith devp2p key --out node.key makes one
	if err != nil {
		return err
	}
	srv := &p2p.Server{
		PrivateKey: nodekey, Name: "my node name", ListenAddr: addr, MaxPeers: 10, // addr: ":30300"
		Protocols: []p2p.Protocol{MyProtocol()}, // msgHandler answers ["foo"] with ["bar"]
	}
	if err := srv.Start(); err != nil {
		return err
	}
	defer srv.Close()
	slog.Debug("dial me", "enode", srv.Self()) // enode://…@127.0.0.1:30300
	return then(srv)
}

// Two nodes: one answers, the other is told why if it cannot connect.
func Example_dial() {
	a, b := server("a"), server("b")
	defer a.Close()
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := dial(ctx, b, a.Self().String()); err != nil {
		log.Fatal(err)
	}
	stranger := server("c", p2p.Protocol{Name: "Other", Version: 1, Length: 1, Run: msgHandler})
	defer stranger.Close()
	err := dial(ctx, stranger, a.Self().String())
	fmt.Println(errors.Is(err, p2p.DiscUselessPeer))
	// Output:
	// connected to a: [MyProtocol/1]
	// true
}

func dial(ctx context.Context, srv *p2p.Server, text string) error {
	n, err := node.Parse(text) // enode://…@host:port or enr:…
	if err != nil {
		return err
	}
	lease, err := srv.Dial(ctx, n)
	if err != nil {
		return err // p2p: dial 3f9a01c2 at 10.0.0.7:30303: peer said: too many peers
	}
	defer lease.Release()
	fmt.Printf("connected to %s: %v\n", lease.Peer().Name(), lease.Peer().Running())
	return nil
}

// server starts a node on loopback, with MyProtocol if none is given.
func server(name string, protocols ...p2p.Protocol) *p2p.Server {
	key, err := crypto.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	if protocols == nil {
		protocols = []p2p.Protocol{MyProtocol()}
	}
	srv := &p2p.Server{PrivateKey: key, Name: name, ListenAddr: "127.0.0.1:0", Protocols: protocols, Logger: slog.New(slog.DiscardHandler)}
	if err := srv.Start(); err != nil {
		log.Fatal(err)
	}
	return srv
}

// Ports work on an open network as they do in a cluster.
func Example_portsInTheOpen() {
	var aPorts, bPorts port.Mux
	a, b := server("a", aPorts.Protocol()), server("b", bPorts.Protocol())
	defer a.Close()
	defer b.Close()
	reply, err := ask(context.Background(), &aPorts, &bPorts, b, a.Self())
	fmt.Println(string(reply), err)
	// Output: hello, open world <nil>
}

func ask(ctx context.Context, aPorts, bPorts *port.Mux, b *p2p.Server, a *node.Node) ([]byte, error) {
	greet := func(ctx context.Context, m *port.Message) ([]byte, error) {
		return append([]byte("hello, "), m.Data...), nil // m.From is the caller's id: anybody's
	}
	if err := aPorts.Handle(8080, "greet", port.Request, port.HandlerFunc(greet)); err != nil {
		return nil, err
	}
	c, err := bPorts.Connect(ctx, b, a, 0, 8080)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Request(ctx, []byte("open world"))
}

// One process in both networks: what it runs is the same.
func Example_bothNetworks() {
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	authority := cert.Dir{Path: dir}
	if _, err := authority.CreateCA(cert.CAOptions{}); err != nil {
		log.Fatal(err)
	}
	if _, err := authority.Issue(cert.NodeOptions{Name: "a"}); err != nil {
		log.Fatal(err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	err = bothNetworks(authority.CAPath(), authority.CertPath("a"), authority.KeyPath("a"), key)
	fmt.Println(err)
	// Output: <nil>
}

func bothNetworks(ca, crt, key string, nodekey *crypto.PrivateKey) error {
	protocols := []p2p.Protocol{MyProtocol()}
	inside := &cluster.Node{CA: ca, Cert: crt, Key: key, ListenAddr: "127.0.0.1:0", Protocols: protocols}
	outside := &p2p.Server{PrivateKey: nodekey, ListenAddr: "127.0.0.1:0", Protocols: protocols}
	inside.Logger, outside.Logger = slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
	if err := inside.Start(); err != nil {
		return err
	}
	defer inside.Close()
	if err := outside.Start(); err != nil {
		return err
	}
	defer outside.Close()
	return nil
}

func TestFooIsAnsweredByBar(t *testing.T) {
	ours, theirs := p2p.MsgPipe()
	defer ours.Close() // ends msgHandler
	go msgHandler(nil, theirs)

	if err := p2p.SendItems(ours, messageId, "foo"); err != nil {
		t.Fatal(err)
	}
	if err := p2p.ExpectMsg(ours, messageId, []string{"bar"}); err != nil {
		t.Error(err)
	}
}

func TestFooOnABadLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &p2ptest.Network{Seed: 1, Delay: 50 * time.Millisecond, Loss: 0.2}
		answers := make(chan string, 1)
		asking := MyProtocol()
		asking.Run = func(peer *p2p.Peer, ws p2p.MsgReadWriter) error {
			if err := p2p.SendItems(ws, messageId, "foo"); err != nil {
				return err
			}
			msg, err := ws.ReadMsg()
			if err != nil {
				return err
			}
			var words [1]string
			if err := msg.Decode(&words); err != nil {
				return err
			}
			answers <- words[0]
			<-peer.Done()
			return nil
		}
		p2ptest.Pair(t, net, asking, MyProtocol()) // two servers, connected
		if got := <-answers; got != "bar" {        // seconds of virtual time, none of yours
			t.Errorf("foo is answered by %q, want bar", got)
		}
	})
}
