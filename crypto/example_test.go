package crypto_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kith/crypto"
)

// A node keeps one key for its life: the first start makes it.
func Example() {
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "node.key")

	key, err := crypto.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = crypto.GenerateKey(); err == nil {
			err = key.Save(path)
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	digest := crypto.Keccak256([]byte("text"))
	signer, err := crypto.Recover(digest, key.Sign(digest))
	fmt.Println(signer.Equal(key.Public()), err)
	// Output: true <nil>
}

// Two nodes that know each other's public keys share a secret.
func ExamplePrivateKey_Agree() {
	ours, _ := crypto.GenerateKey()
	theirs, _ := crypto.GenerateKey()
	fmt.Println(ours.Agree(theirs.Public()) == theirs.Agree(ours.Public()))
	// Output: true
}
