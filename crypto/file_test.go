package crypto

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSaveAndLoad(t *testing.T) {
	k, path := testKey(t, 1), filepath.Join(t.TempDir(), "node.key")
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil {
		t.Error(err)
	} else if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	got, err := LoadKey(path)
	if err != nil || got.Hex() != k.Hex() {
		t.Errorf("LoadKey = %v, %v, want %v", got, err, k)
	}
	if err := testKey(t, 2).Save(path); !errors.Is(err, fs.ErrExist) || strings.Count(err.Error(), path) != 1 {
		t.Errorf("Save over a file = %v, want that it exists, and the path once", err)
	}
	if got, err := LoadKey(path); err != nil || got.Hex() != k.Hex() {
		t.Errorf("after a second Save LoadKey = %v, %v, want %v", got, err, k)
	}
	onlyFile(t, path)
}

// onlyFile wants that nothing else was left in its folder.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != 1 || all[0].Name() != filepath.Base(path) {
		t.Errorf("the folder holds %v, %v, want only %s", all, err, path)
	}
}

func TestOneOfManySavesWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.key")
	var won atomic.Int32
	var savers sync.WaitGroup
	for i := range byte(8) {
		k := testKey(t, i)
		savers.Go(func() {
			switch err := k.Save(path); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("Save = %v, want that the file exists", err)
			}
		})
	}
	savers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 saved, want 1", won.Load())
	}
	if _, err := LoadKey(path); err != nil {
		t.Error(err)
	}
	onlyFile(t, path)
}

func TestClaimWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "node.key")
	if err := claim(temp, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("claim without a temp file = %v, want that there is none", err)
	}
	if err := os.WriteFile(temp, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := claim(temp, path); err != nil {
		t.Errorf("claim = %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "text" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if err := claim(temp, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("claim over a file = %v, want that it exists", err)
	}
	onlyFile(t, path)
}

func TestSaveWithoutFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "node.key")
	if err := testKey(t, 1).Save(path); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "none") != 1 {
		t.Errorf("Save without a folder = %v", err)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	digits := testKey(t, 1).Hex()
	for _, c := range []struct{ name, text, want string }{
		{"good", digits, ""},
		{"good with newline", digits + "\n", ""},
		{"good from Windows", strings.ToUpper(digits) + "\r\n", ""},
		{"empty", "", "empty, want 64 hexadecimal digits"},
		{"newline", "\n", "empty, want 64 hexadecimal digits"},
		{"two newlines", digits + "\n\n", "65 characters"},
		{"short", digits[1:] + "\n", "63 characters, want 64"},
		{"prefix", "0x" + digits, "begins with 0x"},
		{"pem", "-----BEGIN EC PRIVATE KEY-----\n", "PEM"},
		{"letter", digits[:9] + "o" + digits[10:], "character 9 or 10 is no hexadecimal digit"},
		{"space", " " + digits[1:], "character 1 or 2 is no hexadecimal digit"},
		{"zero", strings.Repeat("0", 64), "zero, or not below the order"},
		{"raw", string(testKey(t, 1).Bytes()), "32 characters"},
		{"endless", strings.Repeat(digits, 100), "longer than 4096 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "node.key")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(path)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: LoadKey = %v", c.name, err)
			}
			continue
		}
		if !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: LoadKey = %v, want %q of %s", c.name, err, c.want, path)
		}
		if err != nil && strings.Contains(err.Error(), digits[20:40]) {
			t.Errorf("%s: the error shows the key: %v", c.name, err)
		}
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "none") != 1 {
		t.Errorf("LoadKey of no file = %v", err)
	}
	if _, err := LoadKey(t.TempDir()); err == nil {
		t.Error("LoadKey of a folder = nil")
	}
}
