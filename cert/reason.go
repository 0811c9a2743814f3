package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"
)

// A Reason is the short, stable name of what is wrong with a certificate. It
// serves as a metric label: the constants are all there are.
type Reason string

// All reasons.
const (
	NoCertificate    Reason = "no_certificate"    // none was shown
	UnknownAuthority Reason = "unknown_authority" // no way from it to an authority of ours; also if an intermediate is missing
	SelfSigned       Reason = "self_signed"       // it vouches for itself
	Expired          Reason = "expired"           // it, or an authority above it
	NotYetValid      Reason = "not_yet_valid"     // it, or an authority above it
	WrongUsage       Reason = "wrong_usage"       // its usages lack the role, or it names none
	Revoked          Reason = "revoked"           // it, or an authority above it, is on a revocation list
	WeakKey          Reason = "weak_key"          // a key of a kind or size that is not accepted
	WeakSignature    Reason = "weak_signature"    // signed with SHA-1, MD5 or another method that is not accepted
	CAAsLeaf         Reason = "ca_as_leaf"        // an authority's certificate shown as a node's
	NotAuthority     Reason = "not_authority"     // signed by a certificate that may not sign others
	PathLength       Reason = "path_length"       // more intermediates than an authority above allows, or than we read
	NameConstraints  Reason = "name_constraints"  // an authority above may not vouch for these names
	KeyMismatch      Reason = "key_mismatch"      // the key is not the certificate's
	WrongID          Reason = "wrong_id"          // somebody else's: CheckID
	WrongName        Reason = "wrong_name"        // not for this host: CheckName
	Invalid          Reason = "invalid"           // anything else; the text says what
)

// A CheckError says why a certificate is refused. Its text may be shown to the
// peer whose certificate it is: it holds nothing that the peer does not know,
// save the time on our clock. (KeyMismatch names a file, and is never about a
// peer.)
type CheckError struct {
	// Reason is for counting and comparing.
	Reason Reason
	// Name is what the certificate calls its node, cleaned by Name; it may be
	// empty.
	Name string
	// Text says it in words, such as "certificate of b signed by unknown
	// authority CN=other". It is one printable line.
	Text string
}

// Error is the text, after the package's name.
func (e *CheckError) Error() string { return "cert: " + e.Text }

// ReasonOf finds the reason in an error of this package. It is empty if err has
// none.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*CheckError](err); ok {
		return e.Reason
	}
	return ""
}

// Name is what people call the node: its common name, or the first host if
// there is none. Control characters become "?", and after 64 characters it is
// cut: a peer may have written anything there.
func Name(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return clean(c.Subject.CommonName, 64)
	case len(c.DNSNames) > 0:
		return clean(c.DNSNames[0], 64)
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return ""
}

// refuse makes a CheckError about a node's certificate.
func refuse(c *x509.Certificate, reason Reason, format string, args ...any) *CheckError {
	return &CheckError{Reason: reason, Name: Name(c), Text: "certificate of " + who(c) + " " + fmt.Sprintf(format, args...)}
}

// refuseAuthority makes a CheckError about an authority above a node's.
func refuseAuthority(leaf, ca *x509.Certificate, reason Reason, format string, args ...any) *CheckError {
	text := "authority " + dn(ca.Subject) + " above " + who(leaf) + " " + fmt.Sprintf(format, args...)
	return &CheckError{Reason: reason, Name: Name(leaf), Text: text}
}

// who is Name, or the serial number where a name is missing.
func who(c *x509.Certificate) string {
	if name := Name(c); name != "" {
		return name
	}
	return "serial " + serialText(c.SerialNumber)
}

// dn writes a subject or issuer, such as "CN=a,O=b".
func dn(name pkix.Name) string {
	if text := name.String(); text != "" {
		return clean(text, 128)
	}
	return "without a name"
}

func serialText(serial *big.Int) string {
	if serial == nil {
		return "none"
	}
	return clean(serial.Text(16), 40)
}

// clean makes a peer's text fit for one line of a log.
func clean(text string, limit int) string {
	var b strings.Builder
	for _, r := range text {
		if limit--; limit < 0 {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a duration the way people say it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}
