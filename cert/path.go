package cert

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// maxChain is how many certificates of a peer we look at; each costs a
// signature.
const maxChain = 8

// Problems lists all that is wrong with the certificates that a peer showed,
// its own first, for a peer that plays the given roles, the gravest problem
// first. It is empty if the peer is to be believed. No role means both. See
// Check.
func (t *Trust) Problems(chain []*x509.Certificate, now time.Time, roles ...Role) []*CheckError {
	if len(chain) == 0 || chain[0] == nil {
		return []*CheckError{{Reason: NoCertificate, Text: "no certificate was shown"}}
	}
	if len(roles) == 0 {
		roles = []Role{Server, Client}
	}
	leaf := chain[0]
	if len(chain) > maxChain {
		return []*CheckError{refuse(leaf, PathLength, "came with %d certificates; at most %d are read", len(chain)-1, maxChain-1)}
	}
	all := leafProblems(leaf, now, roles)
	above, err := t.verify(chain, now, roles)
	if err == nil {
		return append(all, above...)
	}
	// crypto/x509 stops at the first problem, and hides most behind "unknown
	// authority". It has refused; what follows only finds the words.
	path, lost := t.walk(chain)
	if lost != nil {
		return append([]*CheckError{lost}, all...)
	}
	all = append(all, t.pathProblems(path, now, roles)...)
	if p := t.namesProblem(chain, path); p != nil {
		all = append(all, p)
	}
	if len(all) == 0 {
		all = append(all, refuse(leaf, Invalid, "is not valid: %s", clean(err.Error(), 200)))
	}
	return all
}

// verify asks crypto/x509 for paths to our anchors and then has our own look at
// them: in each role, one path without a problem is enough.
func (t *Trust) verify(chain []*x509.Certificate, now time.Time, roles []Role) ([]*CheckError, error) {
	options := x509.VerifyOptions{Roots: t.pool, Intermediates: t.intermediates(chain), CurrentTime: now}
	for i, role := range roles {
		// One role at a time: x509 is content with any one of several.
		options.KeyUsages = []x509.ExtKeyUsage{role.usage()}
		paths, err := chain[0].Verify(options)
		if err != nil {
			return nil, err
		}
		sound := func(path []*x509.Certificate) bool { return len(t.pathProblems(path, now, roles[i:i+1])) == 0 }
		if !slices.ContainsFunc(paths, sound) {
			return t.pathProblems(paths[0], now, roles), nil
		}
	}
	return nil, nil
}

func (t *Trust) intermediates(chain []*x509.Certificate) *x509.CertPool {
	if len(chain) == 1 && len(t.between) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range slices.Concat(chain[1:], t.between) {
		pool.AddCert(c)
	}
	return pool
}

// walk goes up from a node's certificate to an anchor, by names and signatures
// alone. If there is no way, lost says where it ended.
func (t *Trust) walk(chain []*x509.Certificate) (path []*x509.Certificate, lost *CheckError) {
	leaf := chain[0]
	path = chain[:1:1]
	for len(path) <= maxChain {
		child := path[len(path)-1]
		if i := parent(child, t.anchors); i >= 0 {
			return append(path, t.anchors[i]), nil
		}
		if bytes.Equal(child.RawSubject, child.RawIssuer) {
			break
		}
		others := slices.Concat(chain[1:], t.between)
		i := parent(child, others)
		if i < 0 || slices.ContainsFunc(path, others[i].Equal) {
			break
		}
		path = append(path, others[i])
	}
	return nil, t.unknown(leaf, path[len(path)-1])
}

// parent finds who signed child: the one whose name and signature fit. A
// signature by a method we do not accept is not looked at; it is a problem of
// its own.
func parent(child *x509.Certificate, among []*x509.Certificate) int {
	return slices.IndexFunc(among, func(c *x509.Certificate) bool {
		if !bytes.Equal(c.RawSubject, child.RawIssuer) {
			return false
		}
		return !strongSignature(child.SignatureAlgorithm) || signed(c, child) == nil
	})
}

// signed checks a signature alone, not whether the signer was allowed to.
func signed(by, c *x509.Certificate) error {
	return by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
}

// unknown words the end of a walk at top, from which no anchor can be reached.
func (t *Trust) unknown(leaf, top *x509.Certificate) *CheckError {
	issuer := dn(top.Issuer)
	sameName := slices.ContainsFunc(t.anchors, func(a *x509.Certificate) bool { return bytes.Equal(a.RawSubject, top.RawIssuer) })
	switch {
	case sameName:
		return refuse(leaf, UnknownAuthority, "signed by unknown authority %s; the one trusted here under that name has another key", issuer)
	case leaf == top && bytes.Equal(leaf.RawSubject, leaf.RawIssuer):
		return refuse(leaf, SelfSigned, "is signed by itself, not by an authority")
	}
	return refuse(leaf, UnknownAuthority, "signed by unknown authority %s", issuer)
}

// pathProblems looks at the authorities above a node's certificate, and at what
// each has revoked.
func (t *Trust) pathProblems(path []*x509.Certificate, now time.Time, roles []Role) []*CheckError {
	leaf := path[0]
	var all []*CheckError
	for i, child := range path[:len(path)-1] {
		ca := path[i+1]
		if when, ok := t.revoked[revocation{authorityKey(ca), child.SerialNumber.String()}]; ok {
			all = append(all, revokedProblem(leaf, child, when))
		}
		anchor := i+2 == len(path)
		all = append(all, authorityProblems(leaf, ca, i, anchor, now, roles)...)
	}
	return all
}

func revokedProblem(leaf, c *x509.Certificate, when time.Time) *CheckError {
	if leaf == c {
		return refuse(leaf, Revoked, "(serial %s) was revoked at %s", serialText(c.SerialNumber), date(when))
	}
	return refuseAuthority(leaf, c, Revoked, "(serial %s) was revoked at %s", serialText(c.SerialNumber), date(when))
}

// authorityProblems looks at one authority, with below intermediates between it
// and the node's certificate.
func authorityProblems(leaf, ca *x509.Certificate, below int, anchor bool, now time.Time, roles []Role) []*CheckError {
	var all []*CheckError
	if reason, text := dateProblem(ca, now); reason != "" {
		all = append(all, refuseAuthority(leaf, ca, reason, "%s", text))
	}
	if !ca.IsCA || !ca.BasicConstraintsValid || ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		all = append(all, refuseAuthority(leaf, ca, NotAuthority, "may not sign certificates"))
	}
	if ca.BasicConstraintsValid && ca.MaxPathLen >= 0 && below > ca.MaxPathLen {
		all = append(all, refuseAuthority(leaf, ca, PathLength, "allows %d intermediates, there are %d", ca.MaxPathLen, below))
	}
	if text := weakAuthorityKey(ca); text != "" {
		all = append(all, refuseAuthority(leaf, ca, WeakKey, "%s", text))
	}
	if !anchor && !strongSignature(ca.SignatureAlgorithm) { // an anchor is believed whoever signed it
		all = append(all, refuseAuthority(leaf, ca, WeakSignature, "is signed with %s, which is not accepted", signatureText(ca)))
	}
	for _, role := range roles {
		if limitsUsage(ca) && !slices.Contains(ca.ExtKeyUsage, role.usage()) {
			all = append(all, refuseAuthority(leaf, ca, WrongUsage, "may not vouch for %v", role))
		}
	}
	if constrainsNames(ca) && !hasNames(leaf) {
		// Else the common name would escape the constraint, see CheckName.
		all = append(all, refuseAuthority(leaf, ca, NameConstraints, "may vouch for certain names only, and the certificate has none"))
	}
	if ids := ca.UnhandledCriticalExtensions; len(ids) > 0 {
		all = append(all, refuseAuthority(leaf, ca, Invalid, "has a critical extension that is not understood: %s", oidsText(ids)))
	}
	return all
}

// limitsUsage tells whether an authority names the usages it may vouch for;
// one that names none may vouch for all.
func limitsUsage(ca *x509.Certificate) bool {
	if slices.Contains(ca.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return false
	}
	return len(ca.ExtKeyUsage) > 0 || len(ca.UnknownExtKeyUsage) > 0
}

func constrainsNames(ca *x509.Certificate) bool {
	return len(ca.PermittedDNSDomains) > 0 || len(ca.ExcludedDNSDomains) > 0 ||
		len(ca.PermittedIPRanges) > 0 || len(ca.ExcludedIPRanges) > 0
}

// namesProblem asks crypto/x509 about name constraints alone: at a time when
// all of path is valid, and for any usage.
func (t *Trust) namesProblem(chain, path []*x509.Certificate) *CheckError {
	from, to := path[0].NotBefore, path[0].NotAfter
	for _, c := range path {
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if c.NotAfter.Before(to) {
			to = c.NotAfter
		}
	}
	if from.After(to) || from.IsZero() {
		return nil
	}
	options := x509.VerifyOptions{Roots: t.pool, Intermediates: t.intermediates(chain), CurrentTime: from, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	_, err := path[0].Verify(options)
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok {
		return nil
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints:
		return refuse(path[0], NameConstraints, "is for %s, which its authority may not vouch for", hostsText(path[0]))
	}
	return nil
}
