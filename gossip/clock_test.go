package gossip_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// M9: setting the clock changes no status. The machine is told the time; what
// tells it counts from one moment, monotonic. So nobody else looks at a clock.
func TestM9NobodyReadsTheClock(t *testing.T) {
	allowed := map[string][]string{
		"gossip.go":  {"Now"},               // when all began
		"engine.go":  {"Since", "NewTimer"}, // e.now, and a timer that wakes
		"connect.go": {"After"},             // between two dials
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"machine", "phi", "wire"} {
		more, err := filepath.Glob(filepath.Join("internal", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := call.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, call.Sel.Name) && !slices.Contains(allowed[file], call.Sel.Name) {
				t.Errorf("%s reads the clock: time.%s", file, call.Sel.Name)
			}
			return true
		})
	}
}
