package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"kith/bench/load"
)

// system is geth's p2p.Server with a protocol of one's own.
type system struct{}

func (system) Name() string { return "geth" }
func (system) Open()        {}

// The messages of the protocol.
const (
	codeEcho   = iota // answered with the same
	codeOneWay        // counted
	codeValue         // decoded and counted
	codes
)

// item is what a message of codeValue holds.
type item struct {
	Number uint64
	Data   []byte
}

// newServer makes one. Its URL is not that of Self, which knows no address.
func newServer(listen string, maxPeers int, run func(*p2p.Peer, p2p.MsgReadWriter) error) (*p2p.Server, *enode.Node, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	s := &p2p.Server{Config: p2p.Config{
		PrivateKey:  key,
		Name:        "bench",
		MaxPeers:    maxPeers,
		DialRatio:   2,
		ListenAddr:  listen,
		NoDiscovery: true,
		Logger:      log.NewLogger(slog.DiscardHandler),
		Protocols:   []p2p.Protocol{{Name: "bench", Version: 1, Length: codes, Run: run}},
	}}
	if err := s.Start(); err != nil {
		return nil, nil, err
	}
	if listen == "" {
		return s, nil, nil
	}
	at, err := netip.ParseAddrPort(s.ListenAddr)
	if err != nil {
		s.Stop()
		return nil, nil, err
	}
	return s, enode.NewV4(&key.PublicKey, at.Addr().AsSlice(), int(at.Port()), 0), nil
}

const loopback = "127.0.0.1:0"

type server struct {
	load.Tally
	*p2p.Server
	self *enode.Node
}

func (system) Serve(*load.Identity) (_ load.Server, err error) {
	s := new(server)
	s.Server, s.self, err = newServer(loopback, 50, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error { return s.run(rw) })
	return s, err
}

func (s *server) run(rw p2p.MsgReadWriter) error {
	var v item
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		switch msg.Code {
		case codeEcho:
			err = rw.WriteMsg(msg)
		case codeOneWay:
			err = msg.Discard()
			s.Got(int(msg.Size))
		case codeValue:
			err = msg.Decode(&v)
			s.Got(len(v.Data))
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) Addr() string { return s.self.URLv4() }

func (s *server) Close() error {
	s.Stop()
	return nil
}

// client has the one caller of Request read the replies.
type client struct {
	*p2p.Server
	rw   p2p.MsgReadWriter
	quit chan struct{}
	item item // of the one caller of Value
}

func (system) Dial(ctx context.Context, _ *load.Identity, addr string) (load.Client, error) {
	far, err := enode.ParseV4(addr)
	if err != nil {
		return nil, err
	}
	runs := make(chan p2p.MsgReadWriter, 1)
	c := &client{quit: make(chan struct{})}
	c.Server, _, err = newServer("", 50, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		runs <- rw
		<-c.quit
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.AddPeer(far)
	select {
	case c.rw = <-runs:
		return c, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.Close())
	}
}

func (c *client) Close() error {
	close(c.quit)
	c.Stop()
	return nil
}

func (c *client) Request(_ context.Context, payload []byte) ([]byte, error) {
	if err := c.write(codeEcho, payload); err != nil {
		return nil, err
	}
	msg, err := c.rw.ReadMsg()
	if err != nil {
		return nil, err
	}
	reply := make([]byte, msg.Size)
	_, err = io.ReadFull(msg.Payload, reply)
	return reply, err
}

func (c *client) write(code uint64, payload []byte) error {
	return c.rw.WriteMsg(p2p.Msg{Code: code, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)})
}

func (c *client) OneWay(_ context.Context, payload []byte) error { return c.write(codeOneWay, payload) }

// Flush has nothing to do: nothing is kept back.
func (c *client) Flush() error { return nil }

func (c *client) Value(_ context.Context, number uint64, payload []byte) error {
	c.item = item{number, payload}
	return p2p.Send(c.rw, codeValue, &c.item)
}
