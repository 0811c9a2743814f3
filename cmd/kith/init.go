package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kith/cert"
	"kith/cluster"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

type initCmd struct {
	Name    string   `help:"What people call the node. As a rule this machine's name." placeholder:"NAME"`
	Dir     string   `default:"pki" help:"Directory of the authority's and the node's files; what is there is used." placeholder:"DIR"`
	Listen  string   `default:"0.0.0.0:38080" help:"Where to listen, on TCP and UDP." placeholder:"ADDRESS"`
	Seed    []string `help:"A member to join by; may be given several times. None for the first node." placeholder:"HOST:PORT"`
	Host    []string `help:"DNS name or address under which the node is reached, for its certificate." placeholder:"HOST"`
	Out     string   `help:"The configuration to write. As a rule NAME.json." placeholder:"FILE"`
	Replace bool     `help:"Write over a configuration that is there. Keys are never written over."`
}

func (initCmd) Help() string {
	return "Writes a configuration and whatever certificates and keys are missing for it: an authority too, if there is none. The nodes of a cluster need certificates of one authority, so on every machine but the first bring ca.pem, NAME.crt and NAME.key along.\n\nExample:\n\n    kith init --name a\n    kith init --name b --seed 10.0.0.1:38080"
}

// made is a file that init has written or found.
type made struct {
	File string `json:"file"`
	What string `json:"what"`
	New  bool   `json:"new"`
}

func (c *initCmd) Run(a *app) error {
	name := cmp.Or(c.Name, machineName())
	out := cmp.Or(c.Out, name+".json")
	if exists(out) && !c.Replace {
		return exit.Errorf(exit.Config, "kith up -c "+out+" runs it; --replace writes over it", "init: write %s: file already exists", out)
	}
	conf, err := c.configuration(name)
	if err != nil {
		return err
	}
	files, err := c.certificates(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, conf, 0o644); err != nil {
		return exit.Errorf(exit.Failed, "", "init: %w", err)
	}
	files = append(files, made{out, "configuration of " + name, true})
	doc := struct {
		Schema int    `json:"schema"`
		Name   string `json:"name"`
		Config string `json:"config"`
		Files  []made `json:"files"`
	}{schema, name, out, files}
	return a.Print(doc, func() *show.Table { return c.table(files, out) })
}

func (c *initCmd) table(files []made, out string) *show.Table {
	t := &show.Table{Columns: show.Narrow("FILE", "WHAT", "STATE")}
	newCA := false
	for _, f := range files {
		state := "found"
		if f.New {
			state = "new"
			newCA = newCA || filepath.Base(f.File) == "ca.key"
		}
		t.Row(f.File, f.What, state)
	}
	if newCA {
		t.Notes = append(t.Notes, fmt.Sprintf("A new authority was made. Other nodes get their certificates from it: kith certs node NAME… --dir %s", c.Dir))
	}
	t.Notes = append(t.Notes, "Next: kith up -c "+out)
	return t
}

// configuration is the text of the file, which has been read and found good.
func (c *initCmd) configuration(name string) ([]byte, error) {
	dir := cert.Dir{Path: c.Dir}
	lines := []string{
		pair("ca_cert_file", dir.CAPath()), pair("cert_file", dir.CertPath(name)), pair("key_file", dir.KeyPath(name)), pair("local_host", c.Listen),
	}
	switch len(c.Seed) {
	case 0:
		lines = append(lines, pair("seed_host", ""))
	case 1:
		lines = append(lines, pair("seed_host", c.Seed[0]))
	default:
		lines = append(lines, pair("seeds", c.Seed))
	}
	text := []byte("{\n" + strings.Join(lines, ",\n") + "\n}\n")
	if _, err := cluster.FromJSON(text); err != nil {
		return nil, exit.With(err, exit.Config, "kith init --help")
	}
	return text, nil
}

func pair(key string, value any) string {
	text, _ := json.Marshal(value) // strings always encode
	return fmt.Sprintf("  %q: %s", key, text)
}

// certificates makes what is missing.
func (c *initCmd) certificates(name string) ([]made, error) {
	dir := cert.Dir{Path: c.Dir}
	haveNode := exists(dir.CertPath(name)) && exists(dir.KeyPath(name))
	haveCA := exists(dir.CAPath())
	files := []made{{dir.CAPath(), "certificate of the authority", !haveCA}}
	if haveNode && !haveCA {
		return nil, exit.Errorf(exit.Config, "copy ca.pem of the authority that has issued it", "init: %s is there, but not %s", dir.CertPath(name), dir.CAPath())
	}
	if !haveCA {
		if _, err := dir.CreateCA(cert.CAOptions{}); err != nil {
			return nil, certError(err, "kith certs ca --dir "+c.Dir)
		}
		files = append(files, made{dir.CAKeyPath(), "key of the authority; keep it from the nodes", true})
	}
	if !haveNode {
		if _, err := dir.Issue(cert.NodeOptions{Name: name, Hosts: c.Host}); err != nil {
			return nil, certError(err, "kith certs node "+name+" --dir "+c.Dir+", where the authority's key is, makes them")
		}
	}
	return append(files, made{dir.CertPath(name), "certificate of " + name, !haveNode}, made{dir.KeyPath(name), "key of " + name, !haveNode}), nil
}

func (c *initCmd) Validate() error {
	if c.Out == "-" {
		return errors.New("--out - : a file is needed")
	}
	return nil
}

// machineName is the first part of the host's name.
func machineName() string {
	host, _ := os.Hostname()
	short, _, _ := strings.Cut(host, ".")
	return cmp.Or(short, "node")
}
