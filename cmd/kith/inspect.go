package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
	"kith/node"
)

func (d *certificates) add(c *x509.Certificate, file, keyFile string) {
	one := certificate{File: file, KeyFile: keyFile, Info: cert.Inspect(c, time.Now())}
	if one.HasID && !one.Authority {
		id := node.ID(one.Info.ID)
		one.ID = &id
	}
	d.Certificates = append(d.Certificates, one)
}

type inspectCmd struct {
	Files []string `arg:"" name:"file" help:"Certificates as PEM; - is standard input."`
}

func (inspectCmd) Help() string {
	return "Says what is there, and nothing about whether it is any good: that is kith certs verify.\n\nExample:\n\n    kith certs inspect pki/a.crt\n    kith certs inspect -o json pki/*.crt"
}

func (c *inspectCmd) Run(a *app) error {
	doc := newCertificates()
	for _, file := range c.Files {
		data, err := readInput(a, file, maxFile)
		if err != nil {
			return certError(err, "kith certs node NAME --dir DIR makes certificates")
		}
		all, err := cert.DecodeCerts(data)
		if err != nil {
			return certError(fmt.Errorf("%s: %w", file, err), "a certificate in PEM begins with -----BEGIN CERTIFICATE-----")
		}
		for _, one := range all {
			doc.add(one, file, "")
		}
	}
	return a.Print(doc, doc.details)
}

// details shows each certificate as a list of pairs.
func (d *certificates) details() *show.Table {
	t := new(show.Table)
	for i, c := range d.Certificates {
		if i > 0 {
			t.Row("")
		}
		pair := func(name, value string) {
			if value != "" {
				t.Row(name, value)
			}
		}
		pair("file", c.File)
		pair("name", c.Name)
		if c.ID != nil {
			pair("id", c.ID.String())
		}
		pair("key", c.Key)
		pair("valid", fmt.Sprintf("%s to %s (%s)", c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime), daysLeft(c.DaysLeft)))
		pair("hosts", strings.Join(c.Hosts, ", "))
		pair("usages", strings.Join(c.Usages, ", "))
		pair("subject", c.Subject)
		pair("issuer", c.Issuer)
		pair("serial", c.Serial)
		pair("signature", c.Signature)
		pair("fingerprint", c.Fingerprint)
	}
	return t
}

type verifyCmd struct {
	Files []string `arg:"" name:"file" help:"Nodes' certificates. A key beside one (NAME.key for NAME.crt) is checked too."`
	CA    string   `name:"ca" help:"The authority. As a rule ca.pem beside the certificate." placeholder:"FILE"`
	CRL   string   `name:"crl" help:"The revocation list. As a rule ca.crl beside the certificate, if there is one." placeholder:"FILE"`
}

func (verifyCmd) Help() string {
	return "Looks at certificates as peers with the same authority do, on both sides of a session, and lists every problem.\n\nExample:\n\n    kith certs verify pki/a.crt pki/b.crt\n    kith certs verify --ca ca.pem node.crt"
}

type verdict struct {
	File     string   `json:"file"`
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
}

func (c *verifyCmd) Run(a *app) error {
	doc := struct {
		Schema int       `json:"schema"`
		Files  []verdict `json:"files"`
	}{Schema: schema}
	bad := 0
	for _, file := range c.Files {
		v := verdict{File: file, Problems: c.problems(file)}
		if v.OK = len(v.Problems) == 0; !v.OK {
			bad++
		}
		doc.Files = append(doc.Files, v)
	}
	err := a.Print(doc, func() *show.Table {
		t := &show.Table{Columns: show.Narrow("FILE", "VERDICT")}
		for _, v := range doc.Files {
			if v.OK {
				t.Rows = append(t.Rows, []show.Cell{{Text: v.File}, {Text: "ok", Tone: show.Good}})
			}
			for _, p := range v.Problems {
				t.Rows = append(t.Rows, []show.Cell{{Text: v.File}, {Text: p, Tone: show.Bad}})
			}
		}
		return t
	})
	if err == nil && bad > 0 {
		err = exit.Errorf(exit.Config, "kith certs inspect "+c.Files[0], "peers would refuse %d of %s", bad, plural(len(c.Files), "certificate"))
	}
	return err
}

// problems lists all that is wrong with one certificate; it is never nil.
func (c *verifyCmd) problems(file string) []string {
	dir := filepath.Dir(file)
	files := &cert.Files{CA: cmp.Or(c.CA, filepath.Join(dir, "ca.pem")), Cert: file, CRL: c.CRL}
	if beside := filepath.Join(dir, "ca.crl"); files.CRL == "" && exists(beside) {
		files.CRL = beside
	}
	files.Key = strings.TrimSuffix(file, filepath.Ext(file)) + ".key"
	if !exists(files.Key) {
		return problemTexts(verifyAlone(files))
	}
	_, err := files.Load()
	return problemTexts(err)
}

// verifyAlone is for a certificate whose key is elsewhere.
func verifyAlone(files *cert.Files) error {
	authorities, errCA := readPEM(files.CA, cert.DecodeCerts)
	chain, errCert := readPEM(files.Cert, cert.DecodeCerts)
	var lists []*x509.RevocationList
	var errCRL error
	if files.CRL != "" {
		lists, errCRL = readPEM(files.CRL, cert.DecodeCRLs)
	}
	if err := errors.Join(errCA, errCert, errCRL); err != nil {
		return err
	}
	trust, err := cert.NewTrust(authorities, lists)
	if err != nil {
		return err
	}
	return trust.Verify(chain, time.Now())
}

func readPEM[T any](path string, decode func([]byte) ([]T, error)) ([]T, error) {
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	all, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// problemTexts takes apart an error that holds several.
func problemTexts(err error) []string {
	all := []string{}
	if err == nil {
		return all
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			all = append(all, problemTexts(one)...)
		}
		return all
	}
	return append(all, strings.TrimPrefix(err.Error(), "cert: "))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
