package weight

import "testing"

func TestCount(t *testing.T) {
	const list = `{"ImportPath": "io", "Standard": true}
{"ImportPath": "x.org/a", "Module": {"Path": "x.org"}}
{"ImportPath": "x.org/b", "Module": {"Path": "x.org"}}
{"ImportPath": "y.org/c", "Module": {"Path": "y.org", "Indirect": true}}
{"ImportPath": "kith/p2p", "Module": {"Path": "kith", "Main": true}}
{"ImportPath": "kith/cmd/kith", "Module": {"Path": "kith", "Main": true}}`
	for library, want := range map[string]counts{"": {4, 3, 2}, "kith": {4, 3, 2}, "x.org": {4, 1, 2}} {
		if got, err := count(list, library); got != want || err != nil {
			t.Errorf("count on %q = %+v, %v, want %+v", library, got, err, want)
		}
	}
	if _, err := count("{", ""); err == nil {
		t.Error("count of half an object succeeded")
	}
}
