package systems

import (
	"context"
	"errors"
	"log/slog"

	"kith/bench/load"
	"kith/cert"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// kithSystem is Kith: ports over mutual TLS, on TCP with datagrams on QUIC, or
// with everything on QUIC.
type kithSystem struct{ quic bool }

func (s kithSystem) Name() string {
	if s.quic {
		return "kith quic"
	}
	return "kith"
}

// Does leaves to QUIC the requests for which something is promised there.
func (s kithSystem) Does(c load.Case) bool {
	switch {
	case !s.quic:
		return true
	case c.Kind != load.Echo || c.TwoProcesses:
		return false
	}
	return c.Size == 64 && (c.Callers == 1 || c.Callers == 64) || c.Size == 1<<10 && c.Callers == 64
}

// The ports of the server.
const (
	echoPort = iota + 1
	bulkPort
	sendPort
	datagramPort
)

// kithNode is a node that offers, or calls, ports. It is both ends.
type kithNode struct {
	load.Tally
	mux    port.Mux
	server p2p.Server
}

func (s kithSystem) node(id *load.Identity, name, listen string) (*kithNode, error) {
	certFile, keyFile := id.Files(name)
	credentials, err := (&cert.Files{CA: id.CA(), Cert: certFile, Key: keyFile}).Load()
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	n := new(kithNode)
	n.mux.Logger = quiet
	n.server = p2p.Server{
		Name:       name,
		Transport:  &mtls.Transport{Credentials: credentials, NoTCP: s.quic, Logger: quiet},
		ListenAddr: listen,
		Policy:     p2p.OnDemand,
		Protocols:  []p2p.Protocol{n.mux.Protocol()},
		Logger:     quiet,
	}
	return n, nil
}

func (s kithSystem) Serve(id *load.Identity) (load.Server, error) {
	n, err := s.node(id, "server", loopback)
	if err != nil {
		return nil, err
	}
	count := func(_ context.Context, m *port.Message) ([]byte, error) {
		n.Got(len(m.Data))
		return nil, nil
	}
	echo := func(_ context.Context, m *port.Message) ([]byte, error) { return m.Data, nil }
	pull := func(context.Context, *port.Message) ([]byte, error) { return bulk, nil }
	err = errors.Join(
		n.mux.Handle(echoPort, "echo", port.Request, port.HandlerFunc(echo)),
		n.mux.Handle(bulkPort, "bulk", port.Request, port.HandlerFunc(pull)),
		n.mux.Handle(sendPort, "send", port.Send, port.HandlerFunc(count)),
		n.mux.Handle(datagramPort, "datagram", port.Unreliable, port.HandlerFunc(count)),
	)
	if err == nil {
		err = n.server.Start()
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *kithNode) Addr() string { return n.server.Addr().String() }

func (n *kithNode) Close() error { return errors.Join(n.server.Close(), n.mux.Close()) }

// kithClient has a Client for each port, on one session.
type kithClient struct {
	*kithNode
	echo, send *port.Client
	bulk       [load.BulkStreams]*port.Client
	datagram   *port.Client // nil until the first
	datagrams  int          // that were sent
	far        *node.Node
}

func (s kithSystem) Dial(ctx context.Context, id *load.Identity, addr string) (load.Client, error) {
	n, err := s.node(id, "client", "")
	if err != nil {
		return nil, err
	}
	c := &kithClient{kithNode: n, far: &node.Node{Hosts: []string{addr}}}
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return c, nil
}

func (c *kithClient) connect(ctx context.Context) (err error) {
	if err = c.server.Start(); err != nil {
		return err
	}
	if c.echo, err = c.open(ctx, echoPort); err != nil {
		return err
	}
	c.far.ID = c.echo.Peer().ID // the others share its session
	for i := range c.bulk {
		if c.bulk[i], err = c.open(ctx, bulkPort); err != nil {
			return err
		}
	}
	c.send, err = c.open(ctx, sendPort)
	return err
}

func (c *kithClient) open(ctx context.Context, number uint16) (*port.Client, error) {
	return c.mux.Connect(ctx, &c.server, c.far, 0, number)
}

func (c *kithClient) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.echo.Request(ctx, payload)
}

func (c *kithClient) Pull(ctx context.Context, stream int) ([]byte, error) {
	return c.bulk[stream].Request(ctx, nil)
}

func (c *kithClient) OneWay(ctx context.Context, payload []byte) error {
	return c.send.Send(ctx, payload)
}

// Flush has nothing to do: nothing is kept back.
func (c *kithClient) Flush() error { return nil }

// Datagram fails when it finds, looking now and then, that the session would
// have to carry it.
func (c *kithClient) Datagram(payload []byte) (err error) {
	ctx := context.Background()
	if c.datagram == nil {
		if c.datagram, err = c.open(ctx, datagramPort); err != nil {
			return err
		}
	}
	if c.datagrams++; c.datagrams%256 == 1 && !c.datagram.Datagrams() {
		return errors.New("kith: no carrier of datagrams")
	}
	return c.datagram.Send(ctx, payload)
}
