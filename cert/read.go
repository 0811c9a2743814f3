package cert

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// stamps tell whether a file is still the one that was read: CA, Cert, Key and
// CRL. Nil where there is none.
type stamps [4]fs.FileInfo

func stat(f *Files) (s stamps) {
	for i, path := range []string{f.CA, f.Cert, f.Key, f.CRL} {
		if info, err := os.Stat(path); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s stamps) same(other stamps) bool {
	for i, a := range s {
		b := other[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !os.SameFile(a, b) || a.Size() != b.Size() || a.Mode() != b.Mode() || !a.ModTime().Equal(b.ModTime()) {
			return false
		}
	}
	return true
}

// keyIsOpen tells whether the key can be read by others than its owner.
func (s stamps) keyIsOpen() bool {
	return runtime.GOOS != "windows" && s[2] != nil && s[2].Mode().Perm()&0o044 != 0
}

// read takes the stamps before the content, so that a change in between shows
// at the next look.
func (f *Files) read() (stamps, parts) {
	s := stat(f)
	p := parts{ca: readPart("CA", f.CA), cert: readPart("Cert", f.Cert), key: readPart("Key", f.Key)}
	if f.CRL != "" {
		crl := readPart("CRL", f.CRL)
		p.crl = &crl
	}
	return s, p
}

func readPart(field, path string) part {
	if path == "" {
		return part{name: field, err: errors.New("cert: no file is named")}
	}
	data, err := readFile(path)
	return part{name: path, data: data, err: err}
}

// readFile reads a file of at most maxPEM bytes. The error does not repeat the
// path.
func readFile(path string) ([]byte, error) {
	data, err := readRegular(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("cert: cannot be read: %w", pathErr.Err)
	}
	return data, err
}

func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open a pipe might wait for ever
		return nil, errors.New("cert: not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxPEM+1)) // decodeBlocks refuses the one too many
}

// sum tells one content of the files from another.
func (p parts) sum() [sha256.Size]byte {
	all := []part{p.ca, p.cert, p.key}
	if p.crl != nil {
		all = append(all, *p.crl)
	}
	h := sha256.New()
	for _, one := range all {
		inner := sha256.Sum256(one.data)
		h.Write(inner[:])
		fmt.Fprintf(h, "%v\n", one.err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
