package mtls

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net"
)

const (
	exporterLabel = "EXPORTER-kith-attach"
	attachSecret  = 48 // 16 bytes name the session, 32 prove that one knows it
	attachSize    = 48
)

// An attachName finds the session that a carrier of datagrams belongs to.
type attachName [16]byte

func (s *session) attachName() attachName { return attachName(s.secret[:16]) }

// attachProof shows on one QUIC connection, and on no other, that its sender is
// an end of the session.
func (s *session) attachProof(state tls.ConnectionState) ([]byte, error) {
	bound, err := state.ExportKeyingMaterial(exporterLabel, nil, 32)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, s.secret[16:])
	mac.Write(bound)
	return mac.Sum(nil), nil
}

// expect lets a session that was accepted on TCP be found by its datagrams.
func (t *Transport) expect(s *session) {
	if _, tcp := s.conn.(*tcpCarrier); !tcp {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions == nil {
		t.sessions = make(map[attachName]*session)
	}
	t.sessions[s.attachName()] = s
}

func (t *Transport) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name := s.attachName(); t.sessions[name] == s {
		delete(t.sessions, name)
	}
}

var errAttach = errors.New("no such session to carry datagrams for")

// attached gives the QUIC connection of q to the session that its first frame
// names.
func (t *Transport) attached(q *session, payload []byte) error {
	carrier := q.conn.(*quicCarrier)
	t.mu.Lock()
	s := t.sessions[attachName(payload[:16])]
	t.mu.Unlock()
	if s == nil || s.remote != q.remote {
		return errAttach
	}
	proof, err := s.attachProof(carrier.conn.ConnectionState().TLS)
	if err != nil || !hmac.Equal(proof, payload[16:]) {
		return errAttach
	}
	if !s.grams.begin(carrier.conn, carrier.release) {
		return errAttach
	}
	carrier.Write(appendFrame(nil, kindAttached)) // if it fails the carrier is lost, which shows
	return nil
}

// attach dials QUIC where the session's TCP went, shows that it is we, and hands
// the connection over.
func (s *session) attach(ctx context.Context) error {
	ctx, stop := whileOpen(ctx, s.peer)
	defer stop()
	sock, err := s.t.socketFor(s.cfg, s.peer)
	if err != nil {
		return err
	}
	if err := s.attachOn(ctx, sock, net.UDPAddrFromAddrPort(s.peer)); err != nil {
		s.t.release(sock)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return err
	}
	return nil
}

// attachOn takes over the use of sock if it succeeds.
func (s *session) attachOn(ctx context.Context, sock *socket, addr net.Addr) error {
	conn, stream, err := openQUIC(ctx, s.cfg, sock, addr, want{id: s.remote}, datagramIdle(s.cfg))
	if err != nil {
		return err
	}
	err = within(ctx, s.cfg.handshake, stream, func() error {
		proof, err := s.attachProof(conn.ConnectionState().TLS)
		if err != nil {
			return err
		}
		name := s.attachName()
		if _, err := stream.Write(appendFrame(nil, kindAttach, name[:], proof)); err != nil {
			return err
		}
		in := buffer{buf: make([]byte, headerSize+maxControl)}
		h, _, err := in.frame(stream)
		if err == nil && h.kind != kindAttached {
			err = breach("frame of kind %d, want attached", h.kind)
		}
		return err
	})
	if err == nil && !s.grams.begin(conn, func() { s.t.release(sock) }) {
		err = net.ErrClosed
	}
	if err != nil {
		conn.CloseWithError(0, "")
		return explain(err)
	}
	return nil
}
