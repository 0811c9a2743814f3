package port

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"kith/cert"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
)

// benchNode is a node of a cluster on loopback.
func benchNode(b *testing.B, ca *cert.CA, name string, m *Mux) *p2p.Server {
	b.Helper()
	pair, err := ca.Issue(cert.NodeOptions{Name: name})
	if err != nil {
		b.Fatal(err)
	}
	key, err := cert.EncodeKey(pair.Key)
	if err != nil {
		b.Fatal(err)
	}
	credentials, err := cert.Material{CA: cert.EncodeCerts(ca.Cert), Cert: cert.EncodeCerts(pair.Cert), Key: key}.Parse()
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	s := &p2p.Server{
		Transport: &mtls.Transport{Credentials: credentials, Logger: quiet}, ListenAddr: "127.0.0.1:0",
		Policy: p2p.OnDemand, Protocols: []p2p.Protocol{m.Protocol()}, Logger: quiet,
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		s.Close()
		m.Close()
	})
	return s
}

// benchClients gives a client over mutual TLS, and one over memory.
func benchClients(b *testing.B, mode Mode, h func(context.Context, *Message) ([]byte, error), bench func(b *testing.B, c *Client)) {
	b.Run("tls", func(b *testing.B) {
		ca, err := cert.CreateCA(cert.CAOptions{Name: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		near, far := new(Mux), new(Mux)
		handle(b, far, 1, mode, h)
		server := benchNode(b, ca, "far", far)
		client := benchNode(b, ca, "near", near)
		c, err := near.Connect(b.Context(), client, &node.Node{Hosts: []string{server.Addr().String()}}, 0, 1)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		bench(b, c)
	})
	b.Run("memory", func(b *testing.B) {
		m := new(Mux)
		handle(b, m, 1, mode, h)
		c := connectSelf(b, m, 1)
		defer c.Close()
		bench(b, c)
	})
}

func BenchmarkRequest(b *testing.B) {
	benchClients(b, Request, echo, func(b *testing.B, c *Client) {
		for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
			for _, callers := range []int{1, 64, 512} {
				b.Run(fmt.Sprintf("%d/x%d", size, callers), func(b *testing.B) { benchRequests(b, c, size, callers) })
			}
		}
	})
}

func benchRequests(b *testing.B, c *Client, size, callers int) {
	data := make([]byte, size)
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	defer cpu(b)()
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := c.Request(ctx, data); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkSend(b *testing.B) {
	var handled atomic.Int64
	count := func(context.Context, *Message) ([]byte, error) {
		handled.Add(1)
		return nil, nil
	}
	benchClients(b, Send, count, func(b *testing.B, c *Client) {
		for _, size := range []int{64, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprint(size), func(b *testing.B) {
				data := make([]byte, size)
				handled.Store(0)
				b.ReportAllocs()
				b.ResetTimer()
				defer cpu(b)()
				for range b.N {
					if err := c.Send(b.Context(), data); err != nil {
						b.Fatal(err)
					}
				}
				for handled.Load() < int64(b.N) {
					runtime.Gosched()
				}
			})
		}
	})
}

// BenchmarkUnreliable keeps a bounded flight, so that nothing is dropped. "queue"
// is what lies behind a session's reader alone.
func BenchmarkUnreliable(b *testing.B) {
	var handled atomic.Int64
	m := new(Mux)
	handle(b, m, 1, Unreliable, func(context.Context, *Message) ([]byte, error) {
		handled.Add(1)
		return nil, nil
	})
	c := connectSelf(b, m, 1)
	data := make([]byte, 64)
	run := func(name string, flight int64, send func() error) {
		b.Run(name, func(b *testing.B) {
			handled.Store(0)
			b.ReportAllocs()
			b.ResetTimer()
			defer cpu(b)()
			for i := range int64(b.N) {
				for i-handled.Load() >= flight {
					runtime.Gosched()
				}
				if err := send(); err != nil {
					b.Fatal(err)
				}
			}
			for handled.Load() < int64(b.N) {
				runtime.Gosched()
			}
		})
	}
	run("memory/64", maxDatagrams, func() error { return c.Send(b.Context(), data) })
	l, in := newLink(m, node.Ref{}, new(rounds), nil), &inbound{svc: m.service(1)}
	run("queue/64", gramQueue, func() error {
		l.takeDatagram(in, data)
		return nil
	})
}
