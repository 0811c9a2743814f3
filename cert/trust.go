package cert

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// A Role is what the holder of a certificate is in one TLS session.
type Role uint8

const (
	// Server accepts the session; its certificate needs serverAuth.
	Server Role = iota + 1
	// Client dials; its certificate needs clientAuth.
	Client
)

// String is the usage that a role needs, by the name it has in openssl.
func (r Role) String() string {
	switch r {
	case Server:
		return "serverAuth"
	case Client:
		return "clientAuth"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

func (r Role) usage() x509.ExtKeyUsage {
	switch r {
	case Server:
		return x509.ExtKeyUsageServerAuth
	case Client:
		return x509.ExtKeyUsageClientAuth
	}
	return -1 // no certificate has it
}

// A Trust is whom we believe: authorities, less what they revoked. It never
// changes, so it is safe for concurrent use. Make one with NewTrust.
type Trust struct {
	anchors []*x509.Certificate
	between []*x509.Certificate // intermediates that came with the anchors; their own anchors bind them
	pool    *x509.CertPool      // of anchors
	lists   []*x509.RevocationList
	revoked map[revocation]time.Time
	numbers map[string]*big.Int // of the list in force, by authority
}

// A revocation is one entry of a list: the authority by its name and key, since
// two may share a name, and the serial number.
type revocation struct{ authority, serial string }

// NewTrust takes at least one authority, and lists that these have signed. An
// authority whose issuer is also given counts as an intermediate; every other
// one is believed by itself. Of several lists of one authority the one with the
// highest number counts. The error joins all problems. Neither slice is kept.
func NewTrust(authorities []*x509.Certificate, lists []*x509.RevocationList) (*Trust, error) {
	t := &Trust{pool: x509.NewCertPool(), revoked: make(map[revocation]time.Time), numbers: make(map[string]*big.Int)}
	var problems []error
	if len(authorities) == 0 {
		problems = append(problems, errors.New("cert: no authority"))
	}
	for _, ca := range authorities {
		if err := mayAuthorize(ca); err != nil {
			problems = append(problems, err)
		}
		if isBetween(ca, authorities) {
			t.between = append(t.between, ca)
			continue
		}
		t.anchors = append(t.anchors, ca)
		t.pool.AddCert(ca)
	}
	for _, list := range lists {
		if err := t.addList(list); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return t, nil
}

// Authorities are the certificates given to NewTrust. Do not change what they
// point to.
func (t *Trust) Authorities() []*x509.Certificate { return slices.Concat(t.anchors, t.between) }

// Lists are the revocation lists in force. Do not change what they point to.
func (t *Trust) Lists() []*x509.RevocationList { return slices.Clone(t.lists) }

// Pool holds the authorities that are believed by themselves. It belongs to the
// caller.
func (t *Trust) Pool() *x509.CertPool { return t.pool.Clone() }

// Check is the verdict on the certificates that a peer showed, its own first,
// at the time now, for a peer that plays role. The error is a *CheckError, the
// gravest of what Problems lists. Whether the peer holds the key, TLS has
// proved; whether it is the one that was meant, CheckID and CheckName say.
func (t *Trust) Check(chain []*x509.Certificate, role Role, now time.Time) error {
	if problems := t.Problems(chain, now, role); len(problems) > 0 {
		return problems[0]
	}
	return nil
}

// Verify lists every problem that peers would have with a node's certificate, in
// both roles, as one error. It is nil if there is none.
func (t *Trust) Verify(chain []*x509.Certificate, now time.Time) error {
	var all []error
	for _, p := range t.Problems(chain, now) {
		all = append(all, p)
	}
	return errors.Join(all...)
}

// isBetween tells whether somebody else among all has signed ca.
func isBetween(ca *x509.Certificate, all []*x509.Certificate) bool {
	return !bytes.Equal(ca.RawSubject, ca.RawIssuer) && slices.ContainsFunc(all, func(above *x509.Certificate) bool {
		return bytes.Equal(above.RawSubject, ca.RawIssuer) && signed(above, ca) == nil
	})
}

// mayAuthorize says what keeps a certificate from being an authority.
func mayAuthorize(ca *x509.Certificate) error {
	switch {
	case !ca.BasicConstraintsValid || !ca.IsCA:
		return fmt.Errorf("cert: %s is not an authority (CA:TRUE is missing); is it a node's certificate?", dn(ca.Subject))
	case ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("cert: %s may not sign certificates (keyCertSign is missing)", dn(ca.Subject))
	}
	if text := weakAuthorityKey(ca); text != "" {
		return fmt.Errorf("cert: authority %s %s", dn(ca.Subject), text)
	}
	return nil
}

// authorityKey tells apart authorities that share a name.
func authorityKey(ca *x509.Certificate) string {
	return string(ca.RawSubject) + string(ca.RawSubjectPublicKeyInfo)
}
