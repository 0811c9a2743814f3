package cert

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// noon is when the tests happen that need no clock.
var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newCA(t testing.TB, name string) *CA {
	t.Helper()
	return must[*CA](t)(CreateCA(CAOptions{Name: name, Now: noon}))
}

func newKey(t testing.TB, kind Kind) crypto.Signer {
	t.Helper()
	return must[crypto.Signer](t)(GenerateKey(kind))
}

// made is what make needs to know of a certificate that Issue would not make.
type made struct {
	by   *CA
	key  crypto.Signer // nil: one is made
	edit func(*x509.Certificate)
}

// make signs what is asked, however bad. What edit leaves alone is as Issue
// would have it.
func (m made) make(t testing.TB, name string) *CA {
	t.Helper()
	key := m.key
	if key == nil {
		key = newKey(t, Ed25519)
	}
	template := &x509.Certificate{
		SerialNumber:          must[*big.Int](t)(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             noon.Add(-time.Hour),
		NotAfter:              noon.Add(30 * day),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if m.edit != nil {
		m.edit(template)
	}
	parent, by := template, key
	if m.by != nil {
		parent, by = m.by.Cert, m.by.Key
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by))
	return &CA{Cert: must[*x509.Certificate](t)(x509.ParseCertificate(der)), Key: key}
}

// asCA makes an authority of a template.
func asCA(c *x509.Certificate) {
	c.IsCA = true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	c.ExtKeyUsage = nil
}

func trustIn(t testing.TB, lists []*x509.RevocationList, cas ...*CA) *Trust {
	t.Helper()
	var certs []*x509.Certificate
	for _, ca := range cas {
		certs = append(certs, ca.Cert)
	}
	return must[*Trust](t)(NewTrust(certs, lists))
}

func keyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	return must[[]byte](t)(EncodeKey(key))
}

// material is a set for a node of ca.
func material(t testing.TB, ca *CA, o NodeOptions) Material {
	t.Helper()
	p := must[*Pair](t)(ca.Issue(o))
	return Material{CA: EncodeCerts(ca.Cert), Cert: EncodeCerts(p.Cert), Key: keyPEM(t, p.Key)}
}
