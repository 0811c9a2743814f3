package rlp

import (
	"reflect"
	"sync"
	"unsafe"
)

// A decPlan decodes values of one type.
type decPlan struct {
	// decode reads the first value of b, which lies in depth lists, into the Go
	// value at p, and returns what comes after it.
	decode func(b []byte, p unsafe.Pointer, depth int) (rest []byte, err error)
	err    error // why there is no plan
}

// decPlans has a *decPlan for each reflect.Type that was ever decoded into.
var decPlans sync.Map

func decPlanOf(t reflect.Type) (*decPlan, error) {
	if got, ok := decPlans.Load(t); ok {
		plan := got.(*decPlan)
		return plan, plan.err
	}
	plan, err := decPlanner{}.plan(t)
	if err != nil {
		plan = &decPlan{err: err}
	}
	got, _ := decPlans.LoadOrStore(t, plan)
	plan = got.(*decPlan)
	return plan, plan.err
}

// A decPlanner makes the plans of a type and of all within. It has those that
// are not finished too, for types that contain themselves.
type decPlanner map[reflect.Type]*decPlan

func (m decPlanner) plan(t reflect.Type) (*decPlan, error) {
	if plan := m[t]; plan != nil {
		return plan, nil
	}
	plan := new(decPlan)
	m[t] = plan
	return plan, m.fill(plan, t)
}

func (m decPlanner) fill(plan *decPlan, t reflect.Type) error {
	switch {
	case reflect.PointerTo(t).Implements(unmarshalerType):
		plan.decode = decodeCustom(t)
		return nil
	case t == bigType:
		plan.decode = decodeBig
		return nil
	case t == rawType:
		plan.decode = decodeRaw
		return nil
	case isBytes(t) && t.Kind() == reflect.Slice:
		plan.decode = decodeBytes
		return nil
	case isBytes(t):
		plan.decode = decodeByteArray(t.Len())
		return nil
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		plan.decode = decodeInterface
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		plan.decode = decodeBool
	case reflect.Uint8:
		plan.decode = decodeUint[uint8]
	case reflect.Uint16:
		plan.decode = decodeUint[uint16]
	case reflect.Uint32:
		plan.decode = decodeUint[uint32]
	case reflect.Uint64:
		plan.decode = decodeUint[uint64]
	case reflect.Uint:
		plan.decode = decodeUint[uint]
	case reflect.String:
		plan.decode = decodeString
	case reflect.Pointer:
		return m.pointer(plan, t)
	case reflect.Slice:
		return m.slice(plan, t)
	case reflect.Array:
		return m.array(plan, t)
	case reflect.Struct:
		return m.structure(plan, t)
	default:
		return unsupported(t)
	}
	return nil
}

func (m decPlanner) pointer(plan *decPlan, t reflect.Type) error {
	elem, err := m.plan(t.Elem())
	plan.decode = decodePointer(t.Elem(), elem)
	return err
}

func decodePointer(t reflect.Type, elem *decPlan) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		pp := (*unsafe.Pointer)(p)
		if *pp == nil {
			*pp = reflect.New(t).UnsafePointer()
		}
		return elem.decode(b, *pp, depth)
	}
}

// decodeNull is decodePointer for which the byte empty stands for nil, and other,
// the empty value of the other kind, is refused.
func decodeNull(t reflect.Type, elem *decPlan, empty byte) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	decode := decodePointer(t, elem)
	return func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		switch {
		case len(b) == 0 || b[0] != emptyString && b[0] != emptyList:
			return decode(b, p, depth)
		case b[0] == empty:
			*(*unsafe.Pointer)(p) = nil
			return b[1:], nil
		case empty == emptyList:
			return b, ErrExpectedList
		}
		return b, ErrExpectedString
	}
}
