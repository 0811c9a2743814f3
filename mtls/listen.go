package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"kith/p2p"
)

// A listener accepts on TCP and, unless QUIC is off, on the UDP port of the same
// number.
type listener struct {
	t      *Transport
	cfg    *config
	tcp    net.Listener // nil if TCP is off
	socket *socket      // nil if QUIC is off
	quic   *quic.Listener
	slots  chan struct{}    // one for each QUIC connection that has not said what it is
	conns  chan p2p.Pending // unbuffered: what nobody accepts waits in the system
	ctx    context.Context  // until Close
	stop   context.CancelFunc
	loops  sync.WaitGroup
	once   sync.Once
}

// maxSilent is how many QUIC connections may be there that have not said what
// they are; the next is told "too many pending handshakes".
const maxSilent = 256

// samePort is how often a free port is sought that is free on UDP too.
const samePort = 16

// Listen takes the address on TCP and UDP, or neither.
func (t *Transport) Listen(ctx context.Context, addr string) (p2p.Listener, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	l := &listener{t: t, cfg: cfg, conns: make(chan p2p.Pending), slots: make(chan struct{}, maxSilent)}
	for range samePort {
		if err = l.bind(ctx, addr); err == nil || !strings.HasSuffix(addr, ":0") {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if l.tcp != nil {
		l.loops.Go(l.acceptTCP)
	}
	if l.quic != nil {
		l.loops.Go(l.acceptQUIC)
	}
	return l, nil
}

// bind opens the sockets, both or none.
func (l *listener) bind(ctx context.Context, addr string) (err error) {
	if l.cfg.noTCP {
		udp, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return err
		}
		return l.bindQUIC(addrPort(udp))
	}
	var lc net.ListenConfig
	if l.tcp, err = lc.Listen(ctx, "tcp", addr); err != nil || l.cfg.noQUIC {
		return err
	}
	if err = l.bindQUIC(addrPort(l.tcp.Addr())); err != nil {
		l.tcp.Close()
	}
	return err
}

func (l *listener) bindQUIC(local netip.AddrPort) (err error) {
	if l.socket, err = l.t.bindUDP(l.cfg, local); err != nil {
		return err
	}
	if l.quic, err = l.socket.listen(l.cfg); err != nil {
		l.t.unlisten(l.socket)
	}
	return err
}

func (l *listener) Addr() net.Addr {
	if l.tcp == nil {
		return l.socket.conn.LocalAddr()
	}
	return l.tcp.Addr()
}

func (l *listener) Accept() (p2p.Pending, error) {
	select {
	case p := <-l.conns:
		return p, nil
	case <-l.ctx.Done():
		return nil, fmt.Errorf("mtls: accept: %w", net.ErrClosed)
	}
}

// Close ends Accept and waits for the loops. Sessions go on, and the UDP port
// stays open until the last of those that use it has ended.
func (l *listener) Close() (err error) {
	l.once.Do(func() {
		l.stop()
		if l.tcp != nil {
			err = l.tcp.Close()
		}
		if l.quic != nil {
			l.quic.Close()
		}
		l.loops.Wait()
		if l.socket != nil {
			l.t.unlisten(l.socket)
		}
	})
	return err
}

// acceptTCP hands connections to Accept. When the system has no more
// descriptors it waits a little and tries again.
func (l *listener) acceptTCP() {
	pause := 5 * time.Millisecond
	for l.ctx.Err() == nil {
		conn, err := l.tcp.Accept()
		if err != nil {
			if l.ctx.Err() != nil {
				return
			}
			l.cfg.log.Debug("accept failed", "err", err)
			l.wait(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		l.offer(&tcpPending{l.t, l.cfg, conn})
	}
}

// offer gives a connection to Accept, or closes it if there will be none.
func (l *listener) offer(p p2p.Pending) {
	select {
	case l.conns <- p:
	case <-l.ctx.Done():
		p.Close()
	}
}

func (l *listener) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.ctx.Done():
	}
}

// A tcpPending is a connection that has proved nothing.
type tcpPending struct {
	t    *Transport
	cfg  *config
	conn net.Conn
}

func (p *tcpPending) RemoteAddr() netip.AddrPort { return addrPort(p.conn.RemoteAddr()) }

func (p *tcpPending) Close() error { return p.conn.Close() }

// Handshake judges the client when TLS is done, and tells it in words if it is
// refused.
func (p *tcpPending) Handshake(ctx context.Context) (p2p.Session, error) {
	s, err := p.handshake(ctx)
	if err != nil {
		p.conn.Close()
		return nil, fmt.Errorf("mtls: accept %v: %w", p.RemoteAddr(), err)
	}
	return s, nil
}

func (p *tcpPending) handshake(ctx context.Context) (*session, error) {
	now := p.cfg.credentials.Current()
	c := newTCPCarrier(p.conn, false, serverTLS(now))
	if err := within(ctx, p.cfg.handshake, p.conn, c.Handshake); err != nil {
		c.lingerAfter(ctx, err)
		return nil, explain(err)
	}
	if err := judgeClient(now, c.ConnectionState().PeerCertificates); err != nil {
		c.refuse(err)
		return nil, err
	}
	return p.t.newTCPSession(p.cfg, c, false)
}

// refuse tells the client why.
func (c *tcpCarrier) refuse(why error) {
	c.SetDeadline(time.Now().Add(farewellTime))
	if _, err := c.Write(appendFrame(nil, kindRefused, []byte(clip(words(why))))); err == nil {
		c.Conn.CloseWrite()
		c.linger()
	}
}

// lingerAfter gives the peer time to read the alert that crypto/tls has sent, if
// it has, when a handshake has failed.
func (c *tcpCarrier) lingerAfter(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		c.linger()
	}
}

// linger waits until the peer has closed, and throws away what it has sent:
// closing with unread bytes would make the system take our words back.
func (c *tcpCarrier) linger() {
	c.under.SetDeadline(time.Now().Add(farewellTime))
	if half, ok := c.under.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		drain(c.under)
	}
}
