package cert

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// NodeOptions describe a node's certificate. Only Name is needed.
type NodeOptions struct {
	// Name is what people call the node, its common name: 1 to 64 characters.
	Name string
	// Hosts are the DNS names and IP addresses under which it is reached. None
	// may be a wildcard. A Name that could be a host name is added.
	Hosts []string
	// Kind is of the key that is made if Key is nil.
	Kind Kind
	// Key is the node's private key. Nil means that one is made.
	Key crypto.Signer
	// Validity is how long it may be used from now. Zero means 90 days. The
	// authority's own end comes first.
	Validity time.Duration
	// Now is when it is made. Zero means time.Now.
	Now time.Time
}

// A Pair is a node's certificate and its private key.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// ID is the node's, see the function ID.
func (p *Pair) ID() [32]byte {
	id, err := ID(p.Cert.PublicKey)
	if err != nil {
		panic(err) // Issue makes no such pair
	}
	return id
}

// Issue makes a certificate for a node, good for both sides of a session.
func (ca *CA) Issue(o NodeOptions) (*Pair, error) {
	if err := checkLabel(o.Name); err != nil {
		return nil, fmt.Errorf("cert: issue: %w", err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: o.Name}}
	names := o.Hosts
	if isHostName(o.Name) && !constrainsNames(ca.Cert) {
		names = slices.Concat([]string{o.Name}, o.Hosts)
	}
	if err := addHosts(template, names); err != nil {
		return nil, fmt.Errorf("cert: issue %q: %w", o.Name, err)
	}
	key := o.Key
	if key == nil {
		var err error
		if key, err = GenerateKey(o.Kind); err != nil {
			return nil, err
		}
	}
	c, err := ca.issue(template, key.Public(), o.Validity, o.Now)
	if err != nil {
		return nil, err
	}
	return &Pair{Cert: c, Key: key}, nil
}

// Renew makes a fresh certificate for the same subject, hosts and key, so for
// the same node id. The old one may be expired or of another authority. Zero
// validity and now are as in NodeOptions.
func (ca *CA) Renew(old *x509.Certificate, validity time.Duration, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		RawSubject:     old.RawSubject,
		Subject:        old.Subject,
		DNSNames:       old.DNSNames,
		IPAddresses:    old.IPAddresses,
		EmailAddresses: old.EmailAddresses,
		URIs:           old.URIs,
	}
	return ca.issue(template, old.PublicKey, validity, now)
}

// issue completes and signs a template, and has a look at the result with the
// eyes of a peer.
func (ca *CA) issue(template *x509.Certificate, pub crypto.PublicKey, validity time.Duration, now time.Time) (*x509.Certificate, error) {
	name := template.Subject.CommonName
	if _, err := KindOf(pub); err != nil {
		return nil, fmt.Errorf("cert: issue %q: %w", name, err)
	}
	now = orNow(now)
	validity, err := checkValidity(cmp.Or(validity, nodeValidity))
	if err != nil {
		return nil, fmt.Errorf("cert: issue %q: %w", name, err)
	}
	template.NotBefore, template.NotAfter = now.Add(-backDate), now.Add(validity)
	if template.NotAfter.After(ca.Cert.NotAfter) {
		template.NotAfter = ca.Cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.BasicConstraintsValid = true
	if template.SubjectKeyId, err = subjectKeyID(pub); err != nil {
		return nil, err
	}
	if reason, text := dateProblem(ca.Cert, now); reason != "" {
		return nil, fmt.Errorf("cert: issue %q: authority %s %s", name, dn(ca.Cert.Subject), text)
	}
	c, err := sign(template, ca.Cert, pub, ca.Key)
	if err != nil {
		return nil, err
	}
	trust, err := NewTrust([]*x509.Certificate{ca.Cert}, nil)
	if err != nil {
		return nil, err
	}
	if err := trust.Verify([]*x509.Certificate{c}, now); err != nil {
		return nil, fmt.Errorf("cert: issue %q: peers would refuse it: %w", name, err)
	}
	return c, nil
}

func addHosts(template *x509.Certificate, hosts []string) error {
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			if ip.Zone() != "" {
				return fmt.Errorf("host %q: an address in a certificate has no zone", h)
			}
			raw := net.IP(ip.Unmap().AsSlice())
			if !slices.ContainsFunc(template.IPAddresses, raw.Equal) {
				template.IPAddresses = append(template.IPAddresses, raw)
			}
			continue
		}
		if !isHostName(h) {
			return fmt.Errorf("host %q: neither an IP address nor a host name (no port, no wildcard)", h)
		}
		if !slices.ContainsFunc(template.DNSNames, func(other string) bool { return strings.EqualFold(other, h) }) {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return nil
}

// isHostName tells whether a certificate may say it (RFC 1123, and underscores,
// which containers have).
func isHostName(h string) bool {
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r > unicode.MaxASCII || r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return false
			}
		}
	}
	_, err := netip.ParseAddr(h)
	return err != nil
}

// checkLabel says what is wrong with a common name.
func checkLabel(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return errors.New("no name")
	case n > 64: // X.520 allows no more
		return fmt.Errorf("name of %d characters: at most 64", n)
	case !utf8.ValidString(name) || clean(name, 64) != name:
		return fmt.Errorf("name %q: printable characters only", name)
	}
	return nil
}

// sameAuthority tells whether ca signed c.
func (ca *CA) sameAuthority(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, ca.Cert.RawSubject) && signed(ca.Cert, c) == nil
}
