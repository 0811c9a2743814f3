package cert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Source hands out the set in force. *Files is one that follows its files; a
// *Snapshot is one that stays as it is.
type Source interface {
	// Current is the set in force. It is nil only for Files that never started.
	Current() *Snapshot
	// Changed is closed at the next change. Take it before you call Current, so
	// that no change falls between the two.
	Changed() <-chan struct{}
}

// A Snapshot is one set of authority, certificate, key and revocation list that
// belong together. It never changes: do not write to its fields, nor to what
// they point to. It is safe for concurrent use.
type Snapshot struct {
	// ID is the node's. It is zero only if Parse met a key that no node may have.
	ID [32]byte
	// Name is what the certificate calls the node, see the function Name.
	Name string
	// Leaf is the node's certificate.
	Leaf *x509.Certificate
	// TLS is what a session shows: Leaf, the intermediates that came with it, and
	// the private key.
	TLS tls.Certificate
	// Trust judges the peers, with the revocation list.
	Trust *Trust

	key   crypto.Signer
	chain []*x509.Certificate
}

// Current is s itself: a Snapshot is a Source.
func (s *Snapshot) Current() *Snapshot { return s }

// Changed never happens to a Snapshot.
func (s *Snapshot) Changed() <-chan struct{} { return nil }

// Check is the verdict on a peer's certificates, see Trust.Check.
func (s *Snapshot) Check(chain []*x509.Certificate, role Role, now time.Time) error {
	return s.Trust.Check(chain, role, now)
}

// Verify lists every problem that peers with the same authority would have with
// our own certificate. It is nil if there is none.
func (s *Snapshot) Verify(now time.Time) error { return s.Trust.Verify(s.chain, now) }

// Public is the key that others check our signatures with.
func (s *Snapshot) Public() crypto.PublicKey { return s.Leaf.PublicKey }

// Sign signs msg with the certificate's key, see the function Sign.
func (s *Snapshot) Sign(msg []byte) ([]byte, error) { return Sign(s.key, msg) }

// A Material is a set in memory, as PEM.
type Material struct {
	// CA has one or more authorities.
	CA []byte
	// Cert has the node's certificate, then its intermediates if there are any.
	Cert []byte
	// Key has the private key of Cert.
	Key []byte
	// CRL has revocation lists of the authorities. Empty means none.
	CRL []byte
}

// Load reads the set and refuses it if peers with the same authority would
// refuse it at the time now. The error is a *LoadError with all problems.
func (m Material) Load(now time.Time) (*Snapshot, error) {
	return load(m.parts(), now, true)
}

// Parse is Load without the verdict on the node's own certificate: what it
// returns may be expired or of another authority, so that peers refuse it. It
// is for tests of just that.
func (m Material) Parse() (*Snapshot, error) {
	return load(m.parts(), time.Time{}, false)
}

func (m Material) parts() parts {
	p := parts{ca: part{name: "CA", data: m.CA}, cert: part{name: "Cert", data: m.Cert}, key: part{name: "Key", data: m.Key}}
	if len(m.CRL) > 0 {
		p.crl = &part{name: "CRL", data: m.CRL}
	}
	return p
}

// A part is the content of one file, or why it could not be read.
type part struct {
	name string // the path, or the field of Material
	data []byte
	err  error
}

type parts struct {
	ca, cert, key part
	crl           *part // nil: none is asked for
}

// A FileError is one problem of one file.
type FileError struct {
	// File is the path, or the field of Material.
	File string
	// Err is the problem: a *CheckError if peers would refuse the certificate,
	// fs.ErrNotExist within if the file is missing.
	Err error
}

func (e *FileError) Error() string { return "cert: " + e.text() }

func (e *FileError) text() string { return e.File + ": " + strings.TrimPrefix(e.Err.Error(), "cert: ") }

func (e *FileError) Unwrap() error { return e.Err }

// A LoadError lists every problem of a set, at least one.
type LoadError struct{ Problems []*FileError }

func (e *LoadError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.text()
	}
	return "cert: load: " + strings.Join(texts, "; ")
}

// Unwrap gives the problems to errors.Is and errors.As.
func (e *LoadError) Unwrap() []error {
	all := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		all[i] = p
	}
	return all
}

// load puts a set together. It goes on after a problem, to find them all.
func load(p parts, now time.Time, judge bool) (*Snapshot, error) {
	failed := new(LoadError)
	trust := loadTrust(p, failed)
	chain := loadPart(p.cert, DecodeCerts, failed)
	key := loadPart(p.key, DecodeKey, failed)
	if key != nil && chain != nil && !samePublic(key, chain[0].PublicKey) {
		failed.add(p.key.name, refuse(chain[0], KeyMismatch, "has another key than the one in %s", p.key.name))
	}
	if judge && trust != nil && chain != nil {
		for _, problem := range trust.Problems(chain, now) {
			failed.add(p.cert.name, problem)
		}
	}
	if len(failed.Problems) > 0 {
		return nil, failed
	}
	return newSnapshot(chain, key, trust), nil
}

func loadTrust(p parts, failed *LoadError) *Trust {
	before := len(failed.Problems)
	authorities := loadPart(p.ca, DecodeCerts, failed)
	var lists []*x509.RevocationList
	if p.crl != nil {
		lists = loadPart(*p.crl, DecodeCRLs, failed)
	}
	if len(failed.Problems) > before {
		return nil
	}
	trust, err := NewTrust(authorities, nil)
	if err != nil {
		failed.add(p.ca.name, each(err)...)
		return nil
	}
	for _, list := range lists {
		if err := trust.addList(list); err != nil {
			failed.add(p.crl.name, err)
		}
	}
	return trust
}

// loadPart decodes one file; the zero value is returned with a problem noted.
func loadPart[T any](p part, decode func([]byte) (T, error), failed *LoadError) T {
	var zero T
	if p.err != nil {
		failed.add(p.name, p.err)
		return zero
	}
	v, err := decode(p.data)
	if err != nil {
		failed.add(p.name, err)
		return zero
	}
	return v
}

func (e *LoadError) add(file string, errs ...error) {
	for _, err := range errs {
		e.Problems = append(e.Problems, &FileError{File: file, Err: err})
	}
}

// each takes apart what errors.Join joined.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func newSnapshot(chain []*x509.Certificate, key crypto.Signer, trust *Trust) *Snapshot {
	s := &Snapshot{Name: Name(chain[0]), Leaf: chain[0], Trust: trust, key: key, chain: chain}
	s.TLS = tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		s.TLS.Certificate = append(s.TLS.Certificate, c.Raw)
	}
	if id, err := ID(chain[0].PublicKey); err == nil {
		s.ID = id
	}
	return s
}

// withLists is s with other revocation lists, which must be of the same
// authorities and not older than those in force.
func (s *Snapshot) withLists(lists []*x509.RevocationList) (*Snapshot, error) {
	trust, err := NewTrust(s.Trust.Authorities(), lists)
	if err != nil {
		return nil, err
	}
	if err := trust.follows(s.Trust); err != nil {
		return nil, err
	}
	return newSnapshot(s.chain, s.key, trust), nil
}

// follows says whether t may come after old: of an authority that both believe
// the revocation list may not be older, nor be gone. Else a node could be made
// to forget what was revoked.
func (t *Trust) follows(old *Trust) error {
	var problems []error
	for _, ca := range t.Authorities() {
		key := authorityKey(ca)
		was, is := old.numbers[key], t.numbers[key]
		switch {
		case was == nil:
		case is == nil:
			problems = append(problems, fmt.Errorf("cert: no revocation list of %s any more; number %v is in force", dn(ca.Subject), was))
		case is.Cmp(was) < 0:
			problems = append(problems, fmt.Errorf("cert: revocation list of %s has number %v; %v is in force", dn(ca.Subject), is, was))
		}
	}
	return errors.Join(problems...)
}
