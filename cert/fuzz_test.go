package cert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
	"unicode"
)

func sha256Of(text string) [32]byte { return sha256.Sum256([]byte(text)) }
func hexOf(b []byte) string         { return hex.EncodeToString(b) }

// seeds are one of each thing that we read.
func seeds(f *testing.F) {
	ca := newCA(f, "ours")
	p := must[*Pair](f)(ca.Issue(NodeOptions{Name: "a", Now: noon}))
	key := keyPEM(f, p.Key)
	f.Add(EncodeCerts(ca.Cert, p.Cert))
	f.Add(key)
	f.Add(EncodeCRL(must[*x509.RevocationList](f)(ca.Revoke(nil, noon, p.Cert))))
	f.Add(append([]byte("\ufefftext\r\n"), bytes.ReplaceAll(key, []byte("\n"), []byte("\r\n"))...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"))
	f.Add([]byte{0x30, 0x82})
}

func FuzzDecodeCerts(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := DecodeCerts(data)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d certificates and %v", len(all), err)
		}
		if err != nil {
			return
		}
		again, err := DecodeCerts(EncodeCerts(all...))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%d certificates came back as %d, %v", len(all), len(again), err)
		}
		for i, c := range all {
			if !c.Equal(again[i]) {
				t.Errorf("certificate %d came back as another", i)
			}
			Inspect(c, noon)
		}
		// Whatever a peer may show: no panic, and never believed.
		if trust, err := NewTrust(all, nil); err == nil {
			trust.Problems(all, noon)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := DecodeKey(data)
		if err != nil {
			return
		}
		pem, err := EncodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := DecodeKey(pem); err != nil || !samePublic(again, key.Public()) {
			t.Errorf("a key came back as another: %v", err)
		}
	})
}

func FuzzDecodeCRLs(f *testing.F) {
	seeds(f)
	ca := newCA(f, "ours")
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := DecodeCRLs(data)
		if err != nil {
			return
		}
		for _, list := range lists {
			again, err := DecodeCRLs(EncodeCRL(list))
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].Raw, list.Raw) {
				t.Errorf("a list came back as another: %v", err)
			}
		}
		if _, err := NewTrust([]*x509.Certificate{ca.Cert}, lists); err == nil {
			t.Error("a list that the authority has not signed came into force")
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	for _, kind := range []Kind{Ed25519, P256, P384} {
		f.Add(must[[]byte](f)(MarshalPublic(newKey(f, kind).Public())), []byte("msg"), []byte("sig"))
	}
	f.Fuzz(func(t *testing.T, spki, msg, sig []byte) {
		pub, err := ParsePublic(spki)
		if err != nil {
			return
		}
		again, err := MarshalPublic(pub)
		if err != nil || !bytes.Equal(again, spki) {
			t.Errorf("%x came back as %x, %v", spki, again, err)
		}
		if _, err := ID(pub); err != nil {
			t.Errorf("ID = %v", err)
		}
		_ = VerifySignature(pub, msg, sig)
	})
}

// The certificate of a stranger: any DER that parses gets a verdict in one
// printable line, and never a good one.
func FuzzCheck(f *testing.F) {
	ca := newCA(f, "ours")
	bound := edit(func(c *x509.Certificate) { asCA(c); c.PermittedDNSDomains = []string{"a"} }).of(ca).make(f, "bound")
	trust := trustIn(f, nil, newCA(f, "ours"))
	f.Add(made{by: ca}.make(f, "b").Cert.Raw, bound.Cert.Raw)
	f.Add(made{by: bound}.make(f, "b\n").Cert.Raw, bound.Cert.Raw)
	f.Add(usages().make(f, "").Cert.Raw, ca.Cert.Raw)
	f.Fuzz(func(t *testing.T, leaf, above []byte) {
		c, err := x509.ParseCertificate(leaf)
		if err != nil {
			return
		}
		chain := []*x509.Certificate{c}
		if a, err := x509.ParseCertificate(above); err == nil {
			chain = append(chain, a)
		}
		if trust.Check(chain, Server, noon) == nil {
			t.Error("a stranger is believed")
		}
		for _, p := range trust.Problems(chain, noon) {
			if len(p.Text) > 2000 || strings.ContainsFunc(p.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is not one printable line", p.Text)
			}
		}
	})
}
