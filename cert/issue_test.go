package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCreateCA(t *testing.T) {
	for _, kind := range []Kind{Ed25519, P256, P384} {
		ca := must[*CA](t)(CreateCA(CAOptions{Kind: kind, Now: noon}))
		c := ca.Cert
		if got, err := KindOf(c.PublicKey); got != kind || err != nil {
			t.Errorf("the key is %v, %v, want %v", got, err, kind)
		}
		if !strings.HasPrefix(c.Subject.CommonName, "Kith CA ") || !c.IsCA || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
			t.Errorf("%v: CA %v, usage %b", c.Subject, c.IsCA, c.KeyUsage)
		}
		if want := noon.Add(-5 * time.Minute); !c.NotBefore.Equal(want) {
			t.Errorf("NotBefore = %v, want %v", c.NotBefore, want)
		}
		if want := noon.Add(3650 * day); !c.NotAfter.Equal(want) {
			t.Errorf("NotAfter = %v, want %v", c.NotAfter, want)
		}
		if len(c.SubjectKeyId) != 20 || !bytes.Equal(c.SubjectKeyId, c.AuthorityKeyId) {
			t.Errorf("key ids %x and %x, want the same 20 bytes", c.SubjectKeyId, c.AuthorityKeyId)
		}
	}
}

func TestIssue(t *testing.T) {
	ca := newCA(t, "ours")
	p := must[*Pair](t)(ca.Issue(NodeOptions{Name: "a", Hosts: []string{"a.example", "A.example", "10.0.0.7", "::ffff:10.0.0.7", "2001:db8::7"}, Now: noon}))
	c := p.Cert
	if want := []string{"a", "a.example", "10.0.0.7", "2001:db8::7"}; !slices.Equal(hosts(c), want) {
		t.Errorf("hosts %v, want %v", hosts(c), want)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}) {
		t.Errorf("usages %b %v", c.KeyUsage, c.ExtKeyUsage)
	}
	if !c.NotBefore.Equal(noon.Add(-5*time.Minute)) || !c.NotAfter.Equal(noon.Add(90*day)) {
		t.Errorf("valid from %v to %v, want five minutes before and 90 days after %v", c.NotBefore, c.NotAfter, noon)
	}
	if len(c.SubjectKeyId) != 20 || !bytes.Equal(c.AuthorityKeyId, ca.Cert.SubjectKeyId) || c.IsCA || !c.BasicConstraintsValid || c.Version != 3 {
		t.Errorf("key ids %x %x, CA %v, version %d", c.SubjectKeyId, c.AuthorityKeyId, c.IsCA, c.Version)
	}
	other := must[*Pair](t)(ca.Issue(NodeOptions{Name: "a", Now: noon}))
	if c.SerialNumber.Cmp(other.Cert.SerialNumber) == 0 || c.SerialNumber.BitLen() < 64 || p.ID() == other.ID() {
		t.Errorf("serial numbers %v and %v", c.SerialNumber, other.Cert.SerialNumber)
	}
	short := must[*CA](t)(CreateCA(CAOptions{Validity: day, Now: noon}))
	if c := must[*Pair](t)(short.Issue(NodeOptions{Name: "a", Now: noon})).Cert; !c.NotAfter.Equal(short.Cert.NotAfter) {
		t.Errorf("valid to %v, want the authority's own end %v", c.NotAfter, short.Cert.NotAfter)
	}
}

func TestIssueRefuses(t *testing.T) {
	ca := newCA(t, "ours")
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	bound := edit(func(c *x509.Certificate) { asCA(c); c.PermittedDNSDomains = []string{"a.example"} }).make(t, "bound")
	for _, c := range []struct {
		by   *CA
		o    NodeOptions
		want string
	}{
		{ca, NodeOptions{}, "no name"},
		{ca, NodeOptions{Name: strings.Repeat("x", 65)}, "name of 65 characters"},
		{ca, NodeOptions{Name: "a\nb"}, "printable"},
		{ca, NodeOptions{Name: "a\xff"}, "printable"},
		{ca, NodeOptions{Name: "a", Hosts: []string{"*.example"}}, `host "*.example": neither`},
		{ca, NodeOptions{Name: "a", Hosts: []string{""}}, `host "": neither`},
		{ca, NodeOptions{Name: "a", Hosts: []string{"a.example:80"}}, `host "a.example:80": neither`},
		{ca, NodeOptions{Name: "a", Hosts: []string{"-a"}}, `host "-a": neither`},
		{ca, NodeOptions{Name: "a", Hosts: []string{"a..b"}}, `host "a..b": neither`},
		{ca, NodeOptions{Name: "a", Hosts: []string{"fe80::1%eth0"}}, "no zone"},
		{ca, NodeOptions{Name: "a", Key: rsaKey}, "RSA-2048 key"},
		{ca, NodeOptions{Name: "a", Kind: 9}, "kind 9"},
		{ca, NodeOptions{Name: "a", Validity: -1}, "at least a minute"},
		{ca, NodeOptions{Name: "a", Now: noon.Add(4000 * day)}, "authority CN=ours expired"},
		{ca, NodeOptions{Name: "a", Now: noon.Add(-day)}, "authority CN=ours is not valid until"},
		{bound, NodeOptions{Name: "a", Hosts: []string{"b.example"}}, "peers would refuse it: cert: certificate of a is for b.example"},
		{bound, NodeOptions{Name: "a"}, "peers would refuse it"},
	} {
		if c.o.Now.IsZero() {
			c.o.Now = noon
		}
		if _, err := c.by.Issue(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Issue(%+v) = %v, want %q", c.o, err, c.want)
		}
	}
	if _, err := bound.Issue(NodeOptions{Name: "a", Hosts: []string{"x.a.example"}, Now: noon}); err != nil {
		t.Errorf("Issue within the constraint = %v", err)
	}
}

func TestRenewKeepsKeyAndNames(t *testing.T) {
	ca, next := newCA(t, "ours"), newCA(t, "next")
	p := must[*Pair](t)(ca.Issue(NodeOptions{Name: "a", Kind: P256, Hosts: []string{"a.example", "10.0.0.7"}, Now: noon}))
	for _, by := range []*CA{ca, next} {
		later := noon.Add(100 * day)
		c := must[*x509.Certificate](t)(by.Renew(p.Cert, 10*day, later))
		if id, _ := ID(c.PublicKey); id != p.ID() || !bytes.Equal(c.RawSubject, p.Cert.RawSubject) || !slices.Equal(hosts(c), hosts(p.Cert)) {
			t.Errorf("renewed: %v for %v, want %v for %v", c.Subject, hosts(c), p.Cert.Subject, hosts(p.Cert))
		}
		if c.SerialNumber.Cmp(p.Cert.SerialNumber) == 0 || !c.NotAfter.Equal(later.Add(10*day)) {
			t.Errorf("renewed: serial %v, until %v", c.SerialNumber, c.NotAfter)
		}
		if err := trustIn(t, nil, by).Verify([]*x509.Certificate{c}, later); err != nil {
			t.Errorf("Verify of what was renewed = %v", err)
		}
	}
}

func TestID(t *testing.T) {
	seed := sha256Of("a fixed key")
	key := ed25519.NewKeyFromSeed(seed[:])
	if id, err := ID(key.Public()); err != nil || !bytes.Equal(id[:], key.Public().(ed25519.PublicKey)) {
		t.Errorf("ID = %x, %v, want the raw key", id, err)
	}
	for _, kind := range []Kind{P256, P384} {
		pub := newKey(t, kind).Public()
		spki := must[[]byte](t)(x509.MarshalPKIXPublicKey(pub))
		if id, err := ID(pub); err != nil || id != sha256Of(string(spki)) {
			t.Errorf("ID of a %v key = %x, %v, want the SHA-256 of its SubjectPublicKeyInfo", kind, id, err)
		}
	}
	for _, pub := range []crypto.PublicKey{
		must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)).Public(),
		must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public(),
		must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).Public(),
		ed25519.PublicKey{1, 2, 3},
		nil,
	} {
		if _, err := ID(pub); !errors.Is(err, ErrKey) {
			t.Errorf("ID of %s = %v, want %v", describeKey(pub), err, ErrKey)
		}
	}
}

func TestSign(t *testing.T) {
	msg := []byte("kith test message")
	for _, kind := range []Kind{Ed25519, P256, P384} {
		key, other := newKey(t, kind), newKey(t, kind)
		for range 20 {
			sig := must[[]byte](t)(Sign(key, msg))
			if len(sig) > MaxSignature {
				t.Errorf("%v: %d bytes, want at most %d", kind, len(sig), MaxSignature)
			}
			if err := VerifySignature(key.Public(), msg, sig); err != nil {
				t.Errorf("%v: VerifySignature = %v", kind, err)
			}
			for name, err := range map[string]error{
				"another message": VerifySignature(key.Public(), msg[1:], sig),
				"another key":     VerifySignature(other.Public(), msg, sig),
				"cut off":         VerifySignature(key.Public(), msg, sig[:len(sig)-1]),
				"longer":          VerifySignature(key.Public(), msg, append(slices.Clone(sig), 0)),
				"empty":           VerifySignature(key.Public(), msg, nil),
			} {
				if err != ErrSignature {
					t.Errorf("%v, %s: VerifySignature = %v, want %v", kind, name, err, ErrSignature)
				}
			}
		}
	}
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	if _, err := Sign(rsaKey, msg); !errors.Is(err, ErrKey) {
		t.Errorf("Sign with RSA = %v, want %v", err, ErrKey)
	}
	if err := VerifySignature(rsaKey.Public(), msg, nil); !errors.Is(err, ErrKey) {
		t.Errorf("VerifySignature with RSA = %v, want %v", err, ErrKey)
	}
}

func TestParseKind(t *testing.T) {
	for text, want := range map[string]Kind{"": Ed25519, "ed25519": Ed25519, "Ed25519": Ed25519, "P-256": P256, "p256": P256, "P-384": P384} {
		if got, err := ParseKind(text); got != want || err != nil {
			t.Errorf("ParseKind(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := ParseKind("rsa"); !errors.Is(err, ErrKey) {
		t.Errorf("ParseKind(rsa) = %v, want %v", err, ErrKey)
	}
}

func TestInspect(t *testing.T) {
	ca := newCA(t, "ours")
	p := must[*Pair](t)(ca.Issue(NodeOptions{Name: "a", Kind: P384, Hosts: []string{"10.0.0.7"}, Now: noon}))
	info := Inspect(p.Cert, noon)
	sum := sha256Of(string(p.Cert.Raw))
	if info.Name != "a" || info.ID != p.ID() || !info.HasID || info.Key != "P-384" || info.Authority || info.DaysLeft != 90 ||
		info.Issuer != "CN=ours" || info.Subject != "CN=a" || info.Signature != "Ed25519" || info.Serial != p.Cert.SerialNumber.Text(16) ||
		!slices.Equal(info.Hosts, []string{"a", "10.0.0.7"}) || info.Fingerprint != hexOf(sum[:]) ||
		!slices.Equal(info.Usages, []string{"digitalSignature", "serverAuth", "clientAuth"}) || info.IssuerKeyID != hexOf(ca.Cert.SubjectKeyId) {
		t.Errorf("Inspect = %+v", info)
	}
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 90}, {1, 89}, {89 * day, 1}, {89*day + 1, 0}, {90 * day, 0}, {90*day + 1, -1}, {92 * day, -3}} {
		if got := Inspect(p.Cert, noon.Add(c.at)).DaysLeft; got != c.want {
			t.Errorf("DaysLeft after %v = %d, want %d", c.at, got, c.want)
		}
	}
	if info := Inspect(ca.Cert, noon); !info.Authority || !slices.Equal(info.Usages, []string{"keyCertSign", "cRLSign"}) {
		t.Errorf("Inspect of an authority = %+v", info)
	}
	weak := made{key: must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))}.make(t, "w")
	if info := Inspect(weak.Cert, noon); info.HasID || info.Key != "RSA-1024" {
		t.Errorf("Inspect of an RSA certificate = %+v", info)
	}
}
