package cert

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// listOf makes a list with any number and extensions.
func listOf(t testing.TB, ca *CA, number int64, extra []pkix.Extension, certs ...*x509.Certificate) *x509.RevocationList {
	t.Helper()
	signer := *ca.Cert
	signer.KeyUsage |= x509.KeyUsageCRLSign
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: noon, NextUpdate: noon.Add(day), ExtraExtensions: extra}
	for _, c := range certs {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: noon})
	}
	der := must[[]byte](t)(x509.CreateRevocationList(rand.Reader, template, &signer, ca.Key))
	return must[*x509.RevocationList](t)(x509.ParseRevocationList(der))
}

func TestRevokeExtends(t *testing.T) {
	ca, other := newCA(t, "ours"), newCA(t, "other")
	a, b := made{by: ca}.make(t, "a").Cert, made{by: ca}.make(t, "b").Cert
	first := must[*x509.RevocationList](t)(ca.Revoke(nil, noon, a))
	second := must[*x509.RevocationList](t)(ca.Revoke(first, noon.Add(time.Hour), b, a, b))
	if first.Number.Int64() != 1 || second.Number.Int64() != 2 {
		t.Errorf("numbers %v and %v, want 1 and 2", first.Number, second.Number)
	}
	var got []string
	for _, e := range second.RevokedCertificateEntries {
		got = append(got, e.SerialNumber.String()+date(e.RevocationTime))
	}
	want := []string{a.SerialNumber.String() + date(noon), b.SerialNumber.String() + date(noon.Add(time.Hour))}
	if !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
	if _, err := ca.Revoke(nil, noon, made{by: other}.make(t, "c").Cert); err == nil || !strings.Contains(err.Error(), "of authority CN=other, not of CN=ours") {
		t.Errorf("Revoke of another authority's certificate = %v", err)
	}
	if _, err := other.Revoke(first, noon); err == nil {
		t.Error("Revoke went on with the list of another authority")
	}
}

func TestTrustTakesTheNewestList(t *testing.T) {
	ca := newCA(t, "ours")
	a, b := made{by: ca}.make(t, "a"), made{by: ca}.make(t, "b")
	one, two := listOf(t, ca, 1, nil, a.Cert), listOf(t, ca, 2, nil, b.Cert)
	for _, lists := range [][]*x509.RevocationList{{one, two}, {two, one}} {
		trust := trustIn(t, lists, ca)
		verdict{"", []*CA{a}, trust, 0, "", ""}.check(t)
		verdict{"", []*CA{b}, trust, 0, Revoked, ""}.check(t)
		if got := trust.Lists(); len(got) != 1 || got[0] != two {
			t.Errorf("%d lists in force, want the one with number 2", len(got))
		}
	}
}

func TestListsNeverGoBack(t *testing.T) {
	ca := newCA(t, "ours")
	m := material(t, ca, NodeOptions{Name: "a", Now: noon})
	m.CRL = EncodeCRL(listOf(t, ca, 2, nil))
	s := must[*Snapshot](t)(m.Load(noon))
	for _, c := range []struct {
		lists []*x509.RevocationList
		want  string
	}{
		{[]*x509.RevocationList{listOf(t, ca, 3, nil)}, ""},
		{[]*x509.RevocationList{listOf(t, ca, 2, nil)}, ""},
		{[]*x509.RevocationList{listOf(t, ca, 1, nil)}, "revocation list of CN=ours has number 1; 2 is in force"},
		{nil, "no revocation list of CN=ours any more"},
	} {
		_, err := s.withLists(c.lists)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("withLists = %v, want %q", err, c.want)
		}
	}
}
