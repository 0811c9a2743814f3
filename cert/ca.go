package cert

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	caValidity   = 10 * 365 * 24 * time.Hour
	nodeValidity = 90 * 24 * time.Hour
	crlValidity  = 365 * 24 * time.Hour

	// backDate lets a certificate be used at once where clocks lag.
	backDate = 5 * time.Minute
)

// CAOptions describe an authority. The zero value works.
type CAOptions struct {
	// Name is its common name, 1 to 64 characters. Empty means "Kith CA" and six
	// digits of its key, so that two authorities can be told apart.
	Name string
	// Kind is of its key.
	Kind Kind
	// Validity is how long it may be used from now. Zero means ten years.
	Validity time.Duration
	// Now is when it is made. Zero means time.Now.
	Now time.Time
}

// A CA is an authority with its key. It does not change and is safe for
// concurrent use. Make one with CreateCA or ParseCA.
type CA struct {
	// Cert is the authority's certificate.
	Cert *x509.Certificate
	// Key is the private key of Cert.
	Key crypto.Signer
}

// CreateCA makes an authority that vouches for itself.
func CreateCA(o CAOptions) (*CA, error) {
	key, err := GenerateKey(o.Kind)
	if err != nil {
		return nil, err
	}
	keyID, err := subjectKeyID(key.Public())
	if err != nil {
		return nil, err
	}
	name := cmp.Or(o.Name, "Kith CA "+hex.EncodeToString(keyID[:3]))
	if err := checkLabel(name); err != nil {
		return nil, fmt.Errorf("cert: create authority: %w", err)
	}
	now := orNow(o.Now)
	validity, err := checkValidity(cmp.Or(o.Validity, caValidity))
	if err != nil {
		return nil, fmt.Errorf("cert: create authority %q: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backDate),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyID,
		AuthorityKeyId:        keyID,
	}
	c, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &CA{Cert: c, Key: key}, nil
}

// ParseCA reads an authority and its key from PEM. Of several certificates it
// takes the one that the key belongs to.
func ParseCA(certPEM, keyPEM []byte) (*CA, error) {
	key, err := DecodeKey(keyPEM)
	if err != nil {
		return nil, err
	}
	all, err := DecodeCerts(certPEM)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if samePublic(key, c.PublicKey) {
			return &CA{Cert: c, Key: key}, mayAuthorize(c)
		}
	}
	return nil, errors.New("cert: the key belongs to none of the authority's certificates")
}

// sign makes a certificate. A serial number is drawn at random by crypto/x509.
func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("cert: sign certificate of %q: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// Revoke makes the list that follows old, with the given certificates added at
// the time now (zero means time.Now). The old list may be nil; its entries stay
// and its number goes up by one. The new list asks to be renewed within a year;
// after that it stays in force, and nodes say that it is old.
func (ca *CA) Revoke(old *x509.RevocationList, now time.Time, certs ...*x509.Certificate) (*x509.RevocationList, error) {
	now = orNow(now)
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-backDate), NextUpdate: now.Add(crlValidity)}
	known := make(map[string]bool)
	if old != nil {
		if err := old.CheckSignatureFrom(ca.Cert); err != nil {
			return nil, fmt.Errorf("cert: revoke: the list there is not of authority %s: %w", dn(ca.Cert.Subject), err)
		}
		template.Number.Add(listNumber(old), template.Number)
		for _, entry := range old.RevokedCertificateEntries {
			known[entry.SerialNumber.String()] = true
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, entry)
		}
	}
	for _, c := range certs {
		if !ca.sameAuthority(c) {
			return nil, fmt.Errorf("cert: revoke: certificate of %s is of authority %s, not of %s", who(c), dn(c.Issuer), dn(ca.Cert.Subject))
		}
		if !known[c.SerialNumber.String()] {
			known[c.SerialNumber.String()] = true
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.listSigner(), ca.Key)
	if err != nil {
		return nil, fmt.Errorf("cert: revoke: %w", err)
	}
	return x509.ParseRevocationList(der)
}

// listSigner is the authority's certificate the way crypto/x509 wants the signer
// of a list: with the usage that one without any keyUsage has by RFC 5280, and
// with a name of its key.
func (ca *CA) listSigner() *x509.Certificate {
	signer := *ca.Cert
	if signer.KeyUsage == 0 {
		signer.KeyUsage = x509.KeyUsageCRLSign
	}
	if keyID, err := subjectKeyID(ca.Cert.PublicKey); err == nil && len(signer.SubjectKeyId) == 0 {
		signer.SubjectKeyId = keyID
	}
	return &signer
}

// subjectKeyID names a key: the first 160 bits of the SHA-256 of its bits (RFC
// 7093, method 1).
func subjectKeyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("cert: public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("cert: public key: %w", err)
	}
	sum := sha256.Sum256(info.Bits.Bytes)
	return sum[:20], nil
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

func checkValidity(d time.Duration) (time.Duration, error) {
	if d < time.Minute {
		return 0, fmt.Errorf("validity %v: at least a minute is needed", d)
	}
	return d, nil
}
