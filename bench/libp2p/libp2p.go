package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"kith/bench/load"
)

// system is libp2p over TCP with its TLS, which is mutual by design, and yamux:
// a stream for each request, one stream for one way.
type system struct{}

const (
	echoID   = protocol.ID("/bench/echo/1")
	bulkID   = protocol.ID("/bench/bulk/1")
	oneWayID = protocol.ID("/bench/oneway/1")
	limit    = 2 << 20
)

func (system) Name() string { return "libp2p" }

// newHost has no limits on resources: the defaults refuse hundreds of streams.
func newHost(options ...libp2p.Option) (host.Host, error) {
	return libp2p.New(append(options,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
	)...)
}

type server struct {
	load.Tally
	host.Host
}

func (system) Serve(*load.Identity) (load.Server, error) {
	h, err := newHost(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	s := &server{Host: h}
	h.SetStreamHandler(echoID, func(st network.Stream) { answer(st, nil) })
	h.SetStreamHandler(bulkID, func(st network.Stream) { answer(st, bulk) })
	h.SetStreamHandler(oneWayID, s.receive)
	return s, nil
}

var bulk = func() []byte {
	b := make([]byte, load.BulkSize)
	rand.Read(b)
	return b
}()

func (s *server) Addr() string {
	return fmt.Sprintf("%s/p2p/%s", s.Addrs()[0], s.ID())
}

// answer reads one message and replies with it, or with reply if there is one.
func answer(st network.Stream, reply []byte) {
	defer st.Close()
	in, err := read(st)
	if err != nil {
		st.Reset()
		return
	}
	if reply == nil {
		reply = in
	}
	if write(st, reply) != nil {
		st.Reset()
	}
}

func (s *server) receive(st network.Stream) {
	defer st.Close()
	r := bufio.NewReader(st)
	var b []byte
	for {
		n, err := length(r)
		if err != nil {
			return
		}
		if cap(b) < n {
			b = make([]byte, n)
		}
		if _, err := io.ReadFull(r, b[:n]); err != nil {
			return
		}
		s.Got(n)
	}
}

type client struct {
	host.Host
	far    peer.ID
	oneWay network.Stream // opened by the first message
}

func (system) Dial(ctx context.Context, _ *load.Identity, addr string) (load.Client, error) {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return nil, err
	}
	h, err := newHost(libp2p.NoListenAddrs)
	if err != nil {
		return nil, err
	}
	if err := h.Connect(ctx, *info); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &client{Host: h, far: info.ID}, nil
}

func (c *client) call(ctx context.Context, id protocol.ID, payload []byte) ([]byte, error) {
	st, err := c.NewStream(ctx, c.far, id)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if err := write(st, payload); err != nil {
		return nil, err
	}
	return read(st)
}

func (c *client) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.call(ctx, echoID, payload)
}

func (c *client) Pull(ctx context.Context, _ int) ([]byte, error) {
	return c.call(ctx, bulkID, nil)
}

func (c *client) OneWay(ctx context.Context, payload []byte) (err error) {
	if c.oneWay == nil {
		if c.oneWay, err = c.NewStream(ctx, c.far, oneWayID); err != nil {
			return err
		}
	}
	return write(c.oneWay, payload)
}

func (c *client) Flush() error { return c.oneWay.CloseWrite() }

// A message is its length in 4 bytes and its bytes.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// write puts it into one Write.
func write(w io.Writer, data []byte) error {
	b := frames.Get().(*[]byte)
	defer frames.Put(b)
	*b = append(binary.BigEndian.AppendUint32((*b)[:0], uint32(len(data))), data...)
	_, err := w.Write(*b)
	return err
}

func read(r io.Reader) ([]byte, error) {
	n, err := length(r)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

func length(r io.Reader) (int, error) {
	var h [4]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(h[:])
	if n > limit {
		return 0, fmt.Errorf("message of %d bytes", n)
	}
	return int(n), nil
}
