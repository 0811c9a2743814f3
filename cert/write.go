package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	keyMode  fs.FileMode = 0o600
	openMode fs.FileMode = 0o644
)

// writeFile makes a file appear whole or not at all. Without replace it fails
// with fs.ErrExist where there is one, even if it came a moment ago.
func writeFile(path string, data []byte, mode fs.FileMode, replace bool) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return writeError(path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already if it was renamed
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err != nil {
		return writeError(path, err)
	}
	if replace {
		err = os.Rename(temp.Name(), path)
	} else {
		err = moveNew(temp.Name(), path)
	}
	if err != nil {
		return writeError(path, err)
	}
	syncDir(filepath.Dir(path))
	return nil
}

// moveNew renames only if nothing is at path: a link says so in one step, where
// the file system has links.
func moveNew(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(temp, path)
}

// syncDir makes the new name last through a power cut, where that can be asked.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}

// writeError says the path once.
func writeError(path string, err error) error {
	var link *os.LinkError
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrExist):
		err = fs.ErrExist
	case errors.As(err, &link):
		err = link.Err
	case errors.As(err, &pathErr):
		err = pathErr.Err
	}
	return fmt.Errorf("cert: write %s: %w", path, err)
}
