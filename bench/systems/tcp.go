package systems

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"kith/bench/load"
)

// tcpEcho is plain TCP: one write, one read, no secrecy. A round trip on RLPx is
// held against it.
type tcpEcho struct{}

func (tcpEcho) Name() string          { return "tcp" }
func (tcpEcho) Open()                 {}
func (tcpEcho) Does(c load.Case) bool { return c.Kind == load.Echo }

type tcpServer struct {
	load.Tally
	listener net.Listener
	loops    sync.WaitGroup
}

func (tcpEcho) Serve(*load.Identity) (load.Server, error) {
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		return nil, err
	}
	s := &tcpServer{listener: l}
	s.loops.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.loops.Go(func() { // until the client closes
				defer conn.Close()
				io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}) // no splice: through memory, as a protocol would
			})
		}
	})
	return s, nil
}

func (s *tcpServer) Addr() string { return s.listener.Addr().String() }

func (s *tcpServer) Close() error {
	err := s.listener.Close()
	s.loops.Wait()
	return err
}

type tcpClient struct {
	net.Conn
	r *bufio.Reader
}

func (tcpEcho) Dial(ctx context.Context, _ *load.Identity, addr string) (load.Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &tcpClient{conn, bufio.NewReader(conn)}, nil
}

func (c *tcpClient) Request(_ context.Context, payload []byte) ([]byte, error) {
	const room = 64 << 10 // what surely fits into the buffers on the way
	if len(payload) > room {
		sent := make(chan error, 1)
		go func() { _, err := c.Write(payload); sent <- err }()
		reply := make([]byte, len(payload))
		_, err := io.ReadFull(c.r, reply)
		return reply, errors.Join(err, <-sent)
	}
	if _, err := c.Write(payload); err != nil {
		return nil, err
	}
	reply := make([]byte, len(payload))
	_, err := io.ReadFull(c.r, reply)
	return reply, err
}
