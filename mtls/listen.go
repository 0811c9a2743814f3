package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"kith/p2p"
)

// A listener accepts on TCP and, unless QUIC is off, on the UDP port of the same
// number.
type listener struct {
	t     *Transport
	cfg   *config
	tcp   net.Listener
	conns chan p2p.Pending // unbuffered: what nobody accepts waits in the system
	stop  context.CancelFunc
	ctx   context.Context // until Close
	loops sync.WaitGroup
}

// Listen takes the address on TCP and UDP.
func (t *Transport) Listen(ctx context.Context, addr string) (p2p.Listener, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	tcp, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	l := &listener{t: t, cfg: cfg, tcp: tcp, conns: make(chan p2p.Pending)}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.loops.Go(l.acceptTCP)
	return l, nil
}

func (l *listener) Addr() net.Addr { return l.tcp.Addr() }

func (l *listener) Accept() (p2p.Pending, error) {
	select {
	case p := <-l.conns:
		return p, nil
	case <-l.ctx.Done():
		return nil, fmt.Errorf("mtls: accept: %w", net.ErrClosed)
	}
}

// Close ends Accept and waits for the loops.
func (l *listener) Close() error {
	l.stop()
	err := l.tcp.Close()
	l.loops.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
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
		if ctx.Err() == nil {
			c.linger() // crypto/tls has sent an alert
		}
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

// linger waits until the client has closed, and throws away what it has sent:
// closing with unread bytes would make the system take our words back.
func (c *tcpCarrier) linger() {
	c.under.SetDeadline(time.Now().Add(farewellTime))
	if half, ok := c.under.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		drain(c.under)
	}
}
