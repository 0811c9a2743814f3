package mtls

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how many bytes of words one side tells the other.
const maxText = 512

// clip cuts a text of ours to what the peer reads.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// clean makes one printable line of at most maxText bytes of what a peer says.
func clean(b []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, clip(string(b)))
	return clip(text)
}
