package crypto

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadKey reads the file that Save writes: 64 hexadecimal digits, and a newline
// or none. Its errors say what is wrong with the file, never what is in it.
func LoadKey(path string) (*PrivateKey, error) {
	text, err := readText(path)
	if err != nil {
		return nil, fmt.Errorf("crypto: load key from %s: %w", path, withoutPath(err))
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	k, err := parseKeyHex(text)
	if err != nil {
		return nil, fmt.Errorf("crypto: load key from %s: %w", path, err)
	}
	return k, nil
}

// readText reads no more of a file than a key can be long, by far.
func readText(path string) (string, error) {
	const most = 4096
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if len(text) > most {
		return "", fmt.Errorf("longer than %d bytes, want 64 hexadecimal digits: %w", most, ErrBadKey)
	}
	return string(text), err
}

// Save writes the key to a new file that only its owner may read (mode 0600).
// The file appears whole or not at all. Where there is one already it stays as
// it is, and the error wraps fs.ErrExist.
func (k *PrivateKey) Save(path string) error {
	if err := writeNew(path, k.Hex()+"\n"); err != nil {
		return fmt.Errorf("crypto: save key to %s: %w", path, withoutPath(err))
	}
	return nil
}

func writeNew(path, text string) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already if it was renamed
	_, err = temp.WriteString(text)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	// A link does in one step what is wanted: the whole file, if there is none.
	if err = os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		err = claim(temp.Name(), path)
	}
	if d, dirErr := os.Open(dir); dirErr == nil {
		_ = d.Sync() // so that the name lasts through a power cut, where that can be asked
		_ = d.Close()
	}
	return err
}

// claim renames where the file system has no links: onto an empty file that
// nobody else can have made.
func claim(temp, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Close(), os.Rename(temp, path))
	if err != nil {
		_ = os.Remove(path) // ours, and empty
	}
	return err
}

// withoutPath leaves of a file's error what the caller cannot say itself.
func withoutPath(err error) error {
	var link *os.LinkError
	var path *fs.PathError
	switch {
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &path):
		return path.Err
	}
	return err
}
