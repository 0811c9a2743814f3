package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"kith/cmd/kith/internal/demo"
)

var update = flag.Bool("update", false, "run the demo and draw docs/demo.svg anew")

// The picture in the README is drawn from what the demo has said.
func TestPicture(t *testing.T) {
	const said, picture = "testdata/demo.txt", "../../docs/demo.svg"
	if *update {
		if err := os.WriteFile(said, listen(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	got := draw(string(text))
	if *update {
		if err := os.WriteFile(picture, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(picture); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/demo.svg is not what %s draws (%v); go test ./cmd/kith -run Picture -update draws it", said, err)
	}
}

// listen is what a demo says up to its last chapter.
func listen(t *testing.T) []byte {
	program, err := exec.LookPath("kith") // this binary, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	d := &demo.Demo{Program: program, Out: writer(func(p []byte) {
		if bytes.Contains(p, []byte("Traffic goes on")) {
			cancel()
		}
		if ctx.Err() == nil {
			out.Write(p)
		}
	}), Color: true, MembersTable: demoTable(true)}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

var _ io.Writer = writer(nil)

// The picture is as wide as is legible on a phone.
const (
	columns    = 66
	charWidth  = 8.4
	lineHeight = 19
	margin     = 14
)

// colours stand for the escape sequences that the command uses.
var colours = map[string]string{
	"1": `fill="#fff" font-weight="bold"`, "2": `fill="#8b949e"`, "31": `fill="#ff7b72"`, "32": `fill="#56d364"`, "33": `fill="#e3b341"`,
}

// draw makes an SVG of a terminal with this text.
func draw(text string) []byte {
	lines := []string{"$ go run ./cmd/kith demo"}
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		lines = append(lines, wrap(strings.TrimRight(line, "\n"))...)
	}
	width, height := columns*charWidth+2*margin, len(lines)*lineHeight+2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="#d0d7de">`+"\n", width, height, width, height)
	b.WriteString("<title>What kith demo says</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n")
	for i, line := range lines {
		drawLine(&b, line, margin+(i+1)*lineHeight-5)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawLine places each run of one colour where a terminal would.
func drawLine(b *bytes.Buffer, line string, y int) {
	at := 0
	for i, part := range strings.Split(line, "\x1b[") {
		colour := ""
		if code, rest, ok := strings.Cut(part, "m"); ok && i > 0 {
			colour, part = colours[code], rest
		}
		n := utf8.RuneCountInString(part)
		if text := strings.TrimSpace(part); text != "" {
			indent := utf8.RuneCountInString(part) - utf8.RuneCountInString(strings.TrimLeft(part, " "))
			fmt.Fprintf(b, `<text xml:space="preserve" x="%.1f" y="%d" textLength="%.1f"%s>%s</text>`+"\n", margin+float64(at+indent)*charWidth, y,
				float64(utf8.RuneCountInString(text))*charWidth, strings.TrimRight(" "+colour, " "), html.EscapeString(text))
		}
		at += n
	}
}

// wrap breaks a line at spaces as often as it must, within its colour, and words
// that are longer than a line anywhere.
func wrap(line string) []string {
	var lines []string
	for len(line) > columns && !strings.ContainsAny(line, " \x1b") {
		lines = append(lines, line[:columns])
		line = line[columns:]
	}
	now, length, colour := "", 0, ""
	for word := range strings.SplitAfterSeq(line, " ") {
		n := 0
		for i, part := range strings.Split(word, "\x1b[") {
			if code, rest, ok := strings.Cut(part, "m"); ok && i > 0 {
				colour, part = "\x1b["+code+"m", rest
			}
			n += utf8.RuneCountInString(strings.TrimRight(part, " "))
		}
		if length+n > columns {
			lines = append(lines, now)
			now, length = "      "+colour, 6
		}
		now += word
		length += n + strings.Count(word, " ")
	}
	return append(lines, now)
}
