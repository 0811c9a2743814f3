package systems

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"kith/bench/load"
)

// natsSystem is a broker in this process with two clients, the one that asks
// and the one that answers; both are verified by their certificates.
type natsSystem struct{}

func (natsSystem) Name() string { return "nats" }

type natsServer struct {
	load.Tally
	broker *server.Server
	conn   *nats.Conn // answers
}

func (natsSystem) Serve(id *load.Identity) (load.Server, error) {
	conf, err := id.TLS("server")
	if err != nil {
		return nil, err
	}
	broker, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		TLS: true, TLSVerify: true, TLSTimeout: 5, TLSConfig: conf,
		MaxPayload: 2 << 20, // the default of 1 MiB leaves no room for a 1 MiB payload's headers
		NoLog:      true, NoSigs: true,
	})
	if err != nil {
		return nil, err
	}
	broker.Start()
	s := &natsServer{broker: broker}
	if !broker.ReadyForConnections(10 * time.Second) {
		return nil, errors.Join(errors.New("nats: broker not ready"), s.Close())
	}
	if s.conn, err = natsConn(id, "server", s.Addr()); err == nil {
		err = s.subscribe()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func natsConn(id *load.Identity, name, addr string) (*nats.Conn, error) {
	conf, err := id.TLS(name)
	if err != nil {
		return nil, err
	}
	return nats.Connect("tls://"+addr, nats.Secure(conf), nats.NoReconnect())
}

func (s *natsServer) subscribe() error {
	for subject, handle := range map[string]nats.MsgHandler{
		"echo":   func(m *nats.Msg) { m.Respond(m.Data) },
		"bulk":   func(m *nats.Msg) { m.Respond(bulk) },
		"oneway": func(m *nats.Msg) { s.Got(len(m.Data)) },
	} {
		sub, err := s.conn.Subscribe(subject, handle)
		if err != nil {
			return fmt.Errorf("nats: subscribe %s: %w", subject, err)
		}
		if err := sub.SetPendingLimits(-1, -1); err != nil { // else a burst is dropped
			return fmt.Errorf("nats: subscribe %s: %w", subject, err)
		}
	}
	return s.conn.Flush()
}

func (s *natsServer) Addr() string { return s.broker.Addr().String() }

func (s *natsServer) Close() error {
	if s.conn != nil {
		s.conn.Close()
	}
	s.broker.Shutdown()
	s.broker.WaitForShutdown()
	return nil
}

type natsClient struct{ conn *nats.Conn }

func (natsSystem) Dial(_ context.Context, id *load.Identity, addr string) (load.Client, error) {
	conn, err := natsConn(id, "client", addr)
	if err != nil {
		return nil, err
	}
	return &natsClient{conn}, nil
}

func (c *natsClient) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	m, err := c.conn.RequestWithContext(ctx, subject, payload)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (c *natsClient) Request(ctx context.Context, payload []byte) ([]byte, error) {
	return c.request(ctx, "echo", payload)
}

func (c *natsClient) Pull(ctx context.Context, _ int) ([]byte, error) {
	return c.request(ctx, "bulk", nil)
}

func (c *natsClient) OneWay(_ context.Context, payload []byte) error {
	return c.conn.Publish("oneway", payload)
}

func (c *natsClient) Flush() error { return c.conn.FlushTimeout(10 * time.Second) }

// Gate keeps the broker from cutting off the answering client as a slow
// consumer, which it does at 64 MiB.
func (c *natsClient) Gate() int { return 16 << 20 }

func (c *natsClient) Close() error {
	c.conn.Close()
	return nil
}
