package mtls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// A forger makes certificates that no honest authority would.
type forger struct {
	*world
	serial int64
}

func (f *forger) key() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// A signer is somebody who signs certificates.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (f *forger) root() signer { return signer{f.ca.Cert, f.ca.Key} }

// leaf is a good template, for change to spoil.
func (f *forger) leaf(change func(c *x509.Certificate)) *x509.Certificate {
	f.serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(f.serial), Subject: pkix.Name{CommonName: "bad"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	return c
}

// authority is a good template of an intermediate.
func (f *forger) authority(change func(c *x509.Certificate)) *x509.Certificate {
	return f.leaf(func(c *x509.Certificate) {
		c.Subject.CommonName = "between"
		c.IsCA, c.BasicConstraintsValid, c.MaxPathLen = true, true, -1
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
		if change != nil {
			change(c)
		}
	})
}

func (f *forger) sign(template *x509.Certificate, by signer, key crypto.Signer) *x509.Certificate {
	if by.cert == nil { // itself
		by = signer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// between signs an authority of the given template by the root.
func (f *forger) between(change func(c *x509.Certificate)) signer {
	key := f.key()
	return signer{f.sign(f.authority(change), f.root(), key), key}
}

// holder is a snapshot of a node that shows chain and holds key.
func (f *forger) holder(key crypto.Signer, chain ...*x509.Certificate) *cert.Snapshot {
	trust, err := cert.NewTrust([]*x509.Certificate{f.ca.Cert}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	s := &cert.Snapshot{Name: "bad", Trust: trust, TLS: tls.Certificate{PrivateKey: key}}
	for _, c := range chain {
		s.TLS.Certificate = append(s.TLS.Certificate, c.Raw)
	}
	if len(chain) > 0 {
		s.Leaf = chain[0]
		s.ID, _ = cert.ID(chain[0].PublicKey)
	} else {
		s.TLS = tls.Certificate{}
	}
	return s
}

func (f *forger) spoilt(change func(c *x509.Certificate)) *cert.Snapshot {
	key := f.key()
	return f.holder(key, f.sign(f.leaf(change), f.root(), key))
}

// A badCertificate is one row of the table of refusals. Where crypto/tls itself
// ends the handshake, server and client say what the two sides of a session see,
// else it is the verdict's reason and words.
type badCertificate struct {
	name   string
	make   func(f *forger) *cert.Snapshot
	reason cert.Reason
	words  string
	// What the good side says and the bad side hears when it is the client that is
	// bad, and when it is the server. Empty: the usual.
	clientSaid, clientHeard string
	serverSaid, serverHeard string
}

func rsaKey(f *forger, bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

var badCertificates = []badCertificate{
	{name: "wrong CA", reason: cert.UnknownAuthority, words: "certificate of bad signed by unknown authority CN=other", make: func(f *forger) *cert.Snapshot {
		other, err := cert.CreateCA(cert.CAOptions{Name: "other"})
		if err != nil {
			f.t.Fatal(err)
		}
		key := f.key()
		return f.holder(key, f.sign(f.leaf(nil), signer{other.Cert, other.Key}, key))
	}},
	{name: "expired", reason: cert.Expired, words: "expired", make: func(f *forger) *cert.Snapshot {
		return f.spoilt(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	}},
	{name: "not yet valid", reason: cert.NotYetValid, words: "valid", make: func(f *forger) *cert.Snapshot {
		return f.spoilt(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	}},
	{name: "no EKU", reason: cert.WrongUsage, words: "KeyUsage", make: func(f *forger) *cert.Snapshot {
		return f.spoilt(func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	}},
	{name: "other EKU", reason: cert.WrongUsage, words: "KeyUsage", make: func(f *forger) *cert.Snapshot {
		return f.spoilt(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
	}},
	{
		name: "none", reason: cert.NoCertificate, words: "no certificate was shown",
		serverSaid: "peer refused us: ", serverHeard: "does not implement crypto.Signer",
		make: func(f *forger) *cert.Snapshot { return f.holder(nil) },
	},
	{
		name: "key mismatch", words: "",
		clientSaid: "invalid signature by the client certificate", clientHeard: "peer refused us: ",
		serverSaid: "invalid signature by the server certificate", serverHeard: "peer refused us: ",
		make: func(f *forger) *cert.Snapshot {
			return f.holder(f.key(), f.sign(f.leaf(nil), f.root(), f.key()))
		},
	},
	{name: "revoked", reason: cert.Revoked, words: "revoked", make: func(f *forger) *cert.Snapshot {
		return f.spoilt(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(revokedSerial) })
	}},
	{name: "intermediate missing", reason: cert.UnknownAuthority, words: "unknown authority CN=between", make: func(f *forger) *cert.Snapshot {
		between, key := f.between(nil), f.key()
		return f.holder(key, f.sign(f.leaf(nil), between, key))
	}},
	{name: "path length", reason: cert.PathLength, words: "intermediate", make: func(f *forger) *cert.Snapshot {
		first := f.between(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
		key := f.key()
		second := signer{f.sign(f.authority(func(c *x509.Certificate) { c.Subject.CommonName = "second" }), first, key), key}
		key = f.key()
		return f.holder(key, f.sign(f.leaf(nil), second, key), second.cert, first.cert)
	}},
	{name: "name constraints", reason: cert.NameConstraints, words: "bad.example", make: func(f *forger) *cert.Snapshot {
		between := f.between(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"good.example"}
		})
		key := f.key()
		leaf := f.sign(f.leaf(func(c *x509.Certificate) { c.DNSNames = []string{"bad.example"} }), between, key)
		return f.holder(key, leaf, between.cert)
	}},
	{name: "SHA-1", reason: cert.WeakSignature, words: "SHA1", make: func(f *forger) *cert.Snapshot {
		weak, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			f.t.Fatal(err)
		}
		between := signer{f.sign(f.authority(nil), f.root(), weak), weak}
		key := f.key()
		leaf := f.sign(f.leaf(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), between, key)
		return f.holder(key, leaf, between.cert)
	}},
	{name: "RSA-1024", reason: cert.WeakKey, words: "RSA", make: func(f *forger) *cert.Snapshot {
		key := rsaKey(f, 1024)
		return f.holder(key, f.sign(f.leaf(nil), f.root(), key))
	}},
	{
		name: "P-224", reason: cert.NoCertificate, words: "no certificate was shown", // TLS 1.3 has no way to use it
		serverSaid: "peer refused us: handshake failure", serverHeard: "unsupported certificate curve (P-224)",
		make: func(f *forger) *cert.Snapshot {
			key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			if err != nil {
				f.t.Fatal(err)
			}
			return f.holder(key, f.sign(f.leaf(nil), f.root(), key))
		},
	},
	{name: "CA as leaf", reason: cert.CAAsLeaf, words: "authority", make: func(f *forger) *cert.Snapshot {
		return f.holder(f.ca.Key, f.ca.Cert)
	}},
	{name: "self-signed", reason: cert.SelfSigned, words: "bad", make: func(f *forger) *cert.Snapshot {
		key := f.key()
		return f.holder(key, f.sign(f.leaf(nil), signer{}, key))
	}},
}

const revokedSerial = 4711

// good is the side that judges. Its authority has revoked one certificate.
func (f *forger) good() *Transport {
	f.t.Helper()
	revoked := &x509.Certificate{SerialNumber: big.NewInt(revokedSerial), RawIssuer: f.ca.Cert.RawSubject, Issuer: f.ca.Cert.Subject, AuthorityKeyId: f.ca.Cert.SubjectKeyId}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.SerialNumber, RevocationTime: time.Now()}},
	}, f.ca.Cert, f.ca.Key)
	if err != nil {
		f.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(list)
	if err != nil {
		f.t.Fatal(err)
	}
	s := f.snapshot(cert.NodeOptions{Name: "good"})
	if s.Trust, err = cert.NewTrust([]*x509.Certificate{f.ca.Cert}, []*x509.RevocationList{parsed}); err != nil {
		f.t.Fatal(err)
	}
	return &Transport{Credentials: s, Logger: quiet()}
}

// meet lets a dial b in memory, up to the hello of a. accepted is what b's
// Handshake said, dialled what a's dial or hello did.
func meet(t *testing.T, a, b *Transport, w want) (dialled, accepted error) {
	t.Helper()
	_, ca, cb := newWire()
	var wg sync.WaitGroup
	wg.Go(func() {
		var s p2p.Session
		if s, accepted = (&tcpPending{b, b.mustConfig(t), cb}).Handshake(t.Context()); accepted == nil {
			_, accepted = s.Hello(t.Context(), p2p.Hello{}, accept)
			s.Close(nil)
		}
	})
	s, dialled := a.greetTCP(t.Context(), a.mustConfig(t), ca, w)
	if dialled == nil {
		_, dialled = s.Hello(t.Context(), p2p.Hello{}, accept)
		s.Close(nil)
	} else {
		ca.Close()
	}
	wg.Wait()
	return dialled, accepted
}

// Every bad certificate, shown by either side: the one that judges has the
// reason, the other is told, no hello is read and no time passes.
func TestBadCertificates(t *testing.T) {
	for _, row := range badCertificates {
		t.Run(row.name, func(t *testing.T) {
			t.Run("client", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &forger{world: newWorld(t)}
					good, bad := f.good(), &Transport{Credentials: row.make(f), Logger: quiet()}
					start := time.Now()
					heard, said := meet(t, bad, good, want{id: good.ID()})
					t.Logf("said %v; heard %v", said, heard)
					checkSaid(t, said, row.clientSaid, row)
					if row.clientHeard == "" {
						d, ok := errors.AsType[*p2p.DisconnectError](heard)
						if !ok || !d.Remote || d.Reason != p2p.DiscRefused || !strings.Contains(d.Text, row.words) {
							t.Errorf("the client heard %v, want a refusal with %q", heard, row.words)
						}
					} else if !strings.Contains(heard.Error(), row.clientHeard) {
						t.Errorf("the client heard %v, want %q", heard, row.clientHeard)
					}
					if took := time.Since(start); took != 0 {
						t.Errorf("took %v, want no time", took)
					}
				})
			})
			t.Run("server", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &forger{world: newWorld(t)}
					good, bad := f.good(), &Transport{Credentials: row.make(f), Logger: quiet()}
					said, heard := meet(t, good, bad, want{id: bad.ID()})
					t.Logf("said %v; heard %v", said, heard)
					checkSaid(t, said, row.serverSaid, row)
					wantHeard := row.serverHeard
					if wantHeard == "" {
						wantHeard = "peer refused us: bad certificate"
					}
					if heard == nil || !strings.Contains(heard.Error(), wantHeard) {
						t.Errorf("the server heard %v, want %q", heard, wantHeard)
					}
				})
			})
		})
	}
}

// checkSaid checks the error of the side that judges.
func checkSaid(t *testing.T, said error, words string, row badCertificate) {
	t.Helper()
	if words == "" {
		words = row.words
		if got := cert.ReasonOf(said); got != row.reason {
			t.Errorf("the reason is %q, want %q", got, row.reason)
		}
	}
	if said == nil || !strings.Contains(said.Error(), words) {
		t.Errorf("the side that judges said %v, want %q", said, words)
	}
}

// The table would prove nothing if good ones did not pass.
func TestGoodCertificates(t *testing.T) {
	for name, shown := range map[string]func(f *forger) *cert.Snapshot{
		"ed25519": func(f *forger) *cert.Snapshot { return f.spoilt(nil) },
		"P-256": func(f *forger) *cert.Snapshot {
			return f.snapshot(cert.NodeOptions{Name: "n", Kind: cert.P256})
		},
		"P-384": func(f *forger) *cert.Snapshot {
			return f.snapshot(cert.NodeOptions{Name: "n", Kind: cert.P384})
		},
		"intermediate": func(f *forger) *cert.Snapshot {
			between, key := f.between(nil), f.key()
			return f.holder(key, f.sign(f.leaf(nil), between, key), between.cert)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &forger{world: newWorld(t)}
				a, b := f.good(), &Transport{Credentials: shown(f), Logger: quiet()}
				for _, pair := range [][2]*Transport{{a, b}, {b, a}} {
					if dialled, accepted := meet(t, pair[0], pair[1], want{id: pair[1].ID()}); dialled != nil || accepted != nil {
						t.Errorf("dialled %v, accepted %v, want a session", dialled, accepted)
					}
				}
			})
		})
	}
}

// Who was meant is checked by the side that dials, which says who answered.
func TestWhoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.transport("a"), w.transport("b"), w.transport("c")
		dialled, accepted := meet(t, a, b, want{id: c.ID()})
		if !errors.Is(dialled, p2p.DiscUnexpectedIdentity) || !strings.Contains(dialled.Error(), b.ID().Short()+" (b) answered") {
			t.Errorf("dial of c that b answers = %v", dialled)
		}
		if accepted == nil || !strings.Contains(accepted.Error(), "peer refused us: bad certificate") {
			t.Errorf("b's side = %v", accepted)
		}
		if dialled, _ = meet(t, a, b, want{name: "c"}); !errors.Is(dialled, p2p.DiscUnexpectedIdentity) || cert.ReasonOf(dialled) != cert.WrongName || !strings.Contains(dialled.Error(), "wrong seed name") {
			t.Errorf("dial of seed c that b answers = %v", dialled)
		}
		if dialled, accepted = meet(t, a, b, want{name: "b"}); dialled != nil || accepted != nil {
			t.Errorf("dial of seed b = %v, %v", dialled, accepted)
		}
		if dialled, accepted = meet(t, a, b, want{}); dialled != nil || accepted != nil {
			t.Errorf("dial of any seed = %v, %v", dialled, accepted)
		}
		if dialled, _ = meet(t, a, a, want{}); !errors.Is(dialled, p2p.DiscSelf) {
			t.Errorf("dial of ourselves = %v, want %v", dialled, p2p.DiscSelf)
		}
	})
}

// A server that we refuse never sees our certificate, and a client that we
// refuse is not told whom we believe in.
func TestNothingIsShownToStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, other := newWorld(t), newWorld(t)
		stranger, us := other.transport("stranger"), w.transport("us")

		_, ca, cb := newWire()
		var seen []*x509.Certificate
		cfg := serverTLS(stranger.Credentials.Current())
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			seen = state.PeerCertificates
			return nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { tls.Server(cb, cfg).Handshake(); cb.Close() })
		if _, err := us.greetTCP(t.Context(), us.mustConfig(t), ca, want{}); err == nil {
			t.Error("a stranger was believed")
		}
		ca.Close()
		wg.Wait()
		if len(seen) > 0 {
			t.Error("our certificate was shown to a stranger")
		}

		_, ca, cb = newWire()
		clientCfg := clientTLS(stranger.Credentials.Current(), want{})
		clientCfg.VerifyConnection = nil
		var authorities [][]byte
		clientCfg.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			authorities = info.AcceptableCAs
			return &stranger.Credentials.Current().TLS, nil
		}
		wg.Go(func() {
			if _, err := (&tcpPending{us, us.mustConfig(t), cb}).Handshake(context.Background()); err == nil {
				t.Error("a stranger was accepted")
			}
		})
		conn := tls.Client(ca, clientCfg)
		if err := conn.Handshake(); err != nil {
			t.Errorf("Handshake() = %v, want that the words come after it", err)
		}
		in := buffer{buf: make([]byte, headerSize+maxControl)}
		if h, text, err := in.frame(conn); err != nil || h.kind != kindRefused {
			t.Errorf("got frame %v with %q, %v, want a refusal", h, text, err)
		}
		conn.Close()
		wg.Wait()
		if len(authorities) > 0 {
			t.Error("a stranger was told our authorities")
		}
	})
}

// No session is taken up again without its certificates.
func TestNoTicketsNoEarlyData(t *testing.T) {
	w := newWorld(t)
	s := w.snapshot(cert.NodeOptions{Name: "a"})
	for name, c := range map[string]*tls.Config{"server": serverTLS(s), "client": clientTLS(s, want{})} {
		if !c.SessionTicketsDisabled || c.ClientSessionCache != nil || c.MinVersion != tls.VersionTLS13 {
			t.Errorf("%s: tickets %v, cache %v, version %x", name, !c.SessionTicketsDisabled, c.ClientSessionCache, c.MinVersion)
		}
	}
}

func TestDialErrors(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	a, b, stranger := w.transport("a"), w.transport("b"), other.transport("x")
	n, _ := listen(t, b)
	x, _ := listen(t, stranger)
	for _, tt := range []struct {
		name string
		n    *node.Node
		is   error
		text string
	}{
		{"no address", &node.Node{ID: b.ID()}, p2p.ErrNoAddress, "no address known"},
		{"ourselves", &node.Node{ID: a.ID(), Hosts: n.Hosts}, p2p.DiscSelf, "mtls: dial " + n.Hosts[0] + ": connected to ourselves"},
		{"somebody else", &node.Node{ID: stranger.ID(), Hosts: n.Hosts}, p2p.DiscUnexpectedIdentity, "(b) answered"},
		{"a stranger", &node.Node{Hosts: x.Hosts}, nil, "mtls: dial " + x.Hosts[0] + ": cert: certificate of x signed by unknown authority CN=test"},
		{"no such host", &node.Node{Hosts: []string{"kith.invalid:1"}}, nil, "mtls: look up kith.invalid:1: "},
		{"second address is right", &node.Node{ID: b.ID(), Hosts: []string{x.Hosts[0], n.Hosts[0]}}, nil, ""},
	} {
		s, err := a.Dial(t.Context(), tt.n)
		if s != nil {
			s.Close(nil)
		}
		if tt.text == "" {
			if err != nil {
				t.Errorf("%s: Dial() = %v, want a session", tt.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.text) || (tt.is != nil && !errors.Is(err, tt.is)) {
			t.Errorf("%s: Dial() = %v, want %q", tt.name, err, tt.text)
		}
	}
}

// On real sockets a side that closes with unread bytes takes back what it has
// said last. The words must arrive all the same, each time.
func TestWordsAreNotLostOnTCP(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	good, stranger := w.transport("good"), other.transport("stranger")
	ln, err := good.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := stranger.mustConfig(t)
	for i := range 40 {
		said := make(chan error, 1)
		go func() {
			p, err := ln.Accept()
			if err == nil {
				_, err = p.Handshake(context.Background())
			}
			said <- err
		}()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // the server refuses
			trusting := clientTLS(cfg.credentials.Current(), want{})
			trusting.VerifyConnection = nil
			c := newTCPCarrier(conn, true, trusting)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			s, err := stranger.newTCPSession(cfg, c, true)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Hello(t.Context(), p2p.Hello{Name: strings.Repeat("x", 500)}, accept)
			if d, ok := errors.AsType[*p2p.DisconnectError](err); !ok || d.Reason != p2p.DiscRefused || !strings.Contains(d.Text, "unknown authority") {
				t.Fatalf("%d: the client heard %v", i, err)
			}
			<-said
			continue
		}
		if _, err := stranger.greetTCP(t.Context(), cfg, conn, want{}); cert.ReasonOf(err) != cert.UnknownAuthority {
			t.Fatalf("%d: the client said %v", i, err)
		}
		conn.Close()
		if err := <-said; err == nil || !strings.Contains(err.Error(), "peer refused us: bad certificate") {
			t.Fatalf("%d: the server heard %v", i, err)
		}
	}
}
