package kith_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/api.txt anew")

// The public face of every package is kept in testdata/api.txt, so that a
// change of it shows in the diff. go test . -run PublicFace -update writes it.
func TestPublicFace(t *testing.T) {
	const golden = "testdata/api.txt"
	packages := make(map[string][]string)
	eachGoFile(t, func(path string) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if strings.Contains(dir, "internal") || strings.HasPrefix(dir, "cmd") || strings.HasPrefix(dir, "examples") {
			return
		}
		packages[dir] = append(packages[dir], declarations(t, path)...)
	})
	var got bytes.Buffer
	for _, dir := range slices.Sorted(func(yield func(string) bool) {
		for dir := range packages {
			if !yield(dir) {
				return
			}
		}
	}) {
		slices.Sort(packages[dir])
		for _, d := range packages[dir] {
			got.WriteString("kith/" + dir + ": " + d + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the public face has changed:\n%s\nif that is meant: go test . -run PublicFace -update", lineDiff(string(want), got.String()))
	}
}

// declarations are the exported declarations of a file, a line each.
func declarations(t *testing.T, path string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.FileExports(f)
	var out []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil && !ast.IsExported(receiver(d.Recv.List[0].Type)) {
				continue
			}
			d.Body = nil
			out = append(out, oneLine(t, fset, d))
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, s := range d.Specs {
				out = append(out, d.Tok.String()+" "+oneLine(t, fset, s))
			}
		}
	}
	return out
}

// receiver is the name of a method's type.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

func oneLine(t *testing.T, fset *token.FileSet, n ast.Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, n); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func lineDiff(old, now string) string {
	a, b := strings.Split(old, "\n"), strings.Split(now, "\n")
	var out strings.Builder
	for _, l := range a {
		if !slices.Contains(b, l) {
			out.WriteString("- " + l + "\n")
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out.WriteString("+ " + l + "\n")
		}
	}
	return out.String()
}
