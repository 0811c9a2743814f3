package rlp

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// What can be wrong with an encoding. [Unmarshal] wraps them in a [DecodeError].
var (
	ErrExpectedString = errors.New("rlp: expected string, got list")
	ErrExpectedList   = errors.New("rlp: expected list, got string")
	// ErrTruncated: the input ends before the value it starts.
	ErrTruncated = errors.New("rlp: input ends within a value")
	// ErrTrailing: the input goes on after the value.
	ErrTrailing = errors.New("rlp: bytes left after the value")
	// ErrSize: a size, or a single byte, could have been written shorter.
	ErrSize = errors.New("rlp: size is not canonical")
	// ErrInteger: an integer starts with a zero byte.
	ErrInteger = errors.New("rlp: integer is not canonical")
	// ErrOverflow: an integer does not fit its type.
	ErrOverflow = errors.New("rlp: integer is too large")
	// ErrBool: a bool is neither 0 nor 1.
	ErrBool = errors.New("rlp: bool is neither 0 nor 1")
	// ErrLength: a string is longer or shorter than its array.
	ErrLength = errors.New("rlp: wrong length")
	// ErrTooFew: a list ends before all elements are there.
	ErrTooFew = errors.New("rlp: too few elements")
	// ErrTooMany: a list has more elements than its type.
	ErrTooMany = errors.New("rlp: too many elements")
	// ErrTooDeep: lists are nested deeper than MaxDepth.
	ErrTooDeep = errors.New("rlp: lists nested too deep")
	// ErrTooLarge: a value in a stream is larger than the Decoder's limit.
	ErrTooLarge = errors.New("rlp: value is too large")
)

// What can be wrong with a value to encode. [Append] wraps them in an [EncodeError].
var (
	// ErrNegative: a big.Int is below zero.
	ErrNegative = errors.New("rlp: integer is negative")
	// ErrNotValue: a Raw, or what an Appender has appended, is not one value.
	ErrNotValue = errors.New("rlp: raw bytes are not one value")
)

// A DecodeError says where in a Go value decoding has failed.
type DecodeError struct {
	// Type is the type that was decoded into, such as eth.Status.
	Type string
	// Path leads from there to the part that failed, such as .Heads[3].TD. It is
	// empty if the value as a whole does not fit.
	Path string
	// Err is why: one of the errors above, a *TypeError, or an Unmarshaler's.
	Err error
}

func (e *DecodeError) Error() string {
	return "rlp: decode " + e.Type + e.Path + ": " + strings.TrimPrefix(e.Err.Error(), "rlp: ")
}

func (e *DecodeError) Unwrap() error { return e.Err }

// An EncodeError says which part of a Go value cannot be encoded.
type EncodeError struct {
	Type string // as in DecodeError
	Path string // as in DecodeError
	Err  error  // one of the errors above, a *TypeError, or an Appender's
}

func (e *EncodeError) Error() string {
	return "rlp: encode " + e.Type + e.Path + ": " + strings.TrimPrefix(e.Err.Error(), "rlp: ")
}

func (e *EncodeError) Unwrap() error { return e.Err }

// A TypeError says why values of a Go type can never be encoded or decoded.
type TypeError struct {
	Type   reflect.Type
	Reason string
}

func (e *TypeError) Error() string { return "rlp: " + e.Type.String() + " " + e.Reason }

// A pathError collects the path to a failure on the way up from it.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }

// at puts a step in front of the path of err.
func at(step string, err error) error {
	if e, ok := err.(*pathError); ok {
		e.path = step + e.path
		return e
	}
	return &pathError{step, err}
}

func atField(name string, err error) error { return at("."+name, err) }

func atIndex(i int, err error) error { return at("["+strconv.Itoa(i)+"]", err) }

// cut gives the path and the cause of err.
func cut(err error) (path string, cause error) {
	if e, ok := err.(*pathError); ok {
		return e.path, e.err
	}
	return "", err
}

func decodeError(t reflect.Type, err error) error {
	path, cause := cut(err)
	return &DecodeError{typeName(t), path, cause}
}

func encodeError(t reflect.Type, err error) error {
	path, cause := cut(err)
	return &EncodeError{typeName(t), path, cause}
}

func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t.Name() == "" {
		return "struct" // String would print all its fields
	}
	return strings.ReplaceAll(t.String(), "interface {}", "any")
}
