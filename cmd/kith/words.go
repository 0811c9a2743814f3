package main

import (
	"fmt"
	"io"
	"os"
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

// readInput reads a file; "-" is standard input.
func readInput(a *app, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(file)
}
