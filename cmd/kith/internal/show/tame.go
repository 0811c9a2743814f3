package show

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tame makes one short line of text that a stranger has sent: what a terminal
// might obey becomes a question mark, and what is beyond most characters "…"
func Tame(text string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			return b.String() + "…"
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
