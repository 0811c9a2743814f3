package cert

import (
	"testing"
	"time"
)

func TestIssueAndCheck(t *testing.T) {
	for _, kind := range []Kind{Ed25519, P256, P384} {
		ca, err := CreateCA(CAOptions{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		p, err := ca.Issue(NodeOptions{Name: "a", Kind: kind, Hosts: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		key, err := EncodeKey(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Material{CA: EncodeCerts(ca.Cert), Cert: EncodeCerts(p.Cert), Key: key}.Load(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		sig, err := s.Sign([]byte("hi"))
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifySignature(s.Public(), []byte("hi"), sig); err != nil {
			t.Errorf("VerifySignature(%v) = %v", kind, err)
		}
		if p.ID() != s.ID {
			t.Errorf("ID %x, want %x", s.ID, p.ID())
		}
	}
}
