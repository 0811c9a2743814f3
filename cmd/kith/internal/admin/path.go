package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// The ending of the path says what is there: a Unix socket, or a file that names
// a loopback port and holds a token.
const (
	socketExt = ".sock"
	tokenExt  = ".token"
)

// PathIn is a path for a node of this name in a directory: a socket, unless the
// system has none or the path would be too long for one.
func PathIn(dir, name string) string {
	path := filepath.Join(dir, name+socketExt)
	hidden := filepath.Join(dir, ".0123456789", "s") // see listenUnix
	if runtime.GOOS == "windows" || max(len(path), len(hidden)) > maxSocketPath {
		return filepath.Join(dir, name+tokenExt)
	}
	return path
}

// Dir is where nodes of this user put their sockets.
func Dir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "kith")
	}
	if dir, err := os.UserCacheDir(); err == nil && runtime.GOOS == "windows" {
		return filepath.Join(dir, "kith")
	}
	return filepath.Join(os.TempDir(), "kith-"+strconv.Itoa(os.Getuid()))
}

// DefaultPath is where the node with this short id is reached.
func DefaultPath(short string) string { return PathIn(Dir(), short) }

// makeDir makes the directory of a path. The directory of everybody's sockets is
// ours alone or not used at all: whoever could write there could pose as a node.
func makeDir(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if dir != Dir() {
		return nil
	}
	return private(dir)
}

// private sees that a directory is ours and closed to others.
func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case runtime.GOOS == "windows":
		return nil // the cache of a user is closed to others
	case !ours(info):
		return fmt.Errorf("%s belongs to somebody else", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others (mode %v); chmod 700 closes it", dir, info.Mode().Perm())
	}
	return nil
}

// paths are all sockets in Dir, whether somebody listens or not.
func paths() ([]string, error) {
	if err := private(Dir()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(Dir())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{socketExt, tokenExt}, filepath.Ext(e.Name())) {
			continue
		}
		all = append(all, filepath.Join(Dir(), e.Name()))
	}
	return all, nil
}
