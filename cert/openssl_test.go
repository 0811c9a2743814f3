package cert

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openssl runs the tool in a directory.
type openssl struct {
	t   *testing.T
	dir string
}

func newOpenSSL(t *testing.T) openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP openssl: no tool")
	}
	return openssl{t, t.TempDir()}
}

// try runs a command of words split at spaces.
func (o openssl) try(command string) (string, error) {
	cmd := exec.Command("openssl", strings.Fields(command)...)
	cmd.Dir = o.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o openssl) run(command string) string {
	o.t.Helper()
	out, err := o.try(command)
	if err != nil {
		o.t.Fatalf("openssl %s: %v\n%s", command, err, out)
	}
	return out
}

func (o openssl) path(name string) string { return filepath.Join(o.dir, name) }

func (o openssl) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o openssl) files(name string) *Files {
	return &Files{CA: o.path("ca.pem"), Cert: o.path(name + ".crt"), Key: o.path(name + ".key")}
}

func TestOpenSSLAcceptsOurs(t *testing.T) {
	for _, ca := range []Kind{Ed25519, P256, P384} {
		for _, node := range []Kind{Ed25519, P256, P384} {
			t.Run(ca.String()+" "+node.String(), func(t *testing.T) {
				o := newOpenSSL(t)
				d := Dir{Path: o.dir}
				must[*CA](t)(d.CreateCA(CAOptions{Kind: ca}))
				for _, name := range []string{"a", "b"} {
					must[*Pair](t)(d.Issue(NodeOptions{Name: name, Kind: node, Hosts: []string{"a.example", "10.0.0.7", "2001:db8::7"}}))
				}
				if _, err := d.Renew("a", 0); err != nil {
					t.Fatal(err)
				}
				list, err := d.Revoke("b")
				if err != nil || list.Number.Int64() != 1 {
					t.Fatalf("Revoke = %v, %v", list, err)
				}
				o.run("pkey -in a.key -noout")
				o.run("crl -in ca.crl -CAfile ca.pem -noout")
				for _, purpose := range []string{"sslserver", "sslclient"} {
					o.run("verify -x509_strict -CAfile ca.pem -purpose " + purpose + " -verify_hostname a.example a.crt")
					o.run("verify -x509_strict -CAfile ca.pem -purpose " + purpose + " -verify_ip 2001:db8::7 a.crt")
					o.run("verify -x509_strict -CAfile ca.pem -CRLfile ca.crl -crl_check -purpose " + purpose + " a.crt")
					out, err := o.try("verify -x509_strict -CAfile ca.pem -CRLfile ca.crl -crl_check -purpose " + purpose + " b.crt")
					if err == nil || !strings.Contains(out, "certificate revoked") {
						t.Errorf("openssl verify of a revoked certificate: %v\n%s", err, out)
					}
				}
				if out, err := o.try("verify -CAfile ca.pem -verify_hostname c.example a.crt"); err == nil {
					t.Errorf("openssl verify for another host passed: %s", out)
				}
			})
		}
	}
}

func TestOpenSSLChecksOurSignatures(t *testing.T) {
	for kind, command := range map[Kind]string{
		Ed25519: "pkeyutl -verify -rawin -certin -inkey a.crt -in msg -sigfile sig",
		P256:    "dgst -sha256 -verify a.pub -signature sig msg",
		P384:    "dgst -sha384 -verify a.pub -signature sig msg",
	} {
		o := newOpenSSL(t)
		d := Dir{Path: o.dir}
		must[*CA](t)(d.CreateCA(CAOptions{}))
		p := must[*Pair](t)(d.Issue(NodeOptions{Name: "a", Kind: kind}))
		o.write("msg", "kith test message")
		o.write("sig", string(must[[]byte](t)(Sign(p.Key, []byte("kith test message")))))
		o.write("a.pub", o.run("x509 -in a.crt -pubkey -noout"))
		o.run(command)
		o.write("msg", "kith test massage")
		if out, err := o.try(command); err == nil {
			t.Errorf("openssl verified a %v signature of another message: %s", kind, out)
		}
	}
}

const nodeExtensions = `basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=DNS:localhost,IP:127.0.0.1
`

var newkeys = map[string]string{
	"ed25519":  "-newkey ed25519",
	"P-256":    "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
	"P-384":    "-newkey ec -pkeyopt ec_paramgen_curve:P-384",
	"RSA-2048": "-newkey rsa:2048",
}

func (o openssl) makeCA(newkey string) {
	o.t.Helper()
	o.run("req -x509 " + newkey + " -nodes -keyout ca.key -out ca.pem -subj /CN=ours -days 30")
}

func (o openssl) makeNode(name, newkey, extensions string) {
	o.t.Helper()
	o.write("ext", extensions)
	o.run("req -new " + newkey + " -nodes -keyout " + name + ".key -out " + name + ".csr -subj /CN=" + name)
	o.run("x509 -req -in " + name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 10 -extfile ext -out " + name + ".crt")
}

func TestOursAcceptsOpenSSL(t *testing.T) {
	o := newOpenSSL(t)
	for kind, newkey := range newkeys {
		o.run("req -x509 " + newkey + " -nodes -keyout ca" + kind + ".key -out ca" + kind + ".pem -subj /CN=ours -days 30")
		o.run("req -new " + newkey + " -nodes -keyout " + kind + ".key -out " + kind + ".csr -subj /CN=a")
	}
	o.write("ext", nodeExtensions)
	for ca := range newkeys {
		for node := range newkeys {
			o.run("x509 -req -in " + node + ".csr -CA ca" + ca + ".pem -CAkey ca" + ca + ".key -CAcreateserial -days 10 -extfile ext -out " + node + ".crt")
			f := o.files(node)
			f.CA = o.path("ca" + ca + ".pem")
			s, err := f.Load()
			if node == "RSA-2048" {
				if ReasonOf(err) != WeakKey {
					t.Errorf("Load of %s under %s = %v, want the reason %v", node, ca, err, WeakKey)
				}
				continue
			}
			if err != nil {
				t.Errorf("Load of %s under %s = %v", node, ca, err)
				continue
			}
			if s.Name != "a" || CheckName(s.Leaf, "127.0.0.1") != nil || CheckName(s.Leaf, "localhost") != nil {
				t.Errorf("Load of %s under %s gave %q for %v", node, ca, s.Name, hosts(s.Leaf))
			}
			if err := s.Check(s.chain, Server, time.Now()); err != nil {
				t.Errorf("Check of %s under %s = %v", node, ca, err)
			}
		}
	}
}

func TestOursJudgesOpenSSL(t *testing.T) {
	for _, c := range []struct {
		name, extensions string
		want             Reason
	}{
		{"only the usages", "extendedKeyUsage=serverAuth,clientAuth", ""},
		{"no extendedKeyUsage", "basicConstraints=CA:FALSE", WrongUsage},
		{"version 1", "", WrongUsage},
		{"one usage", "extendedKeyUsage=serverAuth", WrongUsage},
		{"an authority", "basicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth,clientAuth", CAAsLeaf},
		{"wrong key usage", "keyUsage=keyAgreement\nextendedKeyUsage=serverAuth,clientAuth", WrongUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOpenSSL(t)
			o.makeCA(newkeys["P-256"])
			o.makeNode("a", newkeys["ed25519"], c.extensions)
			if _, err := o.files("a").Load(); ReasonOf(err) != c.want || c.want == "" && err != nil {
				t.Errorf("Load = %v, want the reason %q", err, c.want)
			}
		})
	}
}

// The forms of keys and certificates that openssl writes by other commands.
func TestOursReadsOpenSSLForms(t *testing.T) {
	o := newOpenSSL(t)
	o.run("ecparam -name prime256v1 -genkey -out ca.key") // EC PARAMETERS, then EC PRIVATE KEY
	o.run("req -x509 -new -key ca.key -out ca.pem -subj /CN=ours -days 30")
	o.run("ecparam -name secp384r1 -genkey -noout -out a.key")
	o.run("req -new -key a.key -out a.csr -subj /CN=a")
	o.write("ext", nodeExtensions)
	o.run("x509 -req -in a.csr -CA ca.pem -CAkey ca.key -CAcreateserial -text -days 10 -extfile ext -out a.crt") // text before the block
	if _, err := o.files("a").Load(); err != nil {
		t.Errorf("Load = %v", err)
	}
	if _, err := (Dir{Path: o.dir}).CA(); err != nil {
		t.Errorf("CA = %v", err)
	}

	o.run("pkey -in a.key -aes256 -passout pass:secret -out b.key")
	o.run("ec -in a.key -aes256 -passout pass:secret -out c.key")
	o.run("x509 -in a.crt -outform der -out d.crt")
	for _, c := range []struct{ cert, key, want string }{
		{"a.crt", "b.key", "b.key: the key is encrypted"},
		{"a.crt", "c.key", "c.key: the key is encrypted"},
		{"d.crt", "a.key", "d.crt: not PEM; it looks like DER"},
		{"a.key", "a.crt", "a.key: EC PRIVATE KEY instead of CERTIFICATE"},
		{"a.csr", "a.key", "a.csr: CERTIFICATE REQUEST instead of CERTIFICATE"},
		{"a.crt", "a.csr", "a.csr: CERTIFICATE REQUEST instead of PRIVATE KEY"},
	} {
		f := &Files{CA: o.path("ca.pem"), Cert: o.path(c.cert), Key: o.path(c.key)}
		if _, err := f.Load(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Load of %s and %s = %v, want %q", c.cert, c.key, err, c.want)
		}
	}
}

// openssl's own authority, whose lists we read and whose certificates we revoke.
func TestOursReadsOpenSSLLists(t *testing.T) {
	o := newOpenSSL(t)
	o.makeCA(newkeys["RSA-2048"])
	o.write("index.txt", "")
	o.write("crlnumber", "07\n")
	o.write("ca.cnf", "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=crlnumber\ncertificate=ca.pem\nprivate_key=ca.key\ndefault_md=sha256\ndefault_crl_days=30\n")
	for _, name := range []string{"a", "b"} {
		o.makeNode(name, newkeys["ed25519"], nodeExtensions)
	}
	o.run("ca -config ca.cnf -revoke a.crt -crl_reason keyCompromise")
	o.run("ca -config ca.cnf -gencrl -out ca.crl")
	check := func(name string, want Reason) {
		t.Helper()
		f := o.files(name)
		f.CRL = o.path("ca.crl")
		if _, err := f.Load(); ReasonOf(err) != want || want == "" && err != nil {
			t.Errorf("Load of %s = %v, want the reason %q", name, err, want)
		}
	}
	check("a", Revoked)
	check("b", "")

	d := Dir{Path: o.dir}
	list, err := d.Revoke("b")
	if err != nil {
		t.Fatal(err)
	}
	if list.Number.Int64() != 8 {
		t.Errorf("Revoke wrote number %v, want 8", list.Number)
	}
	check("a", Revoked)
	check("b", Revoked)
	if list.RevokedCertificateEntries[0].ReasonCode != 1 {
		t.Errorf("the reason of the first entry is %d, want 1 as openssl wrote", list.RevokedCertificateEntries[0].ReasonCode)
	}
	if _, err := d.Renew("b", 0); ReasonOf(err) != Revoked {
		t.Errorf("Renew of a revoked node = %v, want the reason %v", err, Revoked)
	}
	if _, err := d.Revoke("c"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Revoke of nobody = %v, want %v", err, os.ErrNotExist)
	}
}

func TestOpenSSLIntermediate(t *testing.T) {
	o := newOpenSSL(t)
	o.makeCA(newkeys["P-384"])
	o.makeNode("sub", newkeys["P-256"], "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
	o.write("ext", nodeExtensions)
	o.run("req -new -newkey ed25519 -nodes -keyout a.key -out a.csr -subj /CN=a")
	o.run("x509 -req -in a.csr -CA sub.crt -CAkey sub.key -CAcreateserial -days 10 -extfile ext -out a.crt")
	if _, err := o.files("a").Load(); ReasonOf(err) != UnknownAuthority || !strings.Contains(err.Error(), "CN=sub") {
		t.Errorf("Load without the intermediate = %v, want the reason %v", err, UnknownAuthority)
	}
	leaf, sub := must[[]byte](t)(os.ReadFile(o.path("a.crt"))), must[[]byte](t)(os.ReadFile(o.path("sub.crt")))
	o.write("a.crt", string(leaf)+string(sub))
	if _, err := o.files("a").Load(); err != nil {
		t.Errorf("Load with the intermediate = %v", err)
	}
}
