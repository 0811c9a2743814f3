package show

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escape writes as \u what a terminal might obey in a JSON or YAML text, where it
// can only stand in strings: encoding/json leaves controls beyond ASCII as they
// are, and what turns the direction of a line. It means the same afterwards. pairs
// tells whether what \u cannot say alone takes two, as in JSON, or \U.
func escape(text []byte, pairs bool) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out = append(out, text[:n]...)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		case pairs:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\U%08x`, r)
		}
		text = text[n:]
	}
	return out
}
