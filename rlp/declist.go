package rlp

import (
	"reflect"
	"unsafe"
)

// firstGrowth is how much memory a slice takes, at most, before its first
// elements are decoded.
const firstGrowth = 4 << 10

func (m decPlanner) slice(plan *decPlan, t reflect.Type) error {
	elem, err := m.plan(t.Elem())
	all := decodeElements(t, elem)
	plan.decode = func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		content, rest, err := openContent(b, depth)
		if err == nil {
			err = all(content, p, depth+1)
		}
		return rest, err
	}
	return err
}

// openContent is SplitList that also looks at the depth.
func openContent(b []byte, depth int) (content, rest []byte, err error) {
	content, rest, err = SplitList(b)
	if err == nil && depth >= MaxDepth {
		err = ErrTooDeep
	}
	return content, rest, err
}

// decodeElements decodes all values of b into a new slice of type t, at p.
//
// It counts them first, so that the slice fits; but a count is no promise that
// they decode to a T, so the slice doubles from firstGrowth on.
func decodeElements(t reflect.Type, elem *decPlan) func(b []byte, p unsafe.Pointer, depth int) error {
	size := t.Elem().Size()
	first := max(4, firstGrowth/int(max(size, 1)))
	empty := reflect.MakeSlice(t, 0, 0)
	return func(b []byte, p unsafe.Pointer, depth int) error {
		n, err := Count(b)
		if err != nil {
			return atIndex(n, err)
		}
		s := reflect.NewAt(t, p).Elem()
		s.Set(empty)
		for i := range n {
			if i == s.Cap() {
				s.SetLen(i)
				s.Grow(min(n-i, max(i, first)))
			}
			if b, err = elem.decode(b, unsafe.Add(s.UnsafePointer(), uintptr(i)*size), depth); err != nil {
				s.SetLen(i)
				return atIndex(i, err)
			}
		}
		s.SetLen(n)
		return nil
	}
}

func (m decPlanner) array(plan *decPlan, t reflect.Type) error {
	elem, err := m.plan(t.Elem())
	n, size := t.Len(), t.Elem().Size()
	plan.decode = func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		content, rest, err := openContent(b, depth)
		if err != nil {
			return b, err
		}
		for i := range n {
			if len(content) == 0 {
				return b, atIndex(i, ErrTooFew)
			}
			if content, err = elem.decode(content, unsafe.Add(p, uintptr(i)*size), depth+1); err != nil {
				return b, atIndex(i, err)
			}
		}
		if len(content) > 0 {
			return b, ErrTooMany
		}
		return rest, nil
	}
	return err
}

// A decField is a field of a struct, ready to be decoded.
type decField struct {
	field
	decode func(b []byte, p unsafe.Pointer, depth int) (rest []byte, err error)
}

func (m decPlanner) structure(plan *decPlan, t reflect.Type) error {
	fields, err := fieldsOf(t)
	if err != nil {
		return err
	}
	var list []decField
	for _, f := range fields {
		df, err := m.field(f)
		if err != nil {
			return atField(f.name, err)
		}
		list = append(list, df)
	}
	plan.decode = decodeStruct(list)
	return nil
}

func (m decPlanner) field(f field) (decField, error) {
	t := f.typ
	if f.tail || f.null != untagged {
		t = t.Elem()
	}
	plan, err := m.plan(t)
	if err != nil {
		return decField{}, err
	}
	df := decField{field: f, decode: plan.decode}
	null := f.null
	if null == byType {
		null = nullOf(t)
	}
	switch {
	case f.tail:
		all := decodeElements(f.typ, plan)
		df.decode = func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) { return nil, all(b, p, depth) }
	case null == nullString:
		df.decode = decodeNull(t, plan, emptyString)
	case null == nullList:
		df.decode = decodeNull(t, plan, emptyList)
	case plan.decode == nil: // not finished: the type contains itself
		df.decode = func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) { return plan.decode(b, p, depth) }
	}
	return df, nil
}

func decodeStruct(fields []decField) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		content, rest, err := openContent(b, depth)
		if err != nil {
			return b, err
		}
		for i := range fields {
			f := &fields[i]
			if len(content) == 0 && !f.tail {
				if !f.optional {
					return b, atField(f.name, ErrTooFew)
				}
				reflect.NewAt(f.typ, unsafe.Add(p, f.offset)).Elem().SetZero()
				continue
			}
			if content, err = f.decode(content, unsafe.Add(p, f.offset), depth+1); err != nil {
				return b, atField(f.name, err)
			}
		}
		if len(content) > 0 {
			return b, ErrTooMany
		}
		return rest, nil
	}
}
