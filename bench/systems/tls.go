package systems

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"kith/bench/load"
)

// tlsMux is the plain mux on crypto/tls: what a day of work gives, and the
// limit for one way.
type tlsMux struct{}

func (tlsMux) Name() string { return "tls mux" }

type tlsServer struct {
	load.Tally
	listener net.Listener
	loops    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  []net.Conn
	closed bool
}

func (tlsMux) Serve(id *load.Identity) (load.Server, error) {
	conf, err := id.TLS("server")
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", loopback, conf)
	if err != nil {
		return nil, err
	}
	s := &tlsServer{listener: l}
	s.loops.Go(s.accept)
	return s, nil
}

func (s *tlsServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		}
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.loops.Go(func() {
			defer conn.Close()
			serveMux(conn, &s.Tally)
		})
	}
}

func (s *tlsServer) Addr() string { return s.listener.Addr().String() }

func (s *tlsServer) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.loops.Wait()
	return err
}

func (tlsMux) Dial(ctx context.Context, id *load.Identity, addr string) (load.Client, error) {
	conf, err := id.TLS("client")
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{Config: conf}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return newMuxClient(conn), nil
}
