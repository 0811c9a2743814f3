package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Table is shown to people. Cells that were not measured are "-".
type Table struct {
	Title string
	// Note is a line on how to read it. Empty means nothing to say.
	Note string
	Head []string
	Rows [][]string
}

// Text writes the table for a terminal.
func (t Table) Text(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(&b, "(%s)\n", t.Note)
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	tw.Flush()
	fmt.Fprintln(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// Markdown writes the table as a section of a page.
func (t Table) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", t.Note)
	}
	row := func(cells []string) {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	row(append([]string{}, t.Head...))
	fmt.Fprintf(&b, "|---%s\n", strings.Repeat("|---", len(t.Head)-1)+"|")
	for _, r := range t.Rows {
		row(append([]string{}, r...))
	}
	fmt.Fprintln(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// short writes a number with three digits, thousands as k and millions as M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + "M"
	case v >= 1e4:
		return digits(v/1e3) + "k"
	}
	return digits(v)
}

func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
