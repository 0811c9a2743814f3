// Package show writes what the command found: as a table for people, as JSON or
// YAML for programs.
//
// Make a [Printer] once and give Print each document. What is data goes to
// Printer.Out; notes for people, which no program should read, go to
// Printer.Notes.
package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// A Format is how documents are written.
type Format string

// All formats.
const (
	Tables Format = "table"
	Wide   Format = "wide" // a table with all columns
	JSON   Format = "json"
	YAML   Format = "yaml"
)

// A Printer writes documents in one format.
type Printer struct {
	Out    io.Writer
	Notes  io.Writer
	Format Format
	// Color allows escape sequences in tables.
	Color bool

	printed bool
}

// Print writes one document: doc itself for programs, or what table makes of it
// for people.
func (p *Printer) Print(doc any, table func() *Table) error {
	defer func() { p.printed = true }()
	switch p.Format {
	case JSON:
		return p.printJSON(doc, "  ")
	case YAML:
		return p.printYAML(doc)
	}
	t := table()
	if err := t.write(p.Out, p.Format == Wide, p.Color); err != nil {
		return err
	}
	for _, note := range t.Notes {
		p.Note("%s", note)
	}
	return nil
}

// Line writes one document of a stream: one line of JSON, one YAML document, or
// for people the line of text that line makes.
func (p *Printer) Line(doc any, line func() string) error {
	defer func() { p.printed = true }()
	switch p.Format {
	case JSON:
		return p.printJSON(doc, "")
	case YAML:
		return p.printYAML(doc)
	}
	_, err := fmt.Fprintln(p.Out, line())
	return err
}

// Note writes a line that only people need.
func (p *Printer) Note(format string, args ...any) {
	fmt.Fprintf(p.Notes, format+"\n", args...)
}

// ForPeople tells whether the format is a table.
func (p *Printer) ForPeople() bool { return p.Format != JSON && p.Format != YAML }

func (p *Printer) printJSON(doc any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := p.Out.Write(escape(b.Bytes(), true))
	return err
}

func (p *Printer) printYAML(doc any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return err
	}
	text, err := toYAML(b.Bytes())
	if err != nil {
		return err
	}
	if p.printed {
		text = append([]byte("---\n"), text...)
	}
	_, err = p.Out.Write(escape(text, false))
	return err
}
