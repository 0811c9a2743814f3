package rlp

import (
	"reflect"
	"sync"
	"unsafe"
)

// An encPlan encodes values of one type.
type encPlan struct {
	// encode appends the value at p, which lies in depth lists. Depth ends the
	// encoding of what contains itself.
	encode func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error)
	min    int       // the fewest bytes that encode appends
	null   byte      // what stands for a nil pointer to the type
	err    error     // why there is no plan
	copies sync.Pool // of unsafe.Pointer to zero values of the type
}

// encPlans has an *encPlan for each reflect.Type that was ever encoded.
var encPlans sync.Map

func encPlanOf(t reflect.Type) (*encPlan, error) {
	if got, ok := encPlans.Load(t); ok {
		plan := got.(*encPlan)
		return plan, plan.err
	}
	plan, err := encPlanner{}.plan(t)
	if err != nil {
		plan = &encPlan{err: err}
	}
	got, _ := encPlans.LoadOrStore(t, plan)
	plan = got.(*encPlan)
	return plan, plan.err
}

// An encPlanner makes the plans of a type and of all within. It has those that
// are not finished too, for types that contain themselves.
type encPlanner map[reflect.Type]*encPlan

func (m encPlanner) plan(t reflect.Type) (*encPlan, error) {
	if plan := m[t]; plan != nil {
		return plan, nil
	}
	plan := &encPlan{min: 1, null: emptyList}
	if nullOf(t) == nullString {
		plan.null = emptyString
	}
	m[t] = plan
	return plan, m.fill(plan, t)
}

func (m encPlanner) fill(plan *encPlan, t reflect.Type) error {
	switch {
	case reflect.PointerTo(t).Implements(appenderType):
		plan.encode = encodeCustom(t)
		return nil
	case t == bigType:
		plan.encode = encodeBig
		return nil
	case t == rawType:
		plan.encode = encodeRaw
		return nil
	case isBytes(t):
		m.bytes(plan, t)
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		plan.encode = encodeBool
	case reflect.Uint8:
		plan.encode = encodeUint[uint8]
	case reflect.Uint16:
		plan.encode = encodeUint[uint16]
	case reflect.Uint32:
		plan.encode = encodeUint[uint32]
	case reflect.Uint64:
		plan.encode = encodeUint[uint64]
	case reflect.Uint:
		plan.encode = encodeUint[uint]
	case reflect.String:
		plan.encode = encodeString
	case reflect.Interface:
		plan.encode = encodeInterface(t)
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

func (m encPlanner) bytes(plan *encPlan, t reflect.Type) {
	if t.Kind() == reflect.Slice {
		plan.encode = encodeBytes
		return
	}
	n := t.Len()
	if n > 1 {
		plan.min = headSize(n) + n
	}
	switch n {
	case 20:
		plan.encode = encode20
	case 32:
		plan.encode = encode32
	default:
		plan.encode = func(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
			return AppendBytes(dst, unsafe.Slice((*byte)(p), n)), nil
		}
	}
}

func (m encPlanner) pointer(plan *encPlan, t reflect.Type) error {
	elem, err := m.plan(t.Elem())
	plan.encode = encodePointer(elem, elem.null)
	return err
}

func encodePointer(elem *encPlan, null byte) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		p = *(*unsafe.Pointer)(p)
		if p == nil {
			return append(dst, null), nil
		}
		return elem.encode(dst, p, depth)
	}
}

// elements gives the first element of the slice at p, of any type, and their number.
func elements(p unsafe.Pointer) (first unsafe.Pointer, n int) {
	s := *(*[]struct{})(p) // slices of all types are laid out alike
	return unsafe.Pointer(unsafe.SliceData(s)), len(s)
}

func (m encPlanner) slice(plan *encPlan, t reflect.Type) error {
	size := t.Elem().Size()
	elem, err := m.plan(t.Elem())
	plan.encode = func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		first, n := elements(p)
		return encodeList(dst, first, n, size, elem, depth)
	}
	return err
}

func (m encPlanner) array(plan *encPlan, t reflect.Type) error {
	elem, err := m.plan(t.Elem())
	n, size := t.Len(), t.Elem().Size()
	plan.min = ListSize(n * elem.min)
	plan.encode = func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		return encodeList(dst, p, n, size, elem, depth)
	}
	return err
}

func encodeList(dst []byte, p unsafe.Pointer, n int, size uintptr, elem *encPlan, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrTooDeep
	}
	start := len(dst)
	room := headSize(n * elem.min)
	dst = openHead(dst, room)
	dst, err := encodeElements(dst, p, n, size, elem, depth+1)
	if err != nil {
		return dst, err
	}
	return closeList(dst, start, room), nil
}

func encodeElements(dst []byte, p unsafe.Pointer, n int, size uintptr, elem *encPlan, depth int) ([]byte, error) {
	var err error
	for i := range n {
		if dst, err = elem.encode(dst, unsafe.Add(p, uintptr(i)*size), depth); err != nil {
			return dst, atIndex(i, err)
		}
	}
	return dst, nil
}
