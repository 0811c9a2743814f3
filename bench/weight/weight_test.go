package weight

import "testing"

func TestCount(t *testing.T) {
	const list = `{"ImportPath": "io", "Standard": true}
{"ImportPath": "x.org/a", "Module": {"Path": "x.org"}}
{"ImportPath": "x.org/b", "Module": {"Path": "x.org"}}
{"ImportPath": "y.org/c", "Module": {"Path": "y.org", "Indirect": true}}
{"ImportPath": "kith/p2p", "Module": {"Path": "kith", "Main": true}}
{"ImportPath": "kith/cmd/kith", "Module": {"Path": "kith", "Main": true}}`
	packages, modules, err := count(list)
	if packages != 4 || modules != 2 || err != nil {
		t.Errorf("count = %d packages, %d modules, %v, want 4 and 2", packages, modules, err)
	}
	if _, _, err := count("{"); err == nil {
		t.Error("count of half an object succeeded")
	}
}
