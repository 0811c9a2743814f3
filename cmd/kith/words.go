package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// plural is "1 member" or "2 members".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func daysLeft(days int) string {
	if days < 0 {
		return "expired"
	}
	return plural(days, "day") + " left"
}

// maxFile is the most that a configuration or a file of certificates may have.
const maxFile = 1 << 20

// readInput reads a file; "-" is standard input. Of more than most bytes the
// rest is not read, and the error says so.
func readInput(a *app, file string, most int) ([]byte, error) {
	if file == "-" {
		return readMost(a.in, "standard input", most)
	}
	return readFile(file, most)
}

func readFile(file string, most int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMost(f, file, most)
}

func readMost(r io.Reader, name string, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, err
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// ago is a rough age.
func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return span(d)
}

// span is a duration in its largest unit or two.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return plural(int(d.Hours()/24), "day")
}

func hexText(b []byte) string { return hex.EncodeToString(b) }
