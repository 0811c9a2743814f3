package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
	"kith/node"
)

const schema = 1 // of the documents that the command writes

type certsCmd struct {
	CA      caCmd      `cmd:"" name:"ca" help:"Make an authority: ca.pem and ca.key."`
	Node    nodeCmd    `cmd:"" help:"Issue certificates for nodes: NAME.crt and NAME.key."`
	Renew   renewCmd   `cmd:"" help:"Issue fresh certificates for the same keys; running nodes notice."`
	Revoke  revokeCmd  `cmd:"" help:"Put nodes on the revocation list, ca.crl."`
	Inspect inspectCmd `cmd:"" help:"Say what is in certificates."`
	Verify  verifyCmd  `cmd:"" help:"Say whether peers would accept certificates, and if not, why."`
}

// pki is where an authority keeps its files.
type pki struct {
	Dir string `default:"." help:"Directory of the authority's files." placeholder:"DIR"`
}

// lifetime is how long a certificate lasts.
type lifetime struct {
	Days int `help:"How many days it lasts; as a rule 3650 for an authority, 90 for a node." placeholder:"N"`
}

func (l lifetime) validity() time.Duration { return time.Duration(l.Days) * 24 * time.Hour }

func (l lifetime) Validate() error {
	if l.Days < 0 || l.Days > 36500 {
		return errors.New("--days must be 1 to 36500")
	}
	return nil
}

type keyKind struct {
	Kind string `enum:"ed25519,p256,p384" default:"ed25519" help:"Kind of key: ed25519, p256 or p384." placeholder:"KIND"`
}

func (k keyKind) kind() cert.Kind {
	kind, _ := cert.ParseKind(k.Kind) // kong has checked it
	return kind
}

type caCmd struct {
	pki
	lifetime
	keyKind
	Name    string `help:"Its common name." placeholder:"NAME"`
	Replace bool   `help:"Write over an authority that is there. Its nodes are then nobody's."`
}

func (caCmd) Help() string {
	return "Only ca.pem goes to the nodes. Whoever has ca.key can add members.\n\nExample:\n\n    kith certs ca --dir pki"
}

func (c *caCmd) Run(a *app) error {
	dir := cert.Dir{Path: c.Dir, Replace: c.Replace}
	ca, err := dir.CreateCA(cert.CAOptions{Name: c.Name, Kind: c.kind(), Validity: c.validity()})
	if err != nil {
		return certError(err, "kith certs ca --dir "+c.Dir+" --replace writes over it, and its nodes are then nobody's")
	}
	doc := newCertificates()
	doc.add(ca.Cert, dir.CAPath(), dir.CAKeyPath())
	if err := a.Print(doc, doc.table); err != nil {
		return err
	}
	if a.ForPeople() {
		a.Note("Next: kith certs node NAME… --dir %s", c.Dir)
	}
	return nil
}

type nodeCmd struct {
	Names []string `arg:"" name:"name" help:"What people call the node."`
	pki
	lifetime
	keyKind
	Host    []string `help:"DNS name or address under which the node is reached; may be given several times." placeholder:"HOST"`
	Replace bool     `help:"Write over certificates that are there. A new key is a new node id."`
}

func (nodeCmd) Help() string {
	return "A certificate is good for both sides of a session. NAME.crt, NAME.key and ca.pem go to the node.\n\nExample:\n\n    kith certs node a b c --dir pki\n    kith certs node d --dir pki --host d.example.com --host 10.0.0.4"
}

func (c *nodeCmd) Run(a *app) error {
	dir := cert.Dir{Path: c.Dir, Replace: c.Replace}
	doc := newCertificates()
	for _, name := range c.Names {
		pair, err := dir.Issue(cert.NodeOptions{Name: name, Hosts: c.Host, Kind: c.kind(), Validity: c.validity()})
		if err != nil {
			return partly(a, doc, c.certError(name, err))
		}
		doc.add(pair.Cert, dir.CertPath(name), dir.KeyPath(name))
	}
	if err := a.Print(doc, doc.table); err != nil {
		return err
	}
	if a.ForPeople() {
		a.Note("Next: kith init --dir %s --name %s, or write a configuration and kith up -c FILE", c.Dir, c.Names[0])
	}
	return nil
}

func (c *nodeCmd) certError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return certError(err, "kith certs ca --dir "+c.Dir+" makes an authority")
	}
	return certError(err, "kith certs renew "+name+" --dir "+c.Dir+" keeps the key; --replace makes a new one, which is a new node id")
}

type renewCmd struct {
	Names []string `arg:"" name:"name" help:"Nodes of this directory."`
	pki
	lifetime
}

func (renewCmd) Help() string {
	return "The key, the subject and the hosts stay as they are, so the node keeps its id. A running node reads its files again by itself.\n\nExample:\n\n    kith certs renew a b c --dir pki"
}

func (c *renewCmd) Run(a *app) error {
	dir := cert.Dir{Path: c.Dir}
	doc := newCertificates()
	for _, name := range c.Names {
		fresh, err := dir.Renew(name, c.validity())
		if err != nil {
			return partly(a, doc, certError(err, "kith certs node "+name+" --dir "+c.Dir+" --replace makes a new key and certificate, a new node id"))
		}
		doc.add(fresh, dir.CertPath(name), dir.KeyPath(name))
	}
	return a.Print(doc, doc.table)
}

type revokeCmd struct {
	Names []string `arg:"" name:"name" help:"Nodes of this directory."`
	pki
}

func (revokeCmd) Help() string {
	return "All or nothing: every certificate that these nodes ever got is put on the list. Nodes whose configuration names the file (crl_file) read it again by themselves.\n\nExample:\n\n    kith certs revoke c --dir pki"
}

func (c *revokeCmd) Run(a *app) error {
	dir := cert.Dir{Path: c.Dir}
	list, err := dir.Revoke(c.Names...)
	if err != nil {
		return certError(err, "kith certs inspect "+filepath.Join(c.Dir, "*.crt")+" shows which nodes there are")
	}
	doc := struct {
		Schema  int       `json:"schema"`
		File    string    `json:"file"`
		Number  string    `json:"number"`
		Revoked int       `json:"revoked"`
		Updated time.Time `json:"updated"`
	}{schema, dir.CRLPath(), list.Number.String(), len(list.RevokedCertificateEntries), list.ThisUpdate.UTC()}
	return a.Print(doc, func() *show.Table {
		t := &show.Table{Columns: show.Narrow("FILE", "NUMBER", "REVOKED")}
		t.Row(doc.File, doc.Number, plural(doc.Revoked, "certificate"))
		t.Notes = []string{"Next: copy " + doc.File + " to every node, and name it as crl_file in the configuration"}
		return t
	})
}

// A certificates document lists what was made or found.
type certificates struct {
	Schema       int           `json:"schema"`
	Certificates []certificate `json:"certificates"`
}

type certificate struct {
	File    string   `json:"file"`
	KeyFile string   `json:"key_file,omitempty"`
	ID      *node.ID `json:"id"` // null for an authority
	cert.Info
}

func newCertificates() *certificates {
	return &certificates{Schema: schema, Certificates: []certificate{}}
}

func (d *certificates) table() *show.Table {
	t := &show.Table{Columns: []show.Column{{Name: "NAME"}, {Name: "ID"}, {Name: "KEY"}, {Name: "EXPIRES"}, {Name: "FILE"}, {Name: "KEYFILE"}}}
	for _, c := range d.Certificates {
		id := ""
		if c.ID != nil {
			id = c.ID.String()
		}
		t.Row(c.Name, id, c.Key, c.NotAfter.Format(time.DateOnly), c.File, c.KeyFile)
	}
	return t
}

// partly shows what was made before err; if that is anything, the code says so.
func partly(a *app, doc *certificates, err error) error {
	if len(doc.Certificates) == 0 {
		return err
	}
	if perr := a.Print(doc, doc.table); perr != nil {
		return perr
	}
	var known *exit.Error
	if errors.As(err, &known) {
		return exit.Errorf(exit.Partly, known.Hint, "only %s made: %w", plural(len(doc.Certificates), "certificate"), known.Err)
	}
	return err
}

// certError gives an error of the package cert its code.
func certError(err error, hint string) error { return exit.With(err, exit.Config, hint) }

// isCertError tells whether a node did not start because of its certificates.
func isCertError(err error) bool {
	var load *cert.LoadError
	return errors.As(err, &load) || cert.ReasonOf(err) != ""
}
