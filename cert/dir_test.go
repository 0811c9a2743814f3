package cert

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	all := make(map[string]fs.FileMode)
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		all[e.Name()] = must[fs.FileInfo](t)(e.Info()).Mode().Perm()
	}
	return all
}

func TestDirWritesItsFiles(t *testing.T) {
	d := Dir{Path: filepath.Join(t.TempDir(), "new", "pki")}
	ca := must[*CA](t)(d.CreateCA(CAOptions{}))
	p := must[*Pair](t)(d.Issue(NodeOptions{Name: "a", Hosts: []string{"10.0.0.7"}}))
	must[*Pair](t)(d.Issue(NodeOptions{Name: "Köln-1", Kind: P256}))
	must[*x509.RevocationList](t)(d.Revoke("Köln-1"))
	want := map[string]fs.FileMode{
		"ca.pem": 0o644, "ca.key": 0o600, "ca.crl": 0o644, "issued.pem": 0o644,
		"a.crt": 0o644, "a.key": 0o600, "Köln-1.crt": 0o644, "Köln-1.key": 0o600,
	}
	got := modes(t, d.Path)
	for name, mode := range want {
		if got[name] != mode {
			t.Errorf("%s has mode %v, want %v", name, got[name], mode)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d: %v", len(got), len(want), got)
	}
	for _, name := range []string{"ca.key", "a.key"} {
		if b := must[[]byte](t)(os.ReadFile(filepath.Join(d.Path, name))); !bytes.HasPrefix(b, []byte("-----BEGIN PRIVATE KEY-----\n")) {
			t.Errorf("%s is not PKCS#8: %.40s", name, b)
		}
	}
	s, err := (&Files{CA: d.CAPath(), Cert: d.CertPath("a"), Key: d.KeyPath("a"), CRL: d.CRLPath()}).Load()
	if err != nil || s.ID != p.ID() {
		t.Errorf("Load = %v", err)
	}
	if again := must[*CA](t)(d.CA()); !again.Cert.Equal(ca.Cert) || !samePublic(again.Key, ca.Cert.PublicKey) {
		t.Error("CA gave another authority than CreateCA")
	}
}

func TestDirNeverOverwrites(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	must[*CA](t)(d.CreateCA(CAOptions{}))
	must[*Pair](t)(d.Issue(NodeOptions{Name: "a"}))
	read := func() string {
		var all []byte
		for _, path := range []string{d.CAPath(), d.CAKeyPath(), d.CertPath("a"), d.KeyPath("a")} {
			all = append(all, must[[]byte](t)(os.ReadFile(path))...)
		}
		return string(all)
	}
	before := read()
	if _, err := d.CreateCA(CAOptions{}); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "ca.pem: file already exists") {
		t.Errorf("CreateCA twice = %v, want %v", err, fs.ErrExist)
	}
	if _, err := d.Issue(NodeOptions{Name: "a"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Issue twice = %v, want %v", err, fs.ErrExist)
	}
	if read() != before {
		t.Error("a refused call changed the files")
	}
	os.Remove(d.CertPath("a"))
	if _, err := d.Issue(NodeOptions{Name: "a"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Issue over a lone key = %v, want %v", err, fs.ErrExist)
	}
	if err := writeFile(d.KeyPath("a"), []byte("x"), keyMode, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writeFile over a key that came a moment ago = %v, want %v", err, fs.ErrExist)
	}
	d.Replace = true
	must[*Pair](t)(d.Issue(NodeOptions{Name: "a"}))
	must[*CA](t)(d.CreateCA(CAOptions{}))
	if read() == before {
		t.Error("Replace did not replace")
	}
	for name := range modes(t, d.Path) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("a temporary file is left: %s", name)
		}
	}
}

func TestDirNames(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	must[*CA](t)(d.CreateCA(CAOptions{}))
	for _, name := range []string{"", "ca", "CA", "../a", "a/b", `a\b`, ".a", "-a", "a b", "a:b", "a\x00", strings.Repeat("x", 65)} {
		if _, err := d.Issue(NodeOptions{Name: name}); err == nil {
			t.Errorf("Issue(%q) = nil, want an error", name)
		}
		if _, err := d.Renew(name, 0); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Renew(%q) = %v, want an error about the name", name, err)
		}
		if _, err := d.Revoke(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Revoke(%q) = %v, want an error about the name", name, err)
		}
	}
	for _, name := range []string{"a", "a.b", "A_1-x", "节点"} {
		if _, err := d.Issue(NodeOptions{Name: name}); err != nil {
			t.Errorf("Issue(%q) = %v", name, err)
		}
	}
}

func TestDirWithoutCA(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	if _, err := d.Issue(NodeOptions{Name: "a"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "cert: "+d.CAPath()+": cannot be read") {
		t.Errorf("Issue without an authority = %v", err)
	}
	must[*CA](t)(d.CreateCA(CAOptions{}))
	other := must[*CA](t)(CreateCA(CAOptions{}))
	if err := os.WriteFile(d.CAKeyPath(), keyPEM(t, other.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CA(); err == nil || !strings.Contains(err.Error(), "the key belongs to none") {
		t.Errorf("CA with another key = %v", err)
	}
}

func TestDirRenew(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	must[*CA](t)(d.CreateCA(CAOptions{}))
	p := must[*Pair](t)(d.Issue(NodeOptions{Name: "a", Validity: time.Hour}))
	key := must[[]byte](t)(os.ReadFile(d.KeyPath("a")))
	c := must[*x509.Certificate](t)(d.Renew("a", 0))
	if got := must[*x509.Certificate](t)(d.Cert("a")); !got.Equal(c) || got.Equal(p.Cert) {
		t.Error("Renew did not write what it made")
	}
	if again := must[[]byte](t)(os.ReadFile(d.KeyPath("a"))); !bytes.Equal(again, key) {
		t.Error("Renew changed the key")
	}
	if _, err := d.Renew("b", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Renew of nobody = %v, want %v", err, fs.ErrNotExist)
	}
}

// A stolen key must not live on with a certificate from before a renewal.
func TestDirRevokesAllThatANodeHeld(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	must[*CA](t)(d.CreateCA(CAOptions{}))
	var held []string
	keep := func(c *x509.Certificate) { held = append(held, c.SerialNumber.String()) }
	keep(must[*Pair](t)(d.Issue(NodeOptions{Name: "a"})).Cert)
	keep(must[*x509.Certificate](t)(d.Renew("a", 0)))
	keep(must[*x509.Certificate](t)(d.Renew("a", 0)))
	must[*Pair](t)(d.Issue(NodeOptions{Name: "b"}))
	list := must[*x509.RevocationList](t)(d.Revoke("a"))
	serials := func(list *x509.RevocationList) (all []string) {
		for _, e := range list.RevokedCertificateEntries {
			all = append(all, e.SerialNumber.String())
		}
		slices.Sort(all)
		return all
	}
	slices.Sort(held)
	if got := serials(list); !slices.Equal(got, held) {
		t.Errorf("revoked %v, want %v", got, held)
	}
	if _, err := d.Renew("a", 0); ReasonOf(err) != Revoked {
		t.Errorf("Renew of a revoked node = %v, want the reason %v", err, Revoked)
	}

	// A node whose files are gone is found by its name.
	os.Remove(d.CertPath("b"))
	list = must[*x509.RevocationList](t)(d.Revoke("b", "a"))
	if got := serials(list); len(got) != 4 || list.Number.Int64() != 2 {
		t.Errorf("list %v revokes %v, want number 2 and 4 certificates", list.Number, got)
	}

	// A new key makes a new node of the old name.
	d.Replace = true
	p := must[*Pair](t)(d.Issue(NodeOptions{Name: "a"}))
	ca := must[*CA](t)(d.CA())
	trust := must[*Trust](t)(NewTrust([]*x509.Certificate{ca.Cert}, []*x509.RevocationList{list}))
	if err := trust.Verify([]*x509.Certificate{p.Cert}, time.Now()); err != nil {
		t.Errorf("Verify of the new certificate = %v", err)
	}

	if _, err := d.Revoke("nobody", "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Revoke of nobody = %v, want %v", err, fs.ErrNotExist)
	}
	if got := must[*x509.RevocationList](t)(d.CRL(ca)); got.Number.Int64() != 2 {
		t.Errorf("a failed Revoke wrote number %v", got.Number)
	}
}
