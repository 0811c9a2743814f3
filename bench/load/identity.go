package load

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An Identity is a directory with a certificate authority and two certificates
// of it, "server" and "client", all ed25519. Files: ca.pem, NAME.crt, NAME.key.
type Identity struct {
	Dir string
}

// NewIdentity writes certificates that are valid for a day into dir.
func NewIdentity(dir string) (*Identity, error) {
	id := &Identity{dir}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("load: key of the authority: %w", err)
	}
	ca := template(1, "bench CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, pub, key)
	if err != nil {
		return nil, fmt.Errorf("load: certificate of the authority: %w", err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("load: certificate of the authority: %w", err)
	}
	if err := writePEM(id.CA(), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	for i, name := range []string{"server", "client"} {
		if err := id.issue(name, int64(i+2), ca, key); err != nil {
			return nil, err
		}
	}
	return id, nil
}

// CA is the file of the authority's certificate.
func (id *Identity) CA() string { return filepath.Join(id.Dir, "ca.pem") }

// Files are those of the certificate and the key of "server" or "client".
func (id *Identity) Files(name string) (cert, key string) {
	return filepath.Join(id.Dir, name+".crt"), filepath.Join(id.Dir, name+".key")
}

// TLS is a configuration for mutual TLS 1.3 that speaks alpn.
func (id *Identity) TLS(name string, alpn ...string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(id.Files(name))
	if err != nil {
		return nil, fmt.Errorf("load: certificate of %s: %w", name, err)
	}
	roots := x509.NewCertPool()
	b, err := os.ReadFile(id.CA())
	if err != nil || !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("load: authority in %s: unusable (%v)", id.CA(), err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ServerName:   "localhost",
		NextProtos:   alpn,
		MinVersion:   tls.VersionTLS13,
	}, nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-5 * time.Minute),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func (id *Identity) issue(name string, serial int64, ca *x509.Certificate, caKey ed25519.PrivateKey) error {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("load: key of %s: %w", name, err)
	}
	leaf := template(serial, name)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf.DNSNames = []string{"localhost", name}
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, pub, caKey)
	if err != nil {
		return fmt.Errorf("load: certificate of %s: %w", name, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("load: key of %s: %w", name, err)
	}
	certFile, keyFile := id.Files(name)
	if err := writePEM(certFile, "CERTIFICATE", der); err != nil {
		return err
	}
	return writePEM(keyFile, "PRIVATE KEY", secret)
}

func writePEM(file, kind string, der []byte) error {
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
