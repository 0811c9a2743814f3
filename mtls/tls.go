package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// protocol is what both sides must name in TLS.
const protocol = "kith/1"

// baseTLS is what both roles have in common. Nothing of a session is kept for
// another: no tickets, so no early data either.
func baseTLS(now *cert.Snapshot) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		NextProtos:                  []string{protocol},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		Certificates:                []tls.Certificate{now.TLS},
	}
}

// serverTLS asks for any certificate and names no authority: a client that sees
// a list without its own shows none at all, and could not be told why it is
// refused. The verdict is judgeClient's, after the handshake.
func serverTLS(now *cert.Snapshot) *tls.Config {
	c := baseTLS(now)
	c.ClientAuth = tls.RequestClientCert
	return c
}

// clientTLS refuses a server within the handshake, before our certificate is
// shown to it.
func clientTLS(now *cert.Snapshot, w want) *tls.Config {
	c := baseTLS(now)
	c.InsecureSkipVerify = true // VerifyConnection does all of it
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if err := w.judgeServer(now, state.PeerCertificates); err != nil {
			return &verdict{err}
		}
		return nil
	}
	return c
}

// want is whom a dial is meant for.
type want struct {
	id   node.ID // zero: whoever answers
	name string  // of whoever answers; empty: any
}

// judgeServer is the verdict of the side that dialled.
func (w want) judgeServer(now *cert.Snapshot, chain []*x509.Certificate) error {
	if err := now.Check(chain, cert.Server, time.Now()); err != nil {
		return err
	}
	id, err := cert.ID(chain[0].PublicKey)
	switch {
	case err != nil:
		return err
	case id == now.ID:
		return p2p.DiscSelf
	case w.id.IsZero() && w.name != "":
		if err := cert.CheckName(chain[0], w.name); err != nil {
			return fmt.Errorf("wrong seed name: %w: %w", err, p2p.DiscUnexpectedIdentity)
		}
	case !w.id.IsZero() && id != w.id:
		return fmt.Errorf("%w: %s (%s) answered, wanted %s", p2p.DiscUnexpectedIdentity, node.ID(id).Short(), cert.Name(chain[0]), w.id.Short())
	}
	return nil
}

// judgeClient is the verdict of the side that was dialled.
func judgeClient(now *cert.Snapshot, chain []*x509.Certificate) error {
	if err := now.Check(chain, cert.Client, time.Now()); err != nil {
		return err
	}
	_, err := cert.ID(chain[0].PublicKey)
	return err
}

// role is what the peer of a session is.
func (s *session) role() cert.Role {
	if s.dialled {
		return cert.Server
	}
	return cert.Client
}

// judgeEvery is how long a verdict holds at most: authorities end too.
const judgeEvery = time.Hour

// stillValid looks at the peer's certificate again if the credentials have
// changed, if it has a new one, or if a certificate of its chain has ended.
func (s *session) stillValid(now time.Time) error {
	current := s.cfg.credentials.Current()
	s.offer(current)
	if !s.renew(current, now) && current == s.judged && now.Before(s.expires) {
		return nil
	}
	if err := current.Check(s.chain, s.role(), now); err != nil {
		return fmt.Errorf("%w: %s", p2p.DiscRefused, words(err))
	}
	s.judged, s.expires = current, ends(s.chain)
	if again := now.Add(judgeEvery); again.Before(s.expires) {
		s.expires = again
	}
	return nil
}

// ends is when the first certificate of a chain does.
func ends(chain []*x509.Certificate) time.Time {
	first := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// words is an error for somebody who knows what it is about.
func words(err error) string {
	if e, ok := errors.AsType[*cert.CheckError](err); ok && !errors.Is(err, p2p.DiscUnexpectedIdentity) {
		return e.Text
	}
	return err.Error()
}

// A verdict is our refusal of a server, found again in what crypto/tls and QUIC
// make of it.
type verdict struct{ error }

func (v *verdict) Unwrap() error { return v.error }

// An alert is what the other side of a TLS handshake says before it hangs up. It
// wraps p2p.DiscRefused.
type alert struct{ text string }

func (a *alert) Error() string { return "peer refused us: " + a.text }
func (a *alert) Unwrap() error { return p2p.DiscRefused }

// closeRefused is the code with which a QUIC connection is closed whose client
// is refused; the words come with it.
const closeRefused = quic.ApplicationErrorCode(p2p.DiscRefused)

// explain puts an error of crypto/tls or QUIC in words of ours.
func explain(err error) error {
	if v, ok := errors.AsType[*verdict](err); ok {
		return v.error
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return &alert{strings.TrimPrefix(op.Err.Error(), "tls: ")}
	}
	if e, ok := errors.AsType[*quic.TransportError](err); ok && e.Remote && e.ErrorCode.IsCryptoError() {
		return &alert{strings.TrimPrefix(tls.AlertError(e.ErrorCode-0x100).Error(), "tls: ")}
	}
	if e, ok := errors.AsType[*quic.ApplicationError](err); ok && e.Remote && e.ErrorCode == closeRefused {
		return &p2p.DisconnectError{Reason: p2p.DiscRefused, Text: clean([]byte(e.ErrorMessage)), Remote: true}
	}
	return err
}
