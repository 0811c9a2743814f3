package cluster

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A field is one "key": value of an object. Nobody has judged the value yet: it
// may not even be JSON.
type field struct {
	key  string
	raw  []byte
	line int // of the key
}

// A splitter cuts the text of an object or a list into its parts. Unlike a
// decoder it goes on after a value that is wrong, so that one run finds all
// problems. Every part takes at least a byte off rest, so it always ends.
type splitter struct {
	rest     []byte
	line     int // of rest[0]
	problems []Problem
}

func (s *splitter) wrong(line int, key, value, rule string) {
	s.problems = append(s.problems, Problem{Line: line, Key: key, Value: value, Rule: rule})
}

// skip moves on by n bytes and counts the lines.
func (s *splitter) skip(n int) {
	s.line += bytes.Count(s.rest[:n], []byte{'\n'})
	s.rest = s.rest[n:]
}

// next skips white space and returns the byte after it, 0 at the end.
func (s *splitter) next() byte {
	n := 0
	for n < len(s.rest) && (s.rest[n] == ' ' || s.rest[n] == '\t' || s.rest[n] == '\n' || s.rest[n] == '\r') {
		n++
	}
	s.skip(n)
	if len(s.rest) == 0 {
		return 0
	}
	return s.rest[0]
}

// object takes "{ … }" apart. What follows it stays in rest.
func (s *splitter) object() []field {
	var out []field
	s.skip(1)
	for len(s.problems) < maxProblems {
		switch c := s.next(); c {
		case 0:
			s.wrong(s.line, "", "", "the closing } is missing")
			return out
		case '}':
			s.skip(1)
			return out
		case ',':
			s.wrong(s.line, "", "", "a key is missing before the comma")
			s.skip(1)
			continue
		}
		f, ok := s.field()
		if ok {
			out = append(out, f)
		}
		s.comma('}')
	}
	return out
}

// field takes one "key": value off.
func (s *splitter) field() (f field, ok bool) {
	f.line = s.line
	word := s.word(":")
	if json.Unmarshal(word, &f.key) != nil {
		f.key = string(bytes.Trim(word, "'"))
		s.wrong(f.line, excerpt(word), "", "a key must be a text in double quotes")
	}
	if s.next() != ':' {
		s.wrong(f.line, excerpt([]byte(f.key)), "", "a colon and a value must follow")
		return f, false
	}
	s.skip(1)
	switch s.next() {
	case 0, ',', '}', ']':
		s.wrong(f.line, excerpt([]byte(f.key)), "", "the value is missing")
		return f, false
	}
	f.raw = s.word("")
	return f, true
}

// list takes "[ … ]" apart.
func (s *splitter) list() []field {
	var out []field
	s.skip(1)
	for len(s.problems) < maxProblems {
		switch s.next() {
		case 0:
			s.wrong(s.line, "", "", "the closing ] is missing")
			return out
		case ']':
			s.skip(1)
			return out
		case ',':
			s.wrong(s.line, "", "", "a value is missing before the comma")
			s.skip(1)
			continue
		}
		line := s.line
		out = append(out, field{raw: s.word(""), line: line})
		s.comma(']')
	}
	return out
}

// comma takes what stands between two parts.
func (s *splitter) comma(end byte) {
	switch c := s.next(); c {
	case ',':
		line := s.line
		s.skip(1)
		if s.next() == end {
			s.wrong(line, "", "", "no comma may stand before the closing "+string(end))
		}
	case end, 0:
	default:
		s.wrong(s.line, "", excerpt(s.rest[:min(len(s.rest), 20)]), "a comma must stand before this")
		if c == '}' || c == ']' {
			s.skip(1)
		}
	}
}

// word takes one value off: a text, something in brackets, or what stands there
// up to white space, a comma, a closing bracket or a byte of stop.
func (s *splitter) word(stop string) []byte {
	n := 0
	switch s.rest[0] {
	case '"', '\'':
		n = quoted(s.rest)
	case '{', '[':
		n = bracketed(s.rest)
	default:
		if n = bytes.IndexAny(s.rest, " \t\r\n,}]"+stop); n < 0 {
			n = len(s.rest)
		}
		n = max(n, 1)
	}
	w := s.rest[:n]
	s.skip(n)
	return w
}

// quoted is the length of a text with its quotes. One that does not end, ends
// with its line.
func quoted(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case b[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(b)
}

// bracketed is the length of a list or an object.
func bracketed(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += quoted(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// uncomment replaces // and /* */ outside of texts by spaces, in a copy. Lines
// stay where they are.
func uncomment(data []byte) []byte {
	out := bytes.Clone(data)
	for i := 0; i < len(out); i++ {
		n := 0
		switch {
		case out[i] == '"':
			i += quoted(out[i:]) - 1
		case bytes.HasPrefix(out[i:], []byte("//")):
			if n = bytes.IndexByte(out[i:], '\n'); n < 0 {
				n = len(out) - i
			}
		case bytes.HasPrefix(out[i:], []byte("/*")):
			if n = bytes.Index(out[i+2:], []byte("*/")); n < 0 {
				n = len(out) - i
			} else {
				n += 4
			}
		}
		for j := i; j < i+n; j++ {
			if out[j] != '\n' {
				out[j] = ' '
			}
		}
		i += max(n-1, 0)
	}
	return out
}

// maxConfig is the most bytes that a configuration may have.
const maxConfig = 1 << 20

// split takes a whole configuration apart.
func split(data []byte) ([]field, []Problem) {
	s := splitter{line: 1}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // RFC 8259, section 8.1: a byte order mark may be ignored
	switch {
	case len(data) > maxConfig:
		s.wrong(0, "", "", "a configuration must have at most 1 MiB")
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		s.wrong(1, "", "", "the text must be UTF-8, this is UTF-16")
	case !utf8.Valid(data):
		s.wrong(1+bytes.Count(data[:validPrefix(data)], []byte{'\n'}), "", "", "the text must be UTF-8")
	}
	if s.problems != nil {
		return nil, s.problems
	}
	s.rest = uncomment(data)
	if c := s.next(); c != '{' {
		s.wrong(s.line, "", excerpt(s.rest), "a configuration must be an object: {\"key\": value, …}")
		return nil, s.problems
	}
	fields := s.object()
	if s.next() != 0 && len(s.problems) < maxProblems {
		s.wrong(s.line, "", excerpt(s.rest), "nothing may follow the closing }")
	}
	return fields, s.problems
}

func validPrefix(data []byte) int {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}
