package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// toYAML writes a JSON text as YAML in block style, keys in the same order.
// Strings are JSON strings, which YAML 1.2 reads as they are, unless they are
// plain words that no reader could take for something else.
func toYAML(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	y := &yamlWriter{in: d}
	first, err := d.Token()
	if err != nil {
		return nil, err
	}
	if err := y.value(first, 0, true); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("show: more than one JSON value")
	}
	return y.out.Bytes(), nil
}

type yamlWriter struct {
	in  *json.Decoder
	out bytes.Buffer
}

// value writes what begins with tok. Where fresh is set the line is empty as far
// as the indentation; otherwise it ends in a colon.
func (y *yamlWriter) value(tok json.Token, depth int, fresh bool) error {
	delim, ok := tok.(json.Delim)
	if !ok {
		if !fresh {
			y.out.WriteByte(' ')
		}
		y.out.WriteString(scalar(tok) + "\n")
		return nil
	}
	if !y.in.More() {
		if !fresh {
			y.out.WriteByte(' ')
		}
		y.out.WriteString(map[json.Delim]string{'{': "{}", '[': "[]"}[delim] + "\n")
	} else if !fresh {
		y.out.WriteByte('\n')
	}
	for first := fresh; y.in.More(); first = false {
		if !first {
			y.out.WriteString(strings.Repeat("  ", depth))
		}
		if err := y.entry(delim, depth); err != nil {
			return err
		}
	}
	_, err := y.in.Token() // the closing delimiter
	return err
}

// entry writes one member of an object or one element of an array.
func (y *yamlWriter) entry(delim json.Delim, depth int) error {
	tok, err := y.in.Token()
	if err != nil {
		return err
	}
	if delim == '[' {
		y.out.WriteString("- ")
		return y.value(tok, depth+1, true)
	}
	y.out.WriteString(scalar(tok) + ":")
	if tok, err = y.in.Token(); err != nil {
		return err
	}
	return y.value(tok, depth+1, false)
}

var (
	plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
	// reserved are the words that some reader of YAML takes for a truth value,
	// for nothing or for a number.
	reserved = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|_+)$`)
)

func scalar(tok json.Token) string {
	switch v := tok.(type) {
	case nil:
		return "null"
	case string:
		if plainWord.MatchString(v) && !reserved.MatchString(v) {
			return v
		}
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // a string always encodes
		return strings.TrimSuffix(b.String(), "\n")
	}
	return fmt.Sprint(tok)
}
