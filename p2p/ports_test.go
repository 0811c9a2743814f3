package p2p_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kith/crypto"
	"kith/p2p"
	"kith/port"
)

// Service ports between nodes of an open network: port.Mux is just a Protocol.
func Example_ports() {
	ctx := context.Background()
	start := func(mux *port.Mux) (*p2p.Server, error) {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		srv := &p2p.Server{PrivateKey: key, ListenAddr: "127.0.0.1:0", Protocols: []p2p.Protocol{mux.Protocol()}}
		return srv, srv.Start()
	}
	var far, near port.Mux
	far.Handle(8080, "shout", port.Request, port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
		return bytes.ToUpper(m.Data), nil
	}))
	server, err := start(&far)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer far.Close()
	defer server.Close()
	client, err := start(&near)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer near.Close()
	defer client.Close()

	c, err := near.Connect(ctx, client, server.Self(), 0, 8080)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	reply, err := c.Request(ctx, []byte("hello"))
	fmt.Println(string(reply), err)
	// Output: HELLO <nil>
}

// All three modes over RLPx, which has one stream, no credits and no datagrams.
func TestCrossProductPortsOverRLPx(t *testing.T) {
	var far, near port.Mux
	got := make(chan []byte, 1)
	take := port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) { got <- bytes.Clone(m.Data); return nil, nil })
	echo := port.HandlerFunc(func(_ context.Context, m *port.Message) ([]byte, error) {
		if string(m.Data) == "fail" {
			return nil, errors.New("as you wish")
		}
		return m.Data, nil
	})
	for number, mode := range map[uint16]port.Mode{1: port.Send, 2: port.Request, 3: port.Unreliable} {
		h := take
		if mode == port.Request {
			h = echo
		}
		if err := far.Handle(number, mode.String(), mode, h); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, 2, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{far.Protocol()} })
	a := open(t, 1, func(s *p2p.Server) { s.Protocols = []p2p.Protocol{near.Protocol()} })
	t.Cleanup(func() { near.Close(); far.Close() })
	ctx := limited(t)
	connect := func(number uint16) *port.Client {
		c, err := near.Connect(ctx, a, b.Self(), 0, number)
		if err != nil {
			t.Fatalf("Connect to port %d = %v", number, err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}

	send, request, unreliable := connect(1), connect(2), connect(3)
	for _, n := range []int{0, 1, 1140, 16 << 10, 1 << 20, 10 << 20} {
		data := bytes.Repeat([]byte{byte(n), byte(n >> 8), 7}, n/3+1)[:n]
		if err := send.Send(ctx, data); err != nil {
			t.Errorf("Send of %d bytes = %v", n, err)
		} else if !bytes.Equal(<-got, data) {
			t.Errorf("a message of %d bytes came otherwise", n)
		}
		if reply, err := request.Request(ctx, data); err != nil || !bytes.Equal(reply, data) {
			t.Errorf("Request with %d bytes = %d bytes, %v", n, len(reply), err)
		}
		if n > port.MaxUnreliable {
			continue
		}
		if err := unreliable.Send(ctx, data); err != nil {
			t.Errorf("unreliable Send of %d bytes = %v", n, err)
		} else if !bytes.Equal(<-got, data) {
			t.Errorf("an unreliable message of %d bytes came otherwise", n)
		}
	}
	var large *port.TooLargeError
	if err := unreliable.Send(ctx, make([]byte, port.MaxUnreliable+1)); !errors.As(err, &large) {
		t.Errorf("too large a datagram = %v, want a TooLargeError", err)
	}
	if unreliable.Datagrams() {
		t.Error("Datagrams() is true over RLPx")
	}
	var remote *port.RemoteError
	if _, err := request.Request(ctx, []byte("fail")); !errors.As(err, &remote) || remote.Message != "as you wish" {
		t.Errorf("a handler that fails = %v", err)
	}
	if _, err := near.Connect(ctx, a, b.Self(), 0, 9); !errors.Is(err, port.ErrNoPort) {
		t.Errorf("Connect to no port = %v, want ErrNoPort", err)
	}
	b.Close()
	if _, err := request.Request(ctx, nil); err == nil || strings.Contains(err.Error(), "deadline") {
		t.Errorf("Request after the end = %v, want why it ended", err)
	}
}
