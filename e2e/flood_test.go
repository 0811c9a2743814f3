package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// A deaf socket lets out what it is given and hears nothing, so that the other
// side waits for an answer to its own.
type deaf struct {
	net.PacketConn
	heard atomic.Int32 // packets thrown away
}

func (d *deaf) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		_, _, err := d.PacketConn.ReadFrom(b)
		if err != nil {
			return 0, nil, err
		}
		d.heard.Add(1)
	}
}

// A sniffer notes whether a Retry has come (RFC 9000, 17.2.5).
type sniffer struct {
	net.PacketConn
	retries atomic.Int32
}

func (s *sniffer) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	if n > 0 && b[0]&0xf0 == 0xf0 {
		s.retries.Add(1)
	}
	return n, from, err
}

func udp(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// T6: above a number of handshakes that nobody goes on with, newcomers must first
// show that their address is their own; then they are let in.
func TestT6Flood(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	addr, err := net.ResolveUDPAddr("udp", b.node.Hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"kith/1"}, Certificates: []tls.Certificate{snapshot(t, dir, "a").TLS}}
	newcomer := func() (retries int32) {
		t.Helper()
		s := &sniffer{PacketConn: udp(t)}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		tr := &quic.Transport{Conn: s}
		defer tr.Close()
		conn, err := tr.Dial(ctx, addr, conf, nil)
		if err != nil {
			t.Fatalf("a newcomer does not get in: %v", err)
		}
		conn.CloseWithError(0, "")
		return s.retries.Load()
	}
	if newcomer() != 0 {
		t.Errorf("Retry without a flood")
	}

	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var sockets []*deaf
	for range 64 {
		d := &deaf{PacketConn: udp(t)}
		sockets = append(sockets, d)
		flood.Go(func() {
			for ctx.Err() == nil { // the other side forgets after a while
				tr := &quic.Transport{Conn: d}
				if _, err := tr.Dial(ctx, addr, conf, &quic.Config{HandshakeIdleTimeout: time.Second}); err == nil {
					t.Error("a deaf client has finished a handshake")
				}
				tr.Close()
			}
		})
	}
	defer flood.Wait()
	defer stop()
	eventually(t, soon, "the flood arrives", func() bool {
		for _, d := range sockets {
			if d.heard.Load() == 0 {
				return false
			}
		}
		return true
	})
	if newcomer() == 0 {
		t.Errorf("no Retry in a flood")
	}
}
