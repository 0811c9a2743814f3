package show

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A Tone is what a cell means, shown as a colour.
type Tone uint8

// The zero Tone is Plain.
const (
	Plain Tone = iota
	Good
	Odd
	Bad
	Faint
)

var escapes = [...]string{Good: "\x1b[32m", Odd: "\x1b[33m", Bad: "\x1b[31m", Faint: "\x1b[2m"}

// Paint gives text a tone.
func Paint(text string, tone Tone) string {
	if tone == Plain {
		return text
	}
	return escapes[tone] + text + "\x1b[0m"
}

// A Cell is one field of a table.
type Cell struct {
	Text string
	Tone Tone
}

// A Column is a heading. Wide columns are left out of narrow tables.
type Column struct {
	Name string
	Wide bool
}

// A Table is rows under headings. Without headings it is a list of pairs.
type Table struct {
	Columns []Column
	Rows    [][]Cell
	// Notes are for people; they are not part of the data.
	Notes []string
}

// Narrow makes columns that every table has.
func Narrow(names ...string) []Column {
	var all []Column
	for _, n := range names {
		all = append(all, Column{Name: n})
	}
	return all
}

// Row adds cells without a tone.
func (t *Table) Row(texts ...string) {
	row := make([]Cell, len(texts))
	for i, text := range texts {
		row[i].Text = text
	}
	t.Rows = append(t.Rows, row)
}

func (t *Table) write(w io.Writer, wide, color bool) error {
	rows := t.visible(wide)
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := c.Text
			if color {
				text = Paint(text, c.Tone)
			}
			line.WriteString(text)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+2))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// visible is the heading and the rows, less the columns that are not shown; an
// empty field becomes a dash.
func (t *Table) visible(wide bool) [][]Cell {
	if len(t.Columns) == 0 {
		return t.Rows
	}
	heading := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		heading[i] = Cell{Text: c.Name, Tone: Faint}
	}
	var rows [][]Cell
	for _, row := range append([][]Cell{heading}, t.Rows...) {
		var kept []Cell
		for i, c := range row {
			if t.Columns[i].Wide && !wide {
				continue
			}
			if c.Text == "" {
				c.Text = "-"
			}
			kept = append(kept, c)
		}
		rows = append(rows, kept)
	}
	return rows
}

// String is the whole table without colours.
func (t *Table) String() string {
	var b strings.Builder
	_ = t.write(&b, true, false) // a Builder takes everything
	return b.String()
}
