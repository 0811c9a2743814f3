package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// maxSocketPath is the shortest limit that any system has (macOS), with room for
// the zero at the end.
const maxSocketPath = 103

// A listener is a net.Listener with a name in the file system.
type listener struct {
	net.Listener
	path  string
	token string      // callers must know it; empty on a Unix socket
	file  os.FileInfo // what we put at path
}

// credentials is what a token file holds.
type credentials struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// Listen opens the admin socket of the node with this id. Empty path means
// DefaultPath of the short id. A socket that nobody listens at is replaced, and
// so is one of an earlier run of the same node; one of another node is not.
func Listen(path, id, short string) (net.Listener, error) {
	if path == "" {
		path = DefaultPath(short)
		sweep()
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("admin: listen at %s: %w", path, err)
	}
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("admin: listen at %s: %w", path, err)
	}
	if err := replaceable(path, id); err != nil {
		return nil, fmt.Errorf("admin: listen at %s: %w", path, err)
	}
	open := listenUnix
	if filepath.Ext(path) == tokenExt {
		open = listenLoopback
	}
	l, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("admin: listen at %s: %w", path, err)
	}
	return l, nil
}

// listenUnix makes the socket in a directory that is closed to others and then
// moves it, so that nobody can connect before its mode is right.
func listenUnix(path string) (net.Listener, error) {
	temp, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	hidden := filepath.Join(temp, "s")
	if n := max(len(hidden), len(path)); n > maxSocketPath {
		return nil, fmt.Errorf("the path of a socket may have %d bytes, this has %d; --admin PATH sets a shorter one", maxSocketPath, n)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(hidden, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return place(l, hidden, path, "")
}

// listenLoopback listens on loopback; whoever can read the file may call.
func listenLoopback(path string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	data, err := json.Marshal(credentials{Address: l.Addr().String(), Token: token})
	if err != nil {
		l.Close()
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".") // with mode 0600
	if err != nil {
		l.Close()
		return nil, err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return place(l, temp.Name(), path, token)
}

// place moves what stands at hidden to path.
func place(l net.Listener, hidden, path, token string) (net.Listener, error) {
	file, err := os.Lstat(hidden)
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return &listener{Listener: l, path: path, token: token, file: file}, nil
}

// Close also removes the name, unless a newer run has taken it.
func (l *listener) Close() error {
	if l.owns(l.path) {
		l.unlink()
	}
	return l.Listener.Close()
}

func (l *listener) owns(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && os.SameFile(info, l.file)
}

// unlink takes the name away before it looks whose it is: a newer run may take
// it at any moment, and then gets it back.
func (l *listener) unlink() {
	aside := filepath.Join(filepath.Dir(l.path), "."+rand.Text())
	if os.Rename(l.path, aside) != nil {
		return
	}
	if !l.owns(aside) && os.Rename(aside, l.path) == nil {
		return
	}
	os.Remove(aside)
}

// Addr is the path.
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// replaceable refuses a path at which another node listens, and one that is no
// socket of ours at all.
func replaceable(path, id string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // nothing is there
	}
	if info.Mode().IsRegular() != (filepath.Ext(path) == tokenExt) || info.IsDir() {
		return fmt.Errorf("something else is there; remove it, or choose another path")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c := Open(path)
	defer c.Close()
	other, err := c.Status(ctx)
	if err == nil && other.ID != id {
		return fmt.Errorf("node %s (%s) listens there; choose another path", other.Name, other.ID)
	}
	return nil
}

// sweep removes sockets whose node is gone.
func sweep() {
	all, err := paths()
	if err != nil {
		return
	}
	for _, path := range all {
		if gone(path) {
			os.Remove(path)
		}
	}
}

// gone tells that nobody listens any more, which is sure only if the connection
// is refused.
func gone(path string) bool {
	conn, err := dial(context.Background(), path)
	if err == nil {
		conn.Close()
		return false
	}
	return refused(err)
}
