package rlp

import (
	"math/big"
	"reflect"
	"unsafe"
)

// An encField is a field of a struct, ready to be encoded.
type encField struct {
	field
	min    int // the fewest bytes it takes
	encode func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error)
}

// empty tells whether the field of the struct at p may be left out.
func (f *encField) empty(p unsafe.Pointer) bool {
	p = unsafe.Add(p, f.offset)
	switch {
	case f.tail:
		_, n := elements(p)
		return n == 0
	case !f.optional:
		return false
	case f.typ.Kind() == reflect.Pointer:
		return *(*unsafe.Pointer)(p) == nil
	case f.typ == bigType:
		return (*big.Int)(p).Sign() == 0
	}
	return reflect.NewAt(f.typ, p).Elem().IsZero()
}

func (m encPlanner) structure(plan *encPlan, t reflect.Type) error {
	fields, err := fieldsOf(t)
	if err != nil {
		return err
	}
	least, short := 0, false // short: fields may be left out
	var list []encField
	for _, f := range fields {
		ef, err := m.field(f)
		if err != nil {
			return atField(f.name, err)
		}
		short = short || f.optional || f.tail
		least += ef.min
		list = append(list, ef)
	}
	plan.min = ListSize(least)
	plan.encode = encodeStruct(list, least, short)
	return nil
}

func (m encPlanner) field(f field) (encField, error) {
	t := f.typ
	if f.tail || f.null != untagged {
		t = t.Elem()
	}
	plan, err := m.plan(t)
	if err != nil {
		return encField{}, err
	}
	ef := encField{field: f, encode: plan.encode}
	switch {
	case f.optional || f.tail: // may be missing
	case f.null != untagged:
		ef.min = 1
	default:
		ef.min = plan.min
	}
	switch {
	case f.tail:
		ef.encode = encodeTail(f.typ, plan)
	case f.null == byType:
		ef.encode = encodePointer(plan, plan.null)
	case f.null == nullString:
		ef.encode = encodePointer(plan, emptyString)
	case f.null == nullList:
		ef.encode = encodePointer(plan, emptyList)
	case plan.encode == nil: // not finished: the type contains itself
		ef.encode = func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) { return plan.encode(dst, p, depth) }
	}
	return ef, nil
}

func encodeTail(t reflect.Type, elem *encPlan) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	size := t.Elem().Size()
	return func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		first, n := elements(p)
		return encodeElements(dst, first, n, size, elem, depth)
	}
}

// encodeStruct encodes fields that together take at least so many bytes.
func encodeStruct(fields []encField, least int, short bool) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	room := headSize(least)
	return func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		if depth >= MaxDepth {
			return dst, ErrTooDeep
		}
		fields := fields
		for short && len(fields) > 0 && fields[len(fields)-1].empty(p) {
			fields = fields[:len(fields)-1]
		}
		start := len(dst)
		dst = openHead(dst, room)
		var err error
		for i := range fields {
			f := &fields[i]
			if dst, err = f.encode(dst, unsafe.Add(p, f.offset), depth+1); err != nil {
				return dst, atField(f.name, err)
			}
		}
		return closeList(dst, start, room), nil
	}
}
