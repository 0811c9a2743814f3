package main

import (
	"errors"
	"io/fs"

	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
	"kith/crypto"
	"kith/node"
)

type devp2pCmd struct {
	Key    devp2pKeyCmd    `cmd:"" help:"Make a node's key, or say whose a key is."`
	Listen devp2pListenCmd `cmd:"" help:"Run a node that takes peers, to try things out."`
	Ping   devp2pPingCmd   `cmd:"" help:"Ask a node who it is, and how far away."`
}

type devp2pKeyCmd struct {
	File string `arg:"" optional:"" help:"The key to inspect: a file with 64 hexadecimal digits, as geth has them too."`
	Out  string `help:"Make a new key and write it here; a file that is there stays as it is." placeholder:"FILE"`
	At   string `help:"Put this address into the enode." placeholder:"HOST:PORT"`
}

func (devp2pKeyCmd) Help() string {
	return "A node of an open network is its key: whoever has the file can be that node. The private key is never printed.\n\nExample:\n\n    kith devp2p key --out node.key\n    kith devp2p key node.key --at 203.0.113.7:30303\n    kith devp2p key node.key -o json"
}

func (c *devp2pKeyCmd) Validate() error {
	switch {
	case c.File == "" && c.Out == "":
		return errors.New("a FILE to inspect, or --out FILE to make one")
	case c.File != "" && c.Out != "":
		return errors.New("either a FILE to inspect, or --out FILE to make one")
	case c.At != "":
		return node.CheckHost(c.At)
	}
	return nil
}

// keyDoc is what a key file says to everybody.
type keyDoc struct {
	Schema     int    `json:"schema"`
	File       string `json:"file"`
	New        bool   `json:"new"`
	Enode      string `json:"enode"`
	ID         string `json:"id"`
	PublicKey  string `json:"public_key"`
	Compressed string `json:"public_key_compressed"`
}

func (c *devp2pKeyCmd) Run(a *app) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	n := node.NewV4(key.Public())
	if c.At != "" {
		n.Hosts = []string{c.At}
	}
	public, compressed := key.Public().Bytes(), key.Public().Compressed()
	doc := keyDoc{schema, c.File + c.Out, c.Out != "", n.String(), n.IDText(), hexText(public[:]), hexText(compressed[:])}
	return a.Print(doc, func() *show.Table {
		t := new(show.Table)
		t.Row("file", doc.File)
		t.Row("enode", doc.Enode)
		t.Row("id", doc.ID)
		t.Row("public key", doc.PublicKey)
		t.Row("compressed", doc.Compressed)
		if doc.New {
			t.Notes = []string{"Keep the file: it is who the node is. Next: kith devp2p listen --key " + doc.File}
		}
		return t
	})
}

// key reads the file, or makes it.
func (c *devp2pKeyCmd) key() (*crypto.PrivateKey, error) {
	if c.Out == "" {
		key, err := crypto.LoadKey(c.File)
		return key, exit.With(err, exit.Config, "kith devp2p key --out FILE makes one")
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	err = key.Save(c.Out)
	if errors.Is(err, fs.ErrExist) {
		return nil, exit.With(err, exit.Config, "kith devp2p key "+c.Out+" inspects it; a key is never written over")
	}
	return key, exit.With(err, exit.Failed, "")
}
