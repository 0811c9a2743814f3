package admin

import (
	"os"
	"path/filepath"
	"testing"
)

// A newer run may take the name after the older has looked whose it is, and
// before it removes it.
func TestANewerRunKeepsItsName(t *testing.T) {
	dir, err := os.MkdirTemp("", "k") // a short name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.sock")
	older, err := Listen(path, "id-of-a", "a")
	if err != nil {
		t.Fatal(err)
	}
	newer, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	older.(*listener).unlink()
	if !newer.(*listener).owns(path) {
		t.Error("the older run has taken the newer one's name with it")
	}
	older.Close()
	newer.Close()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v are left, %v", entries, err)
	}
}
