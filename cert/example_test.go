package cert_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"kith/cert"
)

// An authority and a node as files, and the node's side of them.
func Example() {
	path, err := os.MkdirTemp("", "pki")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	dir := cert.Dir{Path: path}
	if _, err := dir.CreateCA(cert.CAOptions{Name: "example"}); err != nil {
		log.Fatal(err)
	}
	if _, err := dir.Issue(cert.NodeOptions{Name: "a", Hosts: []string{"10.0.0.1"}}); err != nil {
		log.Fatal(err)
	}

	files := &cert.Files{CA: dir.CAPath(), Cert: dir.CertPath("a"), Key: dir.KeyPath("a")}
	if err := files.Start(); err != nil {
		log.Fatal(err) // every problem of every file
	}
	defer files.Close()
	own := files.Current()
	info := cert.Inspect(own.Leaf, time.Now())
	fmt.Println(info.Name, info.Key, info.Hosts, info.DaysLeft, info.Issuer)
	// Output: a ed25519 [a 10.0.0.1] 89 CN=example
}

// The verdict on what a peer shows.
func ExampleTrust_Check() {
	ours, err := cert.CreateCA(cert.CAOptions{Name: "ours"})
	if err != nil {
		log.Fatal(err)
	}
	other, err := cert.CreateCA(cert.CAOptions{Name: "other"})
	if err != nil {
		log.Fatal(err)
	}
	b, err := other.Issue(cert.NodeOptions{Name: "b"})
	if err != nil {
		log.Fatal(err)
	}
	trust, err := cert.NewTrust([]*x509.Certificate{ours.Cert}, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = trust.Check([]*x509.Certificate{b.Cert}, cert.Client, time.Now())
	if refusal, ok := errors.AsType[*cert.CheckError](err); ok {
		fmt.Println(refusal.Reason)
		fmt.Println(refusal.Text)
	}
	// Output:
	// unknown_authority
	// certificate of b signed by unknown authority CN=other
}
