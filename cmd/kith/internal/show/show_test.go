package show_test

import (
	"encoding/json"
	"strings"
	"testing"

	"kith/cmd/kith/internal/show"
)

func printed(t *testing.T, p show.Printer, doc any, table func() *show.Table) string {
	t.Helper()
	var b strings.Builder
	p.Out, p.Notes = &b, &b
	if err := p.Print(doc, table); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestYAMLKeepsOrderAndMeaning(t *testing.T) {
	doc := json.RawMessage(`{"schema":1,"z":"plain","a":"no","empty":"","list":[],"map":{},"members":[{"id":"x: y","phi":null,"deep":[[1,2],[]]},{"ok":true,"n":1701161221917}],"s":"<é>\n","word":"a/b-c.d"}`)
	want := `schema: 1
z: plain
a: "no"
empty: ""
list: []
map: {}
members:
  - id: "x: y"
    phi: null
    deep:
      - - 1
        - 2
      - []
  - ok: true
    "n": 1701161221917
s: "<é>\n"
word: a/b-c.d
`
	if got := printed(t, show.Printer{Format: show.YAML}, doc, nil); got != want {
		t.Errorf("YAML:\n%s\nwant:\n%s", got, want)
	}
}

func TestStreamsOfDocuments(t *testing.T) {
	for format, want := range map[show.Format]string{
		show.JSON:   "{\"a\":1}\n{\"a\":1}\n",
		show.YAML:   "a: 1\n---\na: 1\n",
		show.Tables: "one\none\n",
	} {
		var b strings.Builder
		p := show.Printer{Out: &b, Format: format}
		for range 2 {
			if err := p.Line(map[string]int{"a": 1}, func() string { return "one" }); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != want {
			t.Errorf("%s: %q, want %q", format, b.String(), want)
		}
	}
}

func TestTables(t *testing.T) {
	table := func() *show.Table {
		return &show.Table{
			Columns: []show.Column{{Name: "NODE"}, {Name: "KEY", Wide: true}, {Name: "STATE"}},
			Rows:    [][]show.Cell{{{Text: "a"}, {Text: "k"}, {Text: "alive", Tone: show.Good}}, {{Text: "bé…"}, {}, {Text: ""}}},
			Notes:   []string{"two"},
		}
	}
	for _, c := range []struct {
		name string
		p    show.Printer
		want string
	}{
		{"narrow", show.Printer{Format: show.Tables}, "NODE  STATE\na     alive\nbé…   -\ntwo\n"},
		{"wide", show.Printer{Format: show.Wide}, "NODE  KEY  STATE\na     k    alive\nbé…   -    -\ntwo\n"},
		{"color", show.Printer{Format: show.Tables, Color: true}, "\x1b[2mNODE\x1b[0m  \x1b[2mSTATE\x1b[0m\na     \x1b[32malive\x1b[0m\nbé…   -\ntwo\n"},
	} {
		if got := printed(t, c.p, nil, table); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":[[],{}]}],"c":"\u2028"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		p := show.Printer{Out: new(strings.Builder), Format: show.YAML}
		if err := p.Print(json.RawMessage(text), nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// What strangers say reaches documents as it is, but no terminal that shows one.
func TestDocumentsObeyNobody(t *testing.T) {
	const evil = "\x1b[31m\u009b31m\u202e\x7f\U000e0041é\n"
	for format, want := range map[show.Format]string{
		show.JSON: `{"name":"\u001b[31m\u009b31m\u202e\u007f\udb40\udc41é\n"}` + "\n",
		show.YAML: `name: "\u001b[31m\u009b31m\u202e\u007f\U000e0041é\n"` + "\n",
	} {
		var b strings.Builder
		p := show.Printer{Out: &b, Format: format}
		if err := p.Line(map[string]string{"name": evil}, nil); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%s: %s, want %s", format, b.String(), want)
		}
		var back map[string]string
		if format == show.JSON && (json.Unmarshal([]byte(b.String()), &back) != nil || back["name"] != evil) {
			t.Errorf("read again: %q, want %q", back["name"], evil)
		}
	}
}
