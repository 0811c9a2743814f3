package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"kith/cert"
)

// tryQUIC makes a session that has no TCP at all.
func (t *Transport) tryQUIC(ctx context.Context, cfg *config, addr netip.AddrPort, w want) (*session, error) {
	ctx, stop := whileOpen(ctx, addr)
	defer stop()
	sock, err := t.socketFor(cfg, addr)
	if err != nil {
		return nil, err
	}
	s, err := t.dialQUIC(ctx, cfg, sock, net.UDPAddrFromAddrPort(addr), w)
	if err != nil {
		t.release(sock)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return s, nil
}

// dialQUIC takes over the use of sock if it succeeds.
func (t *Transport) dialQUIC(ctx context.Context, cfg *config, sock *socket, addr net.Addr, w want) (*session, error) {
	conn, stream, err := openQUIC(ctx, cfg, sock, addr, w, sessionIdle(cfg))
	if err != nil {
		return nil, err
	}
	return t.newQUICSession(cfg, conn, stream, true, func() { t.release(sock) })
}

// openQUIC dials and opens the one stream of a connection that may be silent for
// idle.
func openQUIC(ctx context.Context, cfg *config, sock *socket, addr net.Addr, w want, idle time.Duration) (*quic.Conn, *quic.Stream, error) {
	conn, err := sock.quic.Dial(ctx, addr, clientTLS(cfg.credentials.Current(), w), quicConfig(cfg, -1, idle))
	if err != nil {
		return nil, nil, explain(err)
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		conn.CloseWithError(0, "")
		return nil, nil, explain(err)
	}
	return conn, stream, nil
}

// newQUICSession makes a session of a connection whose handshake is done and
// whose peer is believed. It calls release when the connection is closed.
func (t *Transport) newQUICSession(cfg *config, conn *quic.Conn, stream *quic.Stream, dialled bool, release func()) (*session, error) {
	chain := conn.ConnectionState().TLS.PeerCertificates
	id, err := cert.ID(chain[0].PublicKey)
	if err != nil {
		return nil, err
	}
	c := &quicCarrier{Stream: stream, conn: conn, release: sync.OnceFunc(release)}
	return newSession(t, cfg, c, dialled, chain, id, addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())), nil
}

var errUDPRefused = errors.New("connection refused")

// whileOpen gives a context that ends when the system says that nobody has the
// UDP port. QUIC by itself would send into the void until its handshake times
// out, and whoever dials a node that has just died would wait for nothing.
func whileOpen(ctx context.Context, addr netip.AddrPort) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return ctx, func() { cancel(nil) }
	}
	var loop sync.WaitGroup
	loop.Go(func() {
		probe.Write([]byte{0}) // no QUIC packet begins so: it is thrown away
		if _, err := probe.Read(make([]byte, 1)); err != nil && !errors.Is(err, net.ErrClosed) {
			cancel(fmt.Errorf("udp: %w", errUDPRefused))
		}
	})
	return ctx, func() {
		probe.Close()
		loop.Wait()
		cancel(nil)
	}
}
