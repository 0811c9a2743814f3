package cert

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Dir keeps an authority and the nodes' certificates as files:
//
//	ca.pem, ca.key      the authority; only ca.pem goes to the nodes
//	NAME.crt, NAME.key  a node
//	ca.crl              what is revoked, from the first Revoke on; goes to the nodes
//	issued.pem          every certificate ever issued, so that Revoke finds them
//
// Two processes must not write to one directory at the same time.
type Dir struct {
	// Path is the directory; it is made if it is missing. Empty means the working
	// directory.
	Path string
	// Replace lets CreateCA and Issue write over what is there. Otherwise they
	// fail with fs.ErrExist: a new key is a new node id.
	Replace bool
}

// CAPath is where the authority's certificate is.
func (d Dir) CAPath() string { return d.file("ca.pem") }

// CAKeyPath is where the authority's key is.
func (d Dir) CAKeyPath() string { return d.file("ca.key") }

// CRLPath is where the revocation list is.
func (d Dir) CRLPath() string { return d.file("ca.crl") }

// CertPath is where a node's certificate is.
func (d Dir) CertPath(name string) string { return d.file(name + ".crt") }

// KeyPath is where a node's key is.
func (d Dir) KeyPath(name string) string { return d.file(name + ".key") }

func (d Dir) issuedPath() string { return d.file("issued.pem") }

func (d Dir) file(name string) string { return filepath.Join(cmp.Or(d.Path, "."), name) }

// CreateCA makes an authority and writes ca.pem and ca.key.
func (d Dir) CreateCA(o CAOptions) (*CA, error) {
	if err := d.free(d.CAPath(), d.CAKeyPath()); err != nil {
		return nil, err
	}
	ca, err := CreateCA(o)
	if err != nil {
		return nil, err
	}
	key, err := EncodeKey(ca.Key)
	if err != nil {
		return nil, err
	}
	return ca, d.writePair(d.CAKeyPath(), key, d.CAPath(), EncodeCerts(ca.Cert))
}

// CA reads ca.pem and ca.key.
func (d Dir) CA() (*CA, error) {
	certPEM, err := readNamed(d.CAPath())
	if err != nil {
		return nil, err
	}
	keyPEM, err := readNamed(d.CAKeyPath())
	if err != nil {
		return nil, err
	}
	ca, err := ParseCA(certPEM, keyPEM)
	if err != nil {
		return nil, &FileError{File: d.CAPath() + " and " + d.CAKeyPath(), Err: err}
	}
	return ca, nil
}

// Issue makes a node's certificate and writes NAME.crt and NAME.key. The name
// must do for a file: letters, digits, ".", "-" and "_", not "ca".
func (d Dir) Issue(o NodeOptions) (*Pair, error) {
	if err := checkFileName(o.Name); err != nil {
		return nil, err
	}
	if err := d.free(d.KeyPath(o.Name), d.CertPath(o.Name)); err != nil {
		return nil, err
	}
	ca, err := d.CA()
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(o)
	if err != nil {
		return nil, err
	}
	key, err := EncodeKey(pair.Key)
	if err != nil {
		return nil, err
	}
	if err := d.remember(pair.Cert); err != nil {
		return nil, err
	}
	return pair, d.writePair(d.KeyPath(o.Name), key, d.CertPath(o.Name), EncodeCerts(pair.Cert))
}

// Renew writes a fresh NAME.crt for the same key, subject and hosts. Zero
// validity means 90 days. A revoked node is not renewed: it needs a new key.
func (d Dir) Renew(name string, validity time.Duration) (*x509.Certificate, error) {
	ca, err := d.CA()
	if err != nil {
		return nil, err
	}
	old, err := d.Cert(name)
	if err != nil {
		return nil, err
	}
	if err := d.checkNotRevoked(ca, name, old); err != nil {
		return nil, err
	}
	c, err := ca.Renew(old, validity, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := d.remember(c); err != nil {
		return nil, err
	}
	return c, writeFile(d.CertPath(name), EncodeCerts(c), openMode, true)
}

// Cert reads NAME.crt.
func (d Dir) Cert(name string) (*x509.Certificate, error) {
	if err := checkFileName(name); err != nil {
		return nil, err
	}
	all, err := d.certs(d.CertPath(name))
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Revoke writes a ca.crl that adds every certificate that these nodes hold or
// ever held and that has not expired. It is all or nothing.
func (d Dir) Revoke(names ...string) (*x509.RevocationList, error) {
	ca, err := d.CA()
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, name := range names {
		held, err := d.held(ca, name)
		if err != nil {
			return nil, err
		}
		certs = append(certs, held...)
	}
	old, err := d.CRL(ca)
	if err != nil {
		return nil, err
	}
	list, err := ca.Revoke(old, time.Time{}, certs...)
	if err != nil {
		return nil, err
	}
	return list, writeFile(d.CRLPath(), EncodeCRL(list), openMode, true)
}

// CRL reads ca's list from ca.crl. It is nil if there is no such file.
func (d Dir) CRL(ca *CA) (*x509.RevocationList, error) {
	data, err := readNamed(d.CRLPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lists, err := DecodeCRLs(data)
	if err == nil {
		var trust *Trust
		if trust, err = NewTrust([]*x509.Certificate{ca.Cert}, lists); err == nil {
			return trust.lists[0], nil
		}
	}
	return nil, &FileError{File: d.CRLPath(), Err: err}
}

// held finds what a node was issued: NAME.crt, and in issued.pem what has its
// name or its key.
func (d Dir) held(ca *CA, name string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	current, missing := d.Cert(name)
	if missing == nil {
		all = append(all, current)
	} else if !errors.Is(missing, fs.ErrNotExist) {
		return nil, missing
	}
	issued, err := d.certs(d.issuedPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, c := range issued {
		sameKey := current != nil && string(c.RawSubjectPublicKeyInfo) == string(current.RawSubjectPublicKeyInfo)
		if (sameKey || c.Subject.CommonName == name) && ca.sameAuthority(c) && time.Now().Before(c.NotAfter) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, missing
	}
	return all, nil
}

func (d Dir) checkNotRevoked(ca *CA, name string, c *x509.Certificate) error {
	list, err := d.CRL(ca)
	if err != nil || list == nil {
		return err
	}
	gone := slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(c.SerialNumber) == 0 })
	if gone {
		return refuse(c, Revoked, "is revoked; %s needs a new key", clean(name, 64))
	}
	return nil
}

// certs reads a file of certificates, at least one.
func (d Dir) certs(path string) ([]*x509.Certificate, error) {
	data, err := readNamed(path)
	if err != nil {
		return nil, err
	}
	all, err := DecodeCerts(data)
	if err != nil {
		return nil, &FileError{File: path, Err: err}
	}
	return all, nil
}

// remember adds to issued.pem, before the certificate itself can get anywhere.
func (d Dir) remember(c *x509.Certificate) (err error) {
	file, err := os.OpenFile(d.issuedPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, openMode)
	if err != nil {
		return writeError(d.issuedPath(), err)
	}
	_, err = file.Write(EncodeCerts(c))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return writeError(d.issuedPath(), err)
	}
	return nil
}

// free makes the directory and sees that nothing of value would be lost.
func (d Dir) free(paths ...string) error {
	if err := os.MkdirAll(cmp.Or(d.Path, "."), 0o755); err != nil {
		return writeError(d.Path, err)
	}
	if d.Replace {
		return nil
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return writeError(path, fs.ErrExist)
		}
	}
	return nil
}

// writePair writes the key first: a certificate without its key is of no use,
// and one that nobody has yet does no harm.
func (d Dir) writePair(keyPath string, key []byte, certPath string, cert []byte) error {
	if err := writeFile(keyPath, key, keyMode, d.Replace); err != nil {
		return err
	}
	return writeFile(certPath, cert, openMode, d.Replace)
}

func readNamed(path string) ([]byte, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, &FileError{File: path, Err: err}
	}
	return data, nil
}

// checkFileName sees that a node's name can be the name of its files.
func checkFileName(name string) error {
	if err := checkLabel(name); err != nil {
		return fmt.Errorf("cert: %w", err)
	}
	if strings.EqualFold(name, "ca") {
		return fmt.Errorf("cert: name %q: it is the authority's", name)
	}
	for i, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && (i == 0 || r != '.' && r != '-') {
			return fmt.Errorf("cert: name %q: letters, digits, \".\", \"-\" and \"_\" only, the first a letter, a digit or \"_\"", name)
		}
	}
	return nil
}
