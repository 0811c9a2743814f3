package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mr-tron/base58"
)

// CheckID says whether a certificate's key is the one of id. The error is a
// *CheckError with WrongID or WeakKey.
func CheckID(leaf *x509.Certificate, id [32]byte) error {
	got, err := ID(leaf.PublicKey)
	if err != nil {
		return weakLeafKey(leaf)
	}
	if got != id {
		return refuse(leaf, WrongID, "has the id %s, wanted %s", base58.Encode(got[:]), base58.Encode(id[:]))
	}
	return nil
}

// CheckName says whether a certificate is for a host, a DNS name or an IP
// address: one of its subjectAltNames must match, or the common name if it has
// none of those (Check sees to it that no authority bound to certain names can
// be got around that way). The error is a *CheckError with WrongName.
func CheckName(leaf *x509.Certificate, host string) error {
	if !hasNames(leaf) {
		if host != "" && strings.EqualFold(leaf.Subject.CommonName, host) {
			return nil
		}
		return refuse(leaf, WrongName, "is not for %q", clean(host, 128))
	}
	if leaf.VerifyHostname(host) != nil {
		return refuse(leaf, WrongName, "is for %s, not for %q", hostsText(leaf), clean(host, 128))
	}
	return nil
}

func hasNames(c *x509.Certificate) bool { return len(c.DNSNames) > 0 || len(c.IPAddresses) > 0 }

// hosts are the DNS names and addresses that a certificate is for.
func hosts(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func hostsText(c *x509.Certificate) string {
	return clean(strings.Join(hosts(c), ", "), 128)
}

// leafProblems is what one can tell from a node's certificate alone.
func leafProblems(leaf *x509.Certificate, now time.Time, roles []Role) []*CheckError {
	var all []*CheckError
	if _, err := KindOf(leaf.PublicKey); err != nil {
		all = append(all, weakLeafKey(leaf))
	}
	if !strongSignature(leaf.SignatureAlgorithm) {
		all = append(all, refuse(leaf, WeakSignature, "is signed with %s, which is not accepted", signatureText(leaf)))
	}
	if leaf.IsCA {
		all = append(all, refuse(leaf, CAAsLeaf, "is an authority's, not a node's"))
	}
	if reason, text := dateProblem(leaf, now); reason != "" {
		all = append(all, refuse(leaf, reason, "%s", text))
	}
	if text := usageProblem(leaf, roles); text != "" {
		all = append(all, refuse(leaf, WrongUsage, "%s", text))
	}
	if ids := leaf.UnhandledCriticalExtensions; len(ids) > 0 {
		all = append(all, refuse(leaf, Invalid, "has a critical extension that is not understood: %s", oidsText(ids)))
	}
	return all
}

func weakLeafKey(leaf *x509.Certificate) *CheckError {
	return refuse(leaf, WeakKey, "has a key of kind %s; a node's is ed25519, P-256 or P-384", describeKey(leaf.PublicKey))
}

// weakAuthorityKey says in words what is wrong with an authority's key.
func weakAuthorityKey(ca *x509.Certificate) string {
	if !strongAuthorityKey(ca.PublicKey) {
		return fmt.Sprintf("has a key of kind %s; an authority's is RSA of 2048 to 8192 bits, P-256, P-384 or ed25519", describeKey(ca.PublicKey))
	}
	return ""
}

func strongAuthorityKey(pub crypto.PublicKey) bool {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		return true
	case *ecdsa.PublicKey:
		return pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384()
	case *rsa.PublicKey:
		return pub.N.BitLen() >= 2048 && pub.N.BitLen() <= 8192 // more would only cost whoever checks
	}
	return false
}

func strongSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.PureEd25519, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return true
	}
	return false
}

func signatureText(c *x509.Certificate) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return "an unknown method"
	}
	return c.SignatureAlgorithm.String()
}

// dateProblem says whether a certificate is outside its time.
func dateProblem(c *x509.Certificate, now time.Time) (Reason, string) {
	switch {
	case now.Before(c.NotBefore):
		return NotYetValid, fmt.Sprintf("is not valid until %s, %s from now; is a clock wrong?", date(c.NotBefore), span(c.NotBefore.Sub(now)))
	case now.After(c.NotAfter):
		return Expired, fmt.Sprintf("expired at %s, %s ago", date(c.NotAfter), span(now.Sub(c.NotAfter)))
	}
	return "", ""
}

// usageProblem says which usages are missing. No extendedKeyUsage means any
// usage to others; here it is refused, since it is how certificates made for
// something else slip in.
func usageProblem(leaf *x509.Certificate, roles []Role) string {
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return "may not sign (its keyUsage lacks digitalSignature)"
	}
	if len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0 {
		return "has no extendedKeyUsage; a node's lists serverAuth and clientAuth"
	}
	var missing []string
	for _, role := range roles {
		if !slices.Contains(leaf.ExtKeyUsage, role.usage()) {
			missing = append(missing, role.String())
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("is for %s, not for %s (extendedKeyUsage)", strings.Join(extUsages(leaf), ", "), strings.Join(missing, " and "))
}

func oidsText(ids []asn1.ObjectIdentifier) string {
	var all []string
	for _, id := range ids {
		all = append(all, id.String())
	}
	return clean(strings.Join(all, ", "), 128)
}
