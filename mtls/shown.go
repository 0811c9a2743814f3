package mtls

import "crypto/x509"

// A Certified is what the p2p.Sessions of this package also are. Find it by type
// assertion on p2p.Peer.Session.
type Certified interface {
	// PeerCertificate is what the peer has shown of itself last, and what it is
	// judged by. It must not be changed. It is never nil.
	PeerCertificate() *x509.Certificate
}

var _ Certified = (*session)(nil)

// PeerCertificate may be called at any time, by several goroutines.
func (s *session) PeerCertificate() *x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chain[0]
}

// show replaces what the peer has shown. Only the timer does, which therefore
// reads it without the mutex.
func (s *session) show(chain []*x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chain = chain
}
