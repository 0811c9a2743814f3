package cert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"
)

// An Info is what an operator wants to know about a certificate. The texts are
// cleaned, see Name.
type Info struct {
	Name        string    `json:"name"`             // see Name
	ID          [32]byte  `json:"-"`                // zero if HasID is false
	HasID       bool      `json:"-"`                // whether the key is one of a node
	Key         string    `json:"key"`              // "ed25519", "P-256", "P-384", "RSA-2048"…
	Authority   bool      `json:"authority"`        // whether it is an authority's
	NotBefore   time.Time `json:"not_before"`       // in UTC
	NotAfter    time.Time `json:"not_after"`        // in UTC
	DaysLeft    int       `json:"days_left"`        // whole days, negative once expired
	Hosts       []string  `json:"hosts"`            // DNS names, then addresses
	Subject     string    `json:"subject"`          // such as "CN=a"
	Issuer      string    `json:"issuer"`           // such as "CN=Kith CA 3f9a01"
	Serial      string    `json:"serial"`           // hexadecimal
	Usages      []string  `json:"usages"`           // of the key and extended, by their names in openssl
	Signature   string    `json:"signature"`        // how it is signed, such as "Ed25519"
	Fingerprint string    `json:"fingerprint"`      // SHA-256 of the DER, hexadecimal
	KeyID       string    `json:"subject_key_id"`   // hexadecimal, may be empty
	IssuerKeyID string    `json:"authority_key_id"` // hexadecimal, may be empty
}

// Inspect describes any certificate, also one that would be refused.
func Inspect(c *x509.Certificate, now time.Time) Info {
	id, err := ID(c.PublicKey)
	sum := sha256.Sum256(c.Raw)
	info := Info{
		Name:        Name(c),
		ID:          id,
		HasID:       err == nil,
		Key:         describeKey(c.PublicKey),
		Authority:   c.BasicConstraintsValid && c.IsCA,
		NotBefore:   c.NotBefore.UTC(),
		NotAfter:    c.NotAfter.UTC(),
		DaysLeft:    daysLeft(c, now),
		Subject:     dn(c.Subject),
		Issuer:      dn(c.Issuer),
		Serial:      serialText(c.SerialNumber),
		Usages:      slices.Concat(keyUsages(c), extUsages(c)),
		Signature:   signatureText(c),
		Fingerprint: hex.EncodeToString(sum[:]),
		KeyID:       hex.EncodeToString(c.SubjectKeyId),
		IssuerKeyID: hex.EncodeToString(c.AuthorityKeyId),
	}
	for _, h := range hosts(c) {
		info.Hosts = append(info.Hosts, clean(h, 253))
	}
	return info
}

// daysLeft counts whole days; one second too late is day -1.
func daysLeft(c *x509.Certificate, now time.Time) int {
	left := c.NotAfter.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 {
		days--
	}
	return days
}

var keyUsageNames = []struct {
	bit  x509.KeyUsage
	name string
}{
	{x509.KeyUsageDigitalSignature, "digitalSignature"},
	{x509.KeyUsageContentCommitment, "nonRepudiation"},
	{x509.KeyUsageKeyEncipherment, "keyEncipherment"},
	{x509.KeyUsageDataEncipherment, "dataEncipherment"},
	{x509.KeyUsageKeyAgreement, "keyAgreement"},
	{x509.KeyUsageCertSign, "keyCertSign"},
	{x509.KeyUsageCRLSign, "cRLSign"},
	{x509.KeyUsageEncipherOnly, "encipherOnly"},
	{x509.KeyUsageDecipherOnly, "decipherOnly"},
}

func keyUsages(c *x509.Certificate) []string {
	var all []string
	for _, u := range keyUsageNames {
		if c.KeyUsage&u.bit != 0 {
			all = append(all, u.name)
		}
	}
	return all
}

var extUsageNames = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageAny:             "anyExtendedKeyUsage",
	x509.ExtKeyUsageServerAuth:      "serverAuth",
	x509.ExtKeyUsageClientAuth:      "clientAuth",
	x509.ExtKeyUsageCodeSigning:     "codeSigning",
	x509.ExtKeyUsageEmailProtection: "emailProtection",
	x509.ExtKeyUsageTimeStamping:    "timeStamping",
	x509.ExtKeyUsageOCSPSigning:     "OCSPSigning",
}

func extUsages(c *x509.Certificate) []string {
	var all []string
	for _, u := range c.ExtKeyUsage {
		name := extUsageNames[u]
		if name == "" {
			name = "another usage"
		}
		all = append(all, name)
	}
	for _, id := range c.UnknownExtKeyUsage {
		all = append(all, clean(id.String(), 40))
	}
	if len(all) > 16 {
		all = append(all[:16], "…")
	}
	return all
}
