package rlp

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// Unmarshal decodes b, which must be one value and nothing else, into what v
// points to. The package comment says which type takes what.
//
// What is decoded shares no memory with b, nor with what v had before, save that
// pointers that are not nil are kept and decoded into. An error about b or the
// type of v is a [*DecodeError]; v then has what was decoded before it.
func Unmarshal(b []byte, v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return &DecodeError{fmt.Sprintf("%T", v), "", errors.New("rlp: the target must be a pointer, and not nil")}
	}
	t := rv.Type().Elem()
	plan, err := decPlanOf(t)
	if err == nil {
		b, err = plan.decode(b, rv.UnsafePointer(), 0)
		if err == nil && len(b) > 0 {
			err = ErrTrailing
		}
	}
	if err != nil {
		return decodeError(t, err)
	}
	return nil
}

// decodeAny decodes to []byte or []any.
func decodeAny(b []byte, depth int) (v any, rest []byte, err error) {
	kind, content, rest, err := Split(b)
	if err != nil {
		return nil, b, err
	}
	if kind == String {
		return clone(content), rest, nil
	}
	if depth >= MaxDepth {
		return nil, b, ErrTooDeep
	}
	n, err := Count(content)
	if err != nil {
		return nil, b, atIndex(n, err)
	}
	list := make([]any, 0, min(n, 64))
	for len(content) > 0 {
		if v, content, err = decodeAny(content, depth+1); err != nil {
			return nil, b, atIndex(len(list), err)
		}
		list = append(list, v)
	}
	return list, rest, nil
}

func decodeInterface(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	v, rest, err := decodeAny(b, depth)
	if err == nil {
		*(*any)(p) = v
	}
	return rest, err
}
