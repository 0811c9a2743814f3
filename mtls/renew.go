package mtls

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"

	"kith/cert"
)

// A renewal is how a session outlives the certificates that it began with. When
// our credentials change, the peer is sent our new certificate and what is above
// it. It judges that in place of what TLS has shown, as soon as it can: perhaps
// it does not know the new authority yet. Nothing has to be proved again, since
// the key must be the same.
type renewal struct {
	shown *cert.Snapshot      // what the peer has seen of us; the timer's
	next  []*x509.Certificate // the peer's last, not believed yet; the timer's
	came  []byte              // the last that came; guarded by session.mu
}

// offer tells the peer of our certificate if it has not seen the one in force. A
// chain too long for a frame is not told: then the session ends with the old one.
func (s *session) offer(current *cert.Snapshot) {
	if current == s.renewal.shown {
		return
	}
	same := s.renewal.shown != nil && slices.EqualFunc(current.TLS.Certificate, s.renewal.shown.TLS.Certificate, bytes.Equal)
	s.renewal.shown = current
	if chain := bytes.Join(current.TLS.Certificate, nil); !same && len(chain) <= maxControl {
		s.tell(func(o *out) { o.chain = chain })
	}
}

// renewed takes what the peer has offered. The timer looks at it.
func (s *session) renewed(chain []byte) {
	s.mu.Lock()
	s.renewal.came = slices.Clone(chain)
	s.mu.Unlock()
}

// renew puts what the peer has offered in the place of its chain, if that is
// believed now, and tells whether it has.
func (s *session) renew(current *cert.Snapshot, now time.Time) bool {
	s.mu.Lock()
	came := s.renewal.came
	s.renewal.came = nil
	s.mu.Unlock()
	if chain := s.parseChain(came); chain != nil {
		s.renewal.next = chain
	}
	if s.renewal.next == nil || current.Check(s.renewal.next, s.role(), now) != nil {
		return false
	}
	s.show(s.renewal.next)
	s.renewal.next = nil
	return true
}

// parseChain reads what a peer has sent; nil if it is nonsense, or about another
// key than the session's.
func (s *session) parseChain(b []byte) []*x509.Certificate {
	if len(b) == 0 {
		return nil
	}
	chain, err := x509.ParseCertificates(b)
	if err != nil || len(chain) == 0 {
		return nil
	}
	if id, err := cert.ID(chain[0].PublicKey); err != nil || id != s.remote {
		return nil
	}
	return chain
}
