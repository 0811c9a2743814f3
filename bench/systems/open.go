package systems

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"kith/bench/load"
	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/rlp"
	"kith/rlpx"
)

// openSystem is Kith in open networks: a protocol of one's own on a p2p.Server
// over RLPx.
type openSystem struct{}

func (openSystem) Name() string { return "kith rlpx" }
func (openSystem) Open()        {}

// The messages of the protocol.
const (
	openEcho   = iota // answered with the same
	openOneWay        // counted
	openValue         // decoded and counted
	openCodes
)

// openItem is what a message of openValue holds.
type openItem struct {
	Number uint64
	Data   []byte
}

func newOpenServer(listen string, maxPeers int, run func(*p2p.Peer, p2p.MsgReadWriter) error) (*p2p.Server, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	s := &p2p.Server{
		PrivateKey: key,
		Name:       "bench",
		MaxPeers:   maxPeers,
		ListenAddr: listen,
		Logger:     slog.New(slog.DiscardHandler),
		Protocols:  []p2p.Protocol{{Name: "bench", Version: 1, Length: openCodes, Run: run}},
	}
	return s, s.Start()
}

type openServer struct {
	load.Tally
	server *p2p.Server
}

func (openSystem) Serve(*load.Identity) (_ load.Server, err error) {
	s := new(openServer)
	s.server, err = newOpenServer(loopback, 0, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error { return s.run(rw) })
	return s, err
}

func (s *openServer) run(rw p2p.MsgReadWriter) error {
	var v openItem
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		switch msg.Code {
		case openEcho:
			err = rw.WriteMsg(msg)
		case openOneWay:
			s.Got(len(msg.Payload))
		case openValue:
			err = msg.Decode(&v)
			s.Got(len(v.Data))
		}
		if err != nil {
			return err
		}
	}
}

func (s *openServer) Addr() string { return s.server.Self().String() }
func (s *openServer) Close() error { return s.server.Close() }

// openClient has the one caller of Request read the replies.
type openClient struct {
	server *p2p.Server
	rw     p2p.MsgReadWriter
	lease  *p2p.Lease
	item   openItem // of the one caller of Value
}

func (openSystem) Dial(ctx context.Context, _ *load.Identity, addr string) (load.Client, error) {
	far, err := node.Parse(addr)
	if err != nil {
		return nil, err
	}
	runs := make(chan p2p.MsgReadWriter, 1)
	c := new(openClient)
	c.server, err = newOpenServer("", 0, func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
		runs <- rw
		<-p.Done()
		return p.Err()
	})
	if err != nil {
		return nil, err
	}
	if c.lease, err = c.server.Dial(ctx, far); err != nil {
		return nil, errors.Join(err, c.server.Close())
	}
	c.rw = <-runs
	return c, nil
}

func (c *openClient) Close() error { return c.server.Close() }

func (c *openClient) Request(_ context.Context, payload []byte) ([]byte, error) {
	if err := c.rw.WriteMsg(p2p.Msg{Code: openEcho, Payload: payload}); err != nil {
		return nil, err
	}
	msg, err := c.rw.ReadMsg()
	return msg.Payload, err
}

func (c *openClient) OneWay(_ context.Context, payload []byte) error {
	return c.rw.WriteMsg(p2p.Msg{Code: openOneWay, Payload: payload})
}

// Flush has nothing to do: nothing is kept back.
func (c *openClient) Flush() error { return nil }

func (c *openClient) Value(_ context.Context, number uint64, payload []byte) error {
	c.item = openItem{number, payload}
	return p2p.Send(c.rw, openValue, &c.item)
}

// openMesh is some servers.
type openMesh []*p2p.Server

func (openSystem) Mesh(n int) (load.Mesh, error) {
	var m openMesh
	for range n {
		s, err := newOpenServer(loopback, 4*n, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			_, err := rw.ReadMsg()
			return err
		})
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m = append(m, s)
	}
	return m, nil
}

// Connect has each dial those after it.
func (m openMesh) Connect(ctx context.Context) error {
	var wg sync.WaitGroup
	failed := make([]error, len(m))
	for i, s := range m {
		wg.Go(func() {
			for _, far := range m[i+1:] {
				lease, err := s.Dial(ctx, far.Self())
				if err != nil {
					failed[i] = fmt.Errorf("node %d: %w", i, err)
					return
				}
				lease.Release()
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (m openMesh) Close() error {
	var all error
	for _, s := range m {
		all = errors.Join(all, s.Close())
	}
	return all
}

func (openSystem) Work(name string) (func() error, error) {
	switch name {
	case load.Handshake:
		return openHandshake()
	case load.EncodeHeader:
		return encoding(load.SampleHeader()), nil
	case load.DecodeHeader:
		return decoding[load.Header](load.SampleHeader())
	case load.EncodeNeighbours:
		return encoding(load.SampleNeighbours()), nil
	case load.DecodeNeighbours:
		return decoding[load.Neighbours](load.SampleNeighbours())
	}
	return nil, load.ErrUnsupported
}

func encoding(v any) func() error {
	return func() error {
		_, err := rlp.Marshal(v)
		return err
	}
}

func decoding[T any](sample *T) (func() error, error) {
	b, err := rlp.Marshal(sample)
	return func() error { return rlp.Unmarshal(b, new(T)) }, err
}

// openHandshake is both ends of a handshake, in memory.
func openHandshake() (func() error, error) {
	near, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	far, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return func() error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		accepted := make(chan error, 1)
		go func() {
			_, err := rlpx.Accept(context.Background(), b, far)
			accepted <- err
		}()
		_, err := rlpx.Initiate(context.Background(), a, near, far.Public())
		return errors.Join(err, <-accepted)
	}, nil
}
