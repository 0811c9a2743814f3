package kith_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tiers say who may import whom: a package may import those of lower tiers and
// what stands in its own parent's internal, never another of its tier.
var tiers = map[string]int{
	"kith/crypto":          0,
	"kith/rlp":             0,
	"kith/node":            1,
	"kith/cert":            1,
	"kith/rlpx":            2,
	"kith/p2p":             3,
	"kith/p2p/p2ptest":     4,
	"kith/mtls":            4,
	"kith/gossip":          4,
	"kith/port":            4,
	"kith/cluster":         5,
	"kith/cmd/kith":        7,
	"kith/e2e":             9,
	"kith/examples/foobar": 9,
	"kith":                 9, // holds no code
}

// alone are the modules that only one package may import.
var alone = map[string]string{
	"github.com/quic-go/quic-go":   "kith/mtls",
	"github.com/alecthomas/kong":   "kith/cmd/kith",
	"gitlab.com/yawning/secp256k1": "kith/crypto",
	"github.com/golang/snappy":     "kith/rlpx",
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// room is the package whose house an internal package stands in.
func room(path string) string {
	if i := strings.Index(path, "/internal"); i >= 0 {
		return path[:i]
	}
	return path
}

func TestImportTiers(t *testing.T) {
	for _, p := range goList(t, "./...") {
		home := room(p.ImportPath)
		tier, ok := tiers[home]
		if !ok {
			t.Errorf("%s is in no tier: give it one", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			for module, only := range alone {
				if strings.HasPrefix(imp, module) && home != only {
					t.Errorf("%s imports %s: only %s may", p.ImportPath, imp, only)
				}
			}
			other := room(imp)
			if !strings.HasPrefix(imp, "kith/") || other == home {
				continue
			}
			if tiers[other] >= tier {
				t.Errorf("%s (tier %d) imports %s (tier %d)", p.ImportPath, tier, imp, tiers[other])
			}
		}
	}
}

func TestFewDirectModules(t *testing.T) {
	const most = 18
	testsOnly := []string{"github.com/rogpeppe/go-internal", "go.uber.org/goleak", "pgregory.net/rapid"}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not .Indirect}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	direct := slices.DeleteFunc(strings.Fields(string(out)), func(m string) bool {
		return m == "kith" || slices.Contains(testsOnly, m)
	})
	if len(direct) > most {
		t.Errorf("%d direct modules, want at most %d: %v", len(direct), most, direct)
	}
}

// What the program weighs that this house was begun for: few bytes, few packages
// of others, and no QUIC nor command line.
func TestTheSeedsProgramIsLight(t *testing.T) {
	const most, bytes = 10, 5 << 20
	const program = "./testdata/seed"
	var outside []string
	for _, p := range goList(t, "-deps", program) {
		if !p.Standard && !strings.HasPrefix(p.ImportPath, "kith/") {
			outside = append(outside, p.ImportPath)
		}
	}
	if len(outside) > most {
		t.Errorf("%s links %d packages of others, want at most %d: %v", program, len(outside), most, outside)
	}
	bin := filepath.Join(t.TempDir(), "light")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, program).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > bytes {
		t.Errorf("%s has %d bytes, want at most %d", program, info.Size(), bytes)
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const file, function = 400, 60
	fset := token.NewFileSet()
	eachGoFile(t, func(path string) {
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if n := fset.Position(f.End()).Line; n > file {
			t.Errorf("%s has %d lines, want at most %d", path, n, file)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line; n > function {
				t.Errorf("%s: %s has %d lines, want at most %d", path, fn.Name.Name, n, function)
			}
		}
	})
}

// eachGoFile visits the files of this module that are not tests.
func eachGoFile(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return filepath.SkipDir
			}
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
