package mtls

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/quic-go/quic-go"

	"kith/p2p"
)

// acceptQUIC takes connections whose handshake is done.
func (l *listener) acceptQUIC() {
	for {
		conn, err := l.quic.Accept(l.ctx)
		if err != nil {
			return
		}
		greeted(conn)
		select {
		case l.slots <- struct{}{}:
			l.loops.Go(func() {
				l.sort(conn)
				<-l.slots
			})
		default:
			conn.CloseWithError(quic.ApplicationErrorCode(p2p.DiscTooManyPeers), p2p.ErrPendingLimit.Error())
		}
	}
}

// sort judges the client, then finds out from its first frame whether the
// connection is to carry datagrams of a session that there is, or is a session.
func (l *listener) sort(conn *quic.Conn) {
	p, err := l.judge(conn)
	if err != nil {
		l.cfg.log.Debug("QUIC connection refused", "addr", conn.RemoteAddr().String(), "err", err)
		conn.CloseWithError(closeRefused, clip(words(err)))
		return
	}
	if p != nil {
		l.offer(p)
	}
}

// judge returns no Pending if the connection has been attached to a session.
func (l *listener) judge(conn *quic.Conn) (p2p.Pending, error) {
	chain := conn.ConnectionState().TLS.PeerCertificates
	if err := judgeClient(l.cfg.credentials.Current(), chain); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.handshake)
	defer cancel()
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	l.t.use(l.socket)
	s, err := l.t.newQUICSession(l.cfg, conn, stream, false, func() { l.t.release(l.socket) })
	if err != nil {
		l.t.release(l.socket)
		return nil, err
	}
	var h header
	var payload []byte
	err = within(l.ctx, l.cfg.handshake, stream, func() error {
		h, payload, err = s.in.frame(stream)
		return err
	})
	switch {
	case err != nil:
	case h.kind == kindAttach:
		if err = l.t.attached(s, payload); err == nil {
			return nil, nil
		}
	case h.kind == kindHello:
		s.in.r = 0 // to be read by Hello
		return &quicPending{s}, nil
	default:
		err = breach("frame of kind %d before hello", h.kind)
	}
	conn.CloseWithError(closeRefused, clip(words(err)))
	s.fail(err)
	return nil, err
}

// use counts a user of an open socket.
func (t *Transport) use(s *socket) {
	t.mu.Lock()
	s.users++
	t.mu.Unlock()
}

// A quicPending is a session that waits for its Hello.
type quicPending struct{ s *session }

func (p *quicPending) RemoteAddr() netip.AddrPort { return p.s.peer }

func (p *quicPending) Handshake(ctx context.Context) (p2p.Session, error) {
	if err := ctx.Err(); err != nil {
		p.Close()
		return nil, fmt.Errorf("mtls: accept %v: %w", p.s.peer, err)
	}
	return p.s, nil
}

func (p *quicPending) Close() error {
	p.s.fail(fmt.Errorf("mtls: session with %s: not accepted", p.s.remote.Short()))
	return nil
}
