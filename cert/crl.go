package cert

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
)

// addList puts a revocation list in force, once an authority of ours is found
// to have signed it.
func (t *Trust) addList(list *x509.RevocationList) error {
	if err := readable(list); err != nil {
		return err
	}
	all := t.Authorities()
	i := slices.IndexFunc(all, func(ca *x509.Certificate) bool {
		return bytes.Equal(ca.RawSubject, list.RawIssuer) && ca.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil
	})
	if i < 0 {
		return fmt.Errorf("cert: revocation list signed by unknown authority %s", dn(list.Issuer))
	}
	ca := all[i]
	if ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return fmt.Errorf("cert: authority %s may not sign revocation lists (cRLSign is missing)", dn(ca.Subject))
	}
	key, number := authorityKey(ca), listNumber(list)
	if old := t.numbers[key]; old != nil && old.Cmp(number) >= 0 {
		return nil
	}
	for r := range t.revoked {
		if r.authority == key {
			delete(t.revoked, r)
		}
	}
	t.lists = slices.DeleteFunc(t.lists, func(other *x509.RevocationList) bool {
		return bytes.Equal(other.RawIssuer, list.RawIssuer) && signedList(ca, other)
	})
	t.lists = append(t.lists, list)
	t.numbers[key] = number
	for _, entry := range list.RevokedCertificateEntries {
		t.revoked[revocation{key, entry.SerialNumber.String()}] = entry.RevocationTime
	}
	return nil
}

func signedList(ca *x509.Certificate, list *x509.RevocationList) bool {
	return ca.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil
}

// readable refuses lists that mean something other than "all that this
// authority has revoked": deltas, parts and lists on behalf of others all carry
// a critical extension.
func readable(list *x509.RevocationList) error {
	critical := false
	for _, e := range list.Extensions {
		critical = critical || e.Critical
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			critical = critical || e.Critical
		}
	}
	if critical {
		return fmt.Errorf("cert: revocation list of %s has critical extensions; a plain, whole list is needed", dn(list.Issuer))
	}
	return nil
}

// listNumber is the number of a list; a list without one is older than all.
func listNumber(list *x509.RevocationList) *big.Int {
	if list.Number == nil {
		return new(big.Int)
	}
	return list.Number
}
