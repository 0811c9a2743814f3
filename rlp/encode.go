package rlp

import (
	"reflect"
	"sync"
	"unsafe"
)

// Marshal encodes v. See [Append].
func Marshal(v any) ([]byte, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b, err := Append(s.b[:0], v)
	if err != nil {
		return nil, err
	}
	if cap(b) <= maxScratch {
		s.b = b
	}
	return clone(b), nil
}

// maxScratch is the largest buffer that Marshal keeps.
const maxScratch = 64 << 10

type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Append appends the encoding of v to dst; the package comment says how each type
// is encoded. A value reached through a pointer is encoded where it lies. On an
// error, an [*EncodeError], it returns dst as it was.
func Append(dst []byte, v any) ([]byte, error) {
	out, err := appendAny(dst, v, 0)
	if err != nil {
		return dst, encodeError(reflect.TypeOf(v), err)
	}
	return out, nil
}

// appendAny encodes v, which lies in depth lists.
func appendAny(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, emptyList), nil
	case uint64:
		return AppendUint(dst, v), nil
	case uint:
		return AppendUint(dst, uint64(v)), nil
	case string:
		return AppendString(dst, v), nil
	case []byte:
		return AppendBytes(dst, v), nil
	}
	rv := reflect.ValueOf(v)
	t := rv.Type()
	if t.Kind() != reflect.Pointer {
		return appendCopy(dst, rv, t, depth)
	}
	plan, err := encPlanOf(t.Elem())
	if err != nil {
		return dst, err
	}
	if rv.IsNil() {
		return append(dst, plan.null), nil
	}
	return plan.encode(dst, rv.UnsafePointer(), depth)
}

// appendCopy encodes a value that has no address: plans need one.
func appendCopy(dst []byte, rv reflect.Value, t reflect.Type, depth int) ([]byte, error) {
	plan, err := encPlanOf(t)
	if err != nil {
		return dst, err
	}
	p, ok := plan.copies.Get().(unsafe.Pointer)
	if !ok {
		p = reflect.New(t).UnsafePointer()
	}
	v := reflect.NewAt(t, p).Elem()
	v.Set(rv)
	dst, err = plan.encode(dst, p, depth)
	v.SetZero()
	plan.copies.Put(p)
	return dst, err
}
