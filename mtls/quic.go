package mtls

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"kith/cert"
)

// A socket is a UDP port that all QUIC connections on it share, dialled and
// accepted. It is open while it has users: a listener, sessions.
type socket struct {
	conn    net.PacketConn
	local   netip.AddrPort
	quic    *quic.Transport
	pending atomic.Int64 // accepted, handshake not done

	users     int  // guarded by Transport.mu
	listening bool // guarded by Transport.mu
}

const (
	// retryAbove is how many handshakes may be under way before a newcomer must
	// first show, with a Retry, that its address is its own.
	retryAbove = 32
	// maxPending is how many may be under way at all; a newcomer is turned away.
	maxPending = 1024

	streamWindow     = 256 << 10 // what a peer may have under way on the stream
	connectionWindow = 1 << 20   // and on the connection
)

// sessionIdle is how long QUIC waits for a sign of life. A session has our ping,
// which must come first on QUIC as on TCP, so QUIC waits a little longer.
func sessionIdle(cfg *config) time.Duration { return cfg.deadAfter + cfg.deadAfter/7 }

// datagramIdle is the same for carriers of datagrams, which have no ping of
// ours: with the keep-alive that has gone unanswered it is deadAfter. Who dials
// says which it is; the shorter time holds on both sides.
func datagramIdle(cfg *config) time.Duration { return cfg.deadAfter - cfg.deadAfter/3 }

// quicConfig is the same for all QUIC connections but for how long they may be
// silent. Early data is off on both sides; the windows do not grow.
func quicConfig(cfg *config, streams int64, idle time.Duration) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           cfg.handshake,
		KeepAlivePeriod:                cfg.deadAfter / 3,
		MaxIdleTimeout:                 idle,
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: connectionWindow,
		MaxConnectionReceiveWindow:     connectionWindow,
		MaxIncomingStreams:             streams,
		MaxIncomingUniStreams:          -1,
		EnableDatagrams:                true,
	}
}

// newSocket takes over conn.
func newSocket(conn net.PacketConn, now *cert.Snapshot) *socket {
	s := &socket{conn: conn, local: addrPort(conn.LocalAddr())}
	s.quic = &quic.Transport{
		Conn: conn,
		// Long enough for the shortest packet with a frame of ours to be worth a
		// stateless reset, which must be the smaller of the two; and such that the
		// longest datagram that quic-go takes just fills a packet: see pad.
		ConnectionIDLength:  17,
		StatelessResetKey:   resetKey(now),
		VerifySourceAddress: func(net.Addr) bool { return s.pending.Load() > retryAbove },
		ConnContext:         s.newcomer,
	}
	return s
}

// resetKey is the same in each run of a node, so that a node that was restarted
// can tell peers that the connections of its last run are gone.
func resetKey(now *cert.Snapshot) *quic.StatelessResetKey {
	der, err := x509.MarshalPKCS8PrivateKey(now.TLS.PrivateKey)
	if err != nil {
		return nil // a key that cannot be had: peers have to find out by themselves
	}
	key, err := hkdf.Key(sha256.New, der, nil, "kith quic stateless reset", len(quic.StatelessResetKey{}))
	if err != nil {
		return nil
	}
	return (*quic.StatelessResetKey)(key)
}

// greetingKey is where a connection keeps the end of its place among the pending.
type greetingKey struct{}

// newcomer counts a connection as pending until its handshake ends.
func (s *socket) newcomer(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if s.pending.Add(1) > maxPending {
		s.pending.Add(-1)
		return nil, errors.New("mtls: too many pending handshakes")
	}
	done := sync.OnceFunc(func() { s.pending.Add(-1) })
	context.AfterFunc(ctx, done)
	return context.WithValue(ctx, greetingKey{}, done), nil
}

// greeted ends what newcomer began, for a handshake that succeeded.
func greeted(conn *quic.Conn) {
	if done, ok := conn.Context().Value(greetingKey{}).(func()); ok {
		done()
	}
}

// listen accepts connections with the credentials of the moment.
func (s *socket) listen(cfg *config) (*quic.Listener, error) {
	outer := baseTLS(cfg.credentials.Current())
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return serverTLS(cfg.credentials.Current()), nil
	}
	return s.quic.Listen(outer, quicConfig(cfg, 1, sessionIdle(cfg)))
}

// close ends all connections that are left, without a word.
func (s *socket) close() {
	s.quic.Close()
	s.conn.Close()
}

// bindUDP opens the port for a listener, or takes the one that sessions of an
// earlier listener still use.
func (t *Transport) bindUDP(cfg *config, local netip.AddrPort) (*socket, error) {
	t.mu.Lock()
	for _, s := range t.sockets {
		if s.local == local && !s.listening {
			s.listening = true
			s.users++
			t.mu.Unlock()
			return s, nil
		}
	}
	t.mu.Unlock()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	s := newSocket(conn, cfg.credentials.Current())
	s.users, s.listening = 1, true
	t.mu.Lock()
	t.sockets = append(t.sockets, s)
	t.mu.Unlock()
	return s, nil
}

// socketFor gives a socket from which addr can be dialled: one that is open, if
// its address allows it, else one on any free port. Release it after use.
func (t *Transport) socketFor(cfg *config, addr netip.AddrPort) (*socket, error) {
	if s := t.openSocket(addr.Addr()); s != nil {
		return s, nil
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	s := newSocket(conn, cfg.credentials.Current())
	s.users = 1
	t.mu.Lock()
	t.sockets = append(t.sockets, s)
	t.mu.Unlock()
	return s, nil
}

func (t *Transport) openSocket(to netip.Addr) *socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sockets {
		from := s.local.Addr()
		if from.IsUnspecified() && (from.Is6() || to.Is4()) || from.Is4() == to.Is4() && from.IsLoopback() == to.IsLoopback() {
			s.users++
			return s
		}
	}
	return nil
}

// release lets go of a socket; the last user closes it.
func (t *Transport) release(s *socket) {
	t.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		t.sockets = slices.DeleteFunc(t.sockets, func(o *socket) bool { return o == s })
	}
	t.mu.Unlock()
	if last {
		s.close()
	}
}

// unlisten is release for a listener.
func (t *Transport) unlisten(s *socket) {
	t.mu.Lock()
	s.listening = false
	t.mu.Unlock()
	t.release(s)
}

// A quicCarrier is one stream of a QUIC connection that has no other.
type quicCarrier struct {
	*quic.Stream
	conn    *quic.Conn
	release func() // lets go of the socket, once
	in, out atomic.Uint64
}

func (c *quicCarrier) Read(b []byte) (int, error) {
	n, err := c.Stream.Read(b)
	c.in.Add(uint64(n))
	return n, err
}

func (c *quicCarrier) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	c.out.Add(uint64(n))
	return n, err
}

func (c *quicCarrier) together(b []byte) error {
	_, err := c.Write(b)
	return err
}

func (c *quicCarrier) CloseWrite() error { return c.Stream.Close() }

func (c *quicCarrier) Close() error {
	err := c.conn.CloseWithError(0, "")
	c.release()
	return err
}

func (c *quicCarrier) counts() (in, out uint64) { return c.in.Load(), c.out.Load() }
func (c *quicCarrier) name() string             { return "quic" }
