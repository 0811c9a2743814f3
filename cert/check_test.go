package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A verdict is one case of T1: what a peer shows, and what it is told.
type verdict struct {
	name   string
	chain  []*CA
	trust  *Trust
	role   Role   // zero: must hold in both
	reason Reason // empty: accepted
	text   string // in the words for the peer
}

func (v verdict) check(t *testing.T) {
	var chain []*x509.Certificate
	for _, c := range v.chain {
		chain = append(chain, c.Cert)
	}
	roles := []Role{v.role}
	if v.role == 0 {
		roles = []Role{Server, Client}
	}
	for _, role := range roles {
		err := v.trust.Check(chain, role, noon)
		if ReasonOf(err) != v.reason || v.reason == "" && err != nil {
			t.Errorf("Check as %v = %v, want the reason %q", role, err, v.reason)
			continue
		}
		if err != nil && !strings.Contains(err.Error(), v.text) {
			t.Errorf("Check as %v = %q, want %q in it", role, err, v.text)
		}
	}
}

func edit(f func(*x509.Certificate)) made { return made{edit: f} }

func (m made) of(ca *CA) made              { m.by = ca; return m }
func (m made) with(key crypto.Signer) made { m.key = key; return m }
func usages(u ...x509.ExtKeyUsage) made    { return edit(func(c *x509.Certificate) { c.ExtKeyUsage = u }) }

func signedBy(a x509.SignatureAlgorithm) made {
	return edit(func(c *x509.Certificate) { c.SignatureAlgorithm = a })
}

func TestT1Leaf(t *testing.T) {
	ca, other := newCA(t, "ours"), newCA(t, "other")
	twin := newCA(t, "ours")
	trust := trustIn(t, nil, ca)
	rsa1024 := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))
	rsa2048 := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	p521 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	oid := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	dates := func(from, to time.Duration) made {
		return edit(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = noon.Add(from), noon.Add(to) })
	}
	both := usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)

	for _, v := range []verdict{
		{"good", []*CA{both.of(ca).make(t, "b")}, nil, 0, "", ""},
		{"good P-256", []*CA{both.of(ca).with(newKey(t, P256)).make(t, "b")}, nil, 0, "", ""},
		{"good P-384", []*CA{both.of(ca).with(newKey(t, P384)).make(t, "b")}, nil, 0, "", ""},
		{"no key usage at all", []*CA{edit(func(c *x509.Certificate) { c.KeyUsage = 0 }).of(ca).make(t, "b")}, nil, 0, "", ""},
		{"none", nil, nil, 0, NoCertificate, "no certificate was shown"},
		{"wrong CA", []*CA{both.of(other).make(t, "b")}, nil, 0, UnknownAuthority, "certificate of b signed by unknown authority CN=other"},
		{"wrong CA, shown", []*CA{both.of(other).make(t, "b"), other}, nil, 0, UnknownAuthority, "certificate of b signed by unknown authority CN=other"},
		{"another CA of our CA's name", []*CA{both.of(twin).make(t, "b")}, nil, 0, UnknownAuthority, "unknown authority CN=ours; the one trusted here under that name has another key"},
		{"self-signed", []*CA{both.make(t, "b")}, nil, 0, SelfSigned, "certificate of b is signed by itself"},
		{"expired", []*CA{dates(-72*time.Hour, -25*time.Hour).of(ca).make(t, "b")}, nil, 0, Expired, "certificate of b expired at 2030-05-31T11:00:00Z, 25 hours ago"},
		{"expired a second ago", []*CA{dates(-time.Hour, -time.Second).of(ca).make(t, "b")}, nil, 0, Expired, "1 seconds ago"},
		{"ends now", []*CA{dates(-time.Hour, 0).of(ca).make(t, "b")}, nil, 0, "", ""},
		{"not yet valid", []*CA{dates(10*time.Minute, time.Hour).of(ca).make(t, "b")}, nil, 0, NotYetValid, "certificate of b is not valid until 2030-06-01T12:10:00Z, 10 minutes from now"},
		{"no usage", []*CA{usages().of(ca).make(t, "b")}, nil, 0, WrongUsage, "has no extendedKeyUsage"},
		{"any usage", []*CA{usages(x509.ExtKeyUsageAny).of(ca).make(t, "b")}, nil, 0, WrongUsage, "is for anyExtendedKeyUsage, not for"},
		{"another usage", []*CA{usages(x509.ExtKeyUsageCodeSigning).of(ca).make(t, "b")}, nil, 0, WrongUsage, "is for codeSigning, not for"},
		{"client's usage as server", []*CA{usages(x509.ExtKeyUsageClientAuth).of(ca).make(t, "b")}, nil, Server, WrongUsage, "is for clientAuth, not for serverAuth"},
		{"client's usage as client", []*CA{usages(x509.ExtKeyUsageClientAuth).of(ca).make(t, "b")}, nil, Client, "", ""},
		{"server's usage as client", []*CA{usages(x509.ExtKeyUsageServerAuth).of(ca).make(t, "b")}, nil, Client, WrongUsage, "is for serverAuth, not for clientAuth"},
		{"server's usage as server", []*CA{usages(x509.ExtKeyUsageServerAuth).of(ca).make(t, "b")}, nil, Server, "", ""},
		{"no digitalSignature", []*CA{edit(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }).of(ca).make(t, "b")}, nil, 0, WrongUsage, "lacks digitalSignature"},
		{"RSA-1024", []*CA{both.of(ca).with(rsa1024).make(t, "b")}, nil, 0, WeakKey, "certificate of b has a key of kind RSA-1024"},
		{"RSA-2048", []*CA{both.of(ca).with(rsa2048).make(t, "b")}, nil, 0, WeakKey, "kind RSA-2048"},
		{"P-224", []*CA{both.of(ca).with(p224).make(t, "b")}, nil, 0, WeakKey, "kind P-224"},
		{"P-521", []*CA{both.of(ca).with(p521).make(t, "b")}, nil, 0, WeakKey, "kind P-521"},
		{"CA as leaf", []*CA{ca}, nil, 0, CAAsLeaf, "certificate of ours is an authority's"},
		{"CA as leaf, with usages", []*CA{edit(func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage |= x509.KeyUsageCertSign }).of(ca).make(t, "sub")}, nil, 0, CAAsLeaf, "certificate of sub is an authority's"},
		{"critical extension", []*CA{edit(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oid, Critical: true, Value: []byte{5, 0}}}
		}).of(ca).make(t, "b")}, nil, 0, Invalid, "not understood: 1.3.6.1.4.1.99999.1"},
		{"too many", slices.Repeat([]*CA{both.of(ca).make(t, "b")}, maxChain+1), nil, 0, PathLength, "came with 8 certificates"},
		{"bad name", []*CA{both.of(other).make(t, "b\nERROR \x1b[31m\u202e"+strings.Repeat("x", 99))}, nil, 0, UnknownAuthority, "certificate of b?ERROR ?[31m?x"},
		{"unknown role", []*CA{both.of(ca).make(t, "b")}, nil, 9, WrongUsage, "not for role 9"},
	} {
		v.trust = trust
		t.Run(v.name, v.check)
	}
}

func TestT1Intermediates(t *testing.T) {
	ca := newCA(t, "ours")
	rsa1024 := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))
	node := func(by *CA) *CA { return made{by: by}.make(t, "b") }
	sub := edit(asCA).of(ca).make(t, "sub")
	subsub := edit(asCA).of(sub).make(t, "subsub")
	short := edit(func(c *x509.Certificate) { asCA(c); c.MaxPathLenZero = true }).of(ca).make(t, "short")
	belowShort := edit(asCA).of(short).make(t, "below")
	old := edit(func(c *x509.Certificate) { asCA(c); c.NotAfter = noon.Add(-time.Minute) }).of(ca).make(t, "old")
	young := edit(func(c *x509.Certificate) { asCA(c); c.NotBefore = noon.Add(time.Minute) }).of(ca).make(t, "young")
	weak := edit(asCA).with(rsa1024).of(ca).make(t, "weak")
	noSign := edit(func(c *x509.Certificate) { asCA(c); c.KeyUsage = x509.KeyUsageCRLSign }).of(ca).make(t, "nosign")
	clients := edit(func(c *x509.Certificate) { asCA(c); c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }).of(ca).make(t, "clients")
	plain := made{by: ca}.make(t, "plain")
	trust := trustIn(t, nil, ca)

	for _, v := range []verdict{
		{"present", []*CA{node(sub), sub}, trust, 0, "", ""},
		{"two present, out of order", []*CA{node(subsub), sub, subsub}, trust, 0, "", ""},
		{"missing", []*CA{node(sub)}, trust, 0, UnknownAuthority, "certificate of b signed by unknown authority CN=sub"},
		{"the upper one missing", []*CA{node(subsub), subsub}, trust, 0, UnknownAuthority, "signed by unknown authority CN=sub"},
		{"missing, but the CA file has it", []*CA{node(sub)}, trustIn(t, nil, ca, sub), 0, "", ""},
		{"believed by itself", []*CA{node(sub)}, trustIn(t, nil, sub), 0, "", ""},
		{"path length", []*CA{node(belowShort), belowShort, short}, trust, 0, PathLength, "authority CN=short above b allows 0 intermediates, there are 1"},
		{"path length, the CA file has it", []*CA{node(belowShort), belowShort}, trustIn(t, nil, ca, short), 0, PathLength, "allows 0 intermediates"},
		{"expired", []*CA{node(old), old}, trust, 0, Expired, "authority CN=old above b expired"},
		{"not yet valid", []*CA{node(young), young}, trust, 0, NotYetValid, "authority CN=young above b is not valid until"},
		{"RSA-1024", []*CA{node(weak), weak}, trust, 0, WeakKey, "authority CN=weak above b has a key of kind RSA-1024"},
		{"a node's certificate", []*CA{node(plain), plain}, trust, 0, NotAuthority, "authority CN=plain above b may not sign"},
		{"no keyCertSign", []*CA{node(noSign), noSign}, trust, 0, NotAuthority, "authority CN=nosign above b may not sign"},
		{"for clients only, as server", []*CA{node(clients), clients}, trust, Server, WrongUsage, "authority CN=clients above b may not vouch for serverAuth"},
		{"for clients only, as client", []*CA{node(clients), clients}, trust, Client, "", ""},
	} {
		t.Run(v.name, v.check)
	}
}

func TestT1NameConstraints(t *testing.T) {
	ca := newCA(t, "ours")
	bound := edit(func(c *x509.Certificate) {
		asCA(c)
		c.PermittedDNSDomainsCritical = true
		c.PermittedDNSDomains = []string{"a.example"}
		c.PermittedIPRanges = []*net.IPNet{{IP: net.IP{10, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}}
	}).of(ca).make(t, "bound")
	node := func(names ...string) []*CA {
		leaf := edit(func(c *x509.Certificate) {
			if err := addHosts(c, names); err != nil {
				t.Fatal(err)
			}
		}).of(bound).make(t, "b")
		return []*CA{leaf, bound}
	}
	trust := trustIn(t, nil, ca)
	for _, v := range []verdict{
		{"within", node("x.a.example", "10.1.2.3"), trust, 0, "", ""},
		{"DNS outside", node("x.b.example"), trust, 0, NameConstraints, "certificate of b is for x.b.example, which its authority may not vouch for"},
		{"IP outside", node("x.a.example", "192.0.2.1"), trust, 0, NameConstraints, "192.0.2.1"},
		{"only a common name", node(), trust, 0, NameConstraints, "authority CN=bound above b may vouch for certain names only"},
	} {
		t.Run(v.name, v.check)
	}
}

func TestT1WeakSignature(t *testing.T) {
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	for _, by := range []struct {
		key  crypto.Signer
		sha1 x509.SignatureAlgorithm
	}{{rsaKey, x509.SHA1WithRSA}, {newKey(t, P256), x509.ECDSAWithSHA1}} {
		ca := edit(asCA).with(by.key).make(t, "ours")
		trust := trustIn(t, nil, ca)
		good, bad := made{by: ca}.make(t, "b"), signedBy(by.sha1).of(ca).make(t, "b")
		sub := edit(func(c *x509.Certificate) { asCA(c); c.SignatureAlgorithm = by.sha1 }).of(ca).make(t, "sub")
		below := made{by: sub}.make(t, "b")
		for _, v := range []verdict{
			{"SHA-256", []*CA{good}, trust, 0, "", ""},
			{"SHA-1", []*CA{bad}, trust, 0, WeakSignature, "certificate of b is signed with " + by.sha1.String()},
			{"SHA-1 above", []*CA{below, sub}, trust, 0, WeakSignature, "authority CN=sub above b is signed with " + by.sha1.String()},
			{"believed by itself, with SHA-1", []*CA{below}, trustIn(t, nil, sub), 0, "", ""},
		} {
			t.Run(by.sha1.String()+" "+v.name, v.check)
		}
	}
}

func TestT1Revoked(t *testing.T) {
	ca, twin := newCA(t, "ours"), newCA(t, "ours")
	sub := edit(asCA).of(ca).make(t, "sub")
	a, b, c := made{by: ca}.make(t, "a"), made{by: ca}.make(t, "b"), made{by: sub}.make(t, "c")
	list := must[*x509.RevocationList](t)(ca.Revoke(nil, noon, b.Cert, sub.Cert))
	sublist := must[*x509.RevocationList](t)(sub.Revoke(nil, noon, c.Cert))
	// A certificate of another authority with the same name and serial number.
	double := edit(func(x *x509.Certificate) { x.SerialNumber = b.Cert.SerialNumber }).of(twin).make(t, "b")
	trust := trustIn(t, []*x509.RevocationList{list}, ca, twin)
	for _, v := range []verdict{
		{"not on the list", []*CA{a}, trust, 0, "", ""},
		{"on the list", []*CA{b}, trust, 0, Revoked, "certificate of b (serial " + b.Cert.SerialNumber.Text(16) + ") was revoked at 2030-06-01T12:00:00Z"},
		{"no list", []*CA{b}, trustIn(t, nil, ca), 0, "", ""},
		{"the authority above", []*CA{c, sub}, trust, 0, Revoked, "authority CN=sub above c"},
		{"by an intermediate", []*CA{c}, trustIn(t, []*x509.RevocationList{sublist}, ca, sub), 0, Revoked, "certificate of c"},
		{"same serial, other authority of that name", []*CA{double}, trust, 0, "", ""},
	} {
		t.Run(v.name, v.check)
	}
}

// A revoked authority has a twin that is not: one sound path is enough.
func TestCheckTakesTheSoundPath(t *testing.T) {
	ca := newCA(t, "ours")
	sub := edit(asCA).of(ca).make(t, "sub")
	again := edit(asCA).with(sub.Key).of(ca).make(t, "sub")
	leaf := made{by: sub}.make(t, "b")
	list := must[*x509.RevocationList](t)(ca.Revoke(nil, noon, sub.Cert))
	trust := trustIn(t, []*x509.RevocationList{list}, ca)
	verdict{"", []*CA{leaf, sub, again}, trust, 0, "", ""}.check(t)
	verdict{"", []*CA{leaf, sub}, trust, 0, Revoked, "authority CN=sub"}.check(t)
}

func TestProblemsListsAll(t *testing.T) {
	ca := newCA(t, "ours")
	bound := edit(func(c *x509.Certificate) {
		asCA(c)
		c.PermittedDNSDomains = []string{"a.example"}
		c.NotAfter = noon.Add(-time.Minute)
		c.MaxPathLenZero = true
	}).of(ca).make(t, "bound")
	leaf := edit(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = noon.Add(-48*time.Hour), noon.Add(-2*time.Minute)
		c.ExtKeyUsage = nil
		c.DNSNames = []string{"b.example"}
	}).with(must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))).of(bound).make(t, "b")
	list := must[*x509.RevocationList](t)(bound.Revoke(nil, noon, leaf.Cert))
	trust := trustIn(t, []*x509.RevocationList{list}, ca, bound)

	var got []Reason
	for _, p := range trust.Problems([]*x509.Certificate{leaf.Cert}, noon) {
		got = append(got, p.Reason)
	}
	want := []Reason{WeakKey, Expired, WrongUsage, Revoked, Expired, NameConstraints}
	if !slices.Equal(got, want) {
		t.Errorf("Problems = %v, want %v", got, want)
	}
	if text := trust.Verify([]*x509.Certificate{leaf.Cert}, noon).Error(); strings.Count(text, "\n") != len(want)-1 {
		t.Errorf("Verify = %q, want %d lines", text, len(want))
	}
}

// Authorities that vouch for each other in a circle, as a peer may show them.
func TestCheckEndsOnACircle(t *testing.T) {
	ca := newCA(t, "ours")
	x := edit(asCA).make(t, "x")
	y := edit(asCA).of(x).make(t, "y")
	x2 := edit(asCA).with(x.Key).of(y).make(t, "x")
	leaf := made{by: x}.make(t, "b")
	verdict{"", []*CA{leaf, x2, y}, trustIn(t, nil, ca), 0, UnknownAuthority, "unknown authority"}.check(t)
}

func TestCheckID(t *testing.T) {
	ca := newCA(t, "ours")
	for _, kind := range []Kind{Ed25519, P256, P384} {
		p := must[*Pair](t)(ca.Issue(NodeOptions{Name: "b", Kind: kind, Now: noon}))
		if err := CheckID(p.Cert, p.ID()); err != nil {
			t.Errorf("CheckID of a %v key = %v, want nil", kind, err)
		}
		if err := CheckID(p.Cert, [32]byte{1}); ReasonOf(err) != WrongID || !strings.Contains(err.Error(), "certificate of b has the id ") {
			t.Errorf("CheckID with another id = %v, want the reason %v", err, WrongID)
		}
	}
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	if err := CheckID(made{by: ca, key: p224}.make(t, "b").Cert, [32]byte{}); ReasonOf(err) != WeakKey {
		t.Errorf("CheckID of a P-224 key = %v, want the reason %v", err, WeakKey)
	}
}

func TestT1CheckName(t *testing.T) {
	ca := newCA(t, "ours")
	named := must[*Pair](t)(ca.Issue(NodeOptions{Name: "b", Hosts: []string{"b.example", "10.0.0.7", "2001:db8::1"}, Now: noon})).Cert
	bare := made{by: ca}.make(t, "Seed 1").Cert
	for _, c := range []struct {
		leaf *x509.Certificate
		host string
		ok   bool
	}{
		{named, "b.example", true},
		{named, "B.EXAMPLE", true},
		{named, "b", true},
		{named, "10.0.0.7", true},
		{named, "2001:db8::1", true},
		{named, "c.example", false},
		{named, "10.0.0.8", false},
		{named, "", false},
		{bare, "Seed 1", true},
		{bare, "seed 1", true},
		{bare, "seed 2", false},
		{bare, "", false},
	} {
		err := CheckName(c.leaf, c.host)
		if c.ok && err != nil || !c.ok && ReasonOf(err) != WrongName {
			t.Errorf("CheckName(%s, %q) = %v, want ok=%v", Name(c.leaf), c.host, err, c.ok)
		}
	}
	err := CheckName(named, "c.example\n")
	if want := `cert: certificate of b is for b, b.example, 10.0.0.7, 2001:db8::1, not for "c.example?"`; err == nil || err.Error() != want {
		t.Errorf("CheckName = %v, want %s", err, want)
	}
}

func TestNewTrustRefuses(t *testing.T) {
	ca, other := newCA(t, "ours"), newCA(t, "other")
	node := made{by: ca}.make(t, "b")
	weak := edit(asCA).with(must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))).make(t, "weak")
	noSign := edit(func(c *x509.Certificate) { asCA(c); c.KeyUsage = x509.KeyUsageDigitalSignature }).make(t, "nosign")
	noCRL := edit(func(c *x509.Certificate) { asCA(c); c.KeyUsage = x509.KeyUsageCertSign }).make(t, "nocrl")
	foreign := must[*x509.RevocationList](t)(other.Revoke(nil, noon, other.Cert))
	for _, c := range []struct {
		name  string
		cas   []*CA
		lists []*x509.RevocationList
		want  string
	}{
		{"nothing", nil, nil, "no authority"},
		{"a node", []*CA{ca, node}, nil, "CN=b is not an authority"},
		{"RSA-1024", []*CA{weak}, nil, "authority CN=weak has a key of kind RSA-1024"},
		{"no keyCertSign", []*CA{noSign}, nil, "CN=nosign may not sign certificates"},
		{"foreign list", []*CA{ca}, []*x509.RevocationList{foreign}, "revocation list signed by unknown authority CN=other"},
		{"no cRLSign", []*CA{noCRL}, []*x509.RevocationList{listOf(t, noCRL, 1, nil)}, "authority CN=nocrl may not sign revocation lists"},
		{"critical", []*CA{ca}, []*x509.RevocationList{listOf(t, ca, 1, []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}})}, "critical extensions"},
	} {
		var certs []*x509.Certificate
		for _, ca := range c.cas {
			certs = append(certs, ca.Cert)
		}
		if _, err := NewTrust(certs, c.lists); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewTrust with %s = %v, want %q", c.name, err, c.want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	ca := newCA(b, "ours")
	p := must[*Pair](b)(ca.Issue(NodeOptions{Name: "b", Now: noon}))
	trust := trustIn(b, nil, ca)
	chain := []*x509.Certificate{p.Cert}
	b.ReportAllocs()
	for b.Loop() {
		if err := trust.Check(chain, Client, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// What a stranger can make us spend: the worst of cases that we know.
func BenchmarkRefuse(b *testing.B) {
	trust := trustIn(b, nil, newCA(b, "ours"))
	by := newCA(b, "other")
	chain := []*x509.Certificate{nil}
	for range maxChain - 1 {
		by = edit(asCA).of(by).make(b, "sub")
		chain = append(chain, by.Cert)
	}
	chain[0] = made{by: by}.make(b, "b").Cert
	b.ReportAllocs()
	for b.Loop() {
		if trust.Check(chain, Client, noon) == nil {
			b.Fatal("believed")
		}
	}
}
