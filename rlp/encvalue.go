package rlp

import (
	"math/big"
	"reflect"
	"unsafe"
)

// encode32 is for hashes: a copy of known size is no call.
func encode32(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	dst = append(dst, emptyString+32)
	return append(dst, (*[32]byte)(p)[:]...), nil
}

// encode20 is for addresses.
func encode20(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	dst = append(dst, emptyString+20)
	return append(dst, (*[20]byte)(p)[:]...), nil
}

func encodeUint[T uint | uint8 | uint16 | uint32 | uint64](dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	return AppendUint(dst, uint64(*(*T)(p))), nil
}

func encodeBool(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	if *(*bool)(p) {
		return append(dst, 1), nil
	}
	return append(dst, emptyString), nil
}

func encodeString(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	return AppendString(dst, *(*string)(p)), nil
}

func encodeBytes(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	return AppendBytes(dst, *(*[]byte)(p)), nil
}

func encodeBig(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	return AppendBig(dst, (*big.Int)(p))
}

func encodeRaw(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	raw := *(*Raw)(p)
	if !isValue(raw) {
		return dst, ErrNotValue
	}
	return append(dst, raw...), nil
}

func encodeInterface(t reflect.Type) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		v := reflect.NewAt(t, p).Elem()
		if v.IsNil() {
			return append(dst, emptyList), nil
		}
		return appendAny(dst, v.Elem().Interface(), depth)
	}
}

func encodeCustom(t reflect.Type) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(dst []byte, p unsafe.Pointer, _ int) ([]byte, error) {
		out, err := reflect.NewAt(t, p).Interface().(Appender).AppendRLP(dst)
		if err != nil {
			return dst, err
		}
		if len(out) < len(dst) || !isValue(out[len(dst):]) {
			return dst, ErrNotValue
		}
		return out, nil
	}
}

// isValue tells whether b is one value, by its head.
func isValue(b []byte) bool {
	_, _, end, err := head(b)
	return err == nil && end == len(b)
}
