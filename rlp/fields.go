package rlp

import (
	"math/big"
	"reflect"
	"strings"
)

// An Appender encodes itself.
type Appender interface {
	// AppendRLP appends one value to dst, or returns an error, and then what it
	// appended is dropped. It is not called for a nil pointer.
	AppendRLP(dst []byte) ([]byte, error)
}

// An Unmarshaler decodes itself. Pointer receivers make sense only.
type Unmarshaler interface {
	// UnmarshalRLP gets one value, head included. All heads in it are canonical
	// and not nested too deep. raw is only valid until it returns.
	UnmarshalRLP(raw []byte) error
}

var (
	appenderType    = reflect.TypeFor[Appender]()
	unmarshalerType = reflect.TypeFor[Unmarshaler]()
	bigType         = reflect.TypeFor[big.Int]()
	rawType         = reflect.TypeFor[Raw]()
)

// A field is an exported field of a struct, and what its tag says.
type field struct {
	name     string
	typ      reflect.Type
	offset   uintptr
	optional bool
	tail     bool
	null     null
}

// null is what stands for a nil pointer.
type null uint8

const (
	untagged   null = iota // encoded as byType, never decoded as nil
	byType                 // one of the two below
	nullString             // the empty string
	nullList               // the empty list
)

// fieldsOf gives the fields of a struct that are encoded.
func fieldsOf(t reflect.Type) ([]field, error) {
	var fields []field
	exported := 0
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		exported++
		tag := sf.Tag.Get("rlp")
		if tag == "-" {
			continue
		}
		f := field{name: sf.Name, typ: sf.Type, offset: sf.Offset}
		if reason := f.parse(tag); reason != "" {
			return nil, atField(f.name, &TypeError{f.typ, reason})
		}
		if n := len(fields); n > 0 {
			if reason := f.mayFollow(fields[n-1]); reason != "" {
				return nil, atField(f.name, &TypeError{f.typ, reason})
			}
		}
		fields = append(fields, f)
	}
	if exported == 0 && t.NumField() > 0 {
		return nil, &TypeError{t, "has no exported fields; let it be an Appender and an Unmarshaler"}
	}
	return fields, nil
}

// parse reads a tag. It returns what is wrong with it.
func (f *field) parse(tag string) string {
	for word := range strings.SplitSeq(tag, ",") {
		switch word {
		case "":
		case "optional":
			f.optional = true
		case "tail":
			f.tail = true
			if f.typ.Kind() != reflect.Slice || isBytes(f.typ) {
				return "cannot be tail: it is no slice of values"
			}
		case "nil", "nilString", "nilList":
			f.null = map[string]null{"nil": byType, "nilString": nullString, "nilList": nullList}[word]
			if f.typ.Kind() != reflect.Pointer {
				return "cannot be " + word + ": it is no pointer"
			}
		default:
			return "has an unknown rlp tag, " + word
		}
	}
	if f.optional && f.tail {
		return "cannot be optional and tail: a tail may be empty anyway"
	}
	return ""
}

// mayFollow tells why a field cannot come after last.
func (f *field) mayFollow(last field) string {
	switch {
	case last.tail:
		return "cannot come after " + last.name + ", which takes all that is left"
	case last.optional && !f.optional && !f.tail:
		return "must be optional, as " + last.name + " before it is"
	}
	return ""
}

// isBytes tells whether t is a slice or array that stands for a string.
func isBytes(t reflect.Type) bool {
	if k := t.Kind(); k != reflect.Slice && k != reflect.Array {
		return false
	}
	e := t.Elem()
	p := reflect.PointerTo(e)
	return e.Kind() == reflect.Uint8 && !p.Implements(appenderType) && !p.Implements(unmarshalerType)
}

// nullOf is what stands for a nil pointer to a t, by its type: nullString or nullList.
func nullOf(t reflect.Type) null {
	switch t.Kind() {
	case reflect.Bool, reflect.String,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nullString
	}
	if t == bigType || isBytes(t) {
		return nullString
	}
	return nullList
}

// unsupported says why t can be neither encoded nor decoded.
func unsupported(t reflect.Type) error {
	reason := "has no encoding"
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		reason = "is signed; RLP has unsigned integers only"
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		reason = "is no integer; RLP has unsigned integers only"
	case reflect.Map:
		reason = "is a map, which has no order; use a slice of pairs"
	case reflect.Interface:
		reason = "can be decoded only if it has no methods"
	}
	return &TypeError{t, reason}
}
