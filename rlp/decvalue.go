package rlp

import (
	"math/big"
	"reflect"
	"unsafe"
)

func decodeUint[T uint | uint8 | uint16 | uint32 | uint64](b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	x, rest, err := SplitUint(b)
	if err == nil && x > uint64(^T(0)) {
		err = ErrOverflow
	}
	if err != nil {
		return b, err
	}
	*(*T)(p) = T(x)
	return rest, nil
}

func decodeBool(b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	x, rest, err := SplitUint(b)
	if err == nil && x > 1 || err == ErrOverflow {
		err = ErrBool
	}
	if err != nil {
		return b, err
	}
	*(*bool)(p) = x == 1
	return rest, nil
}

func decodeString(b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	content, rest, err := SplitString(b)
	if err == nil {
		*(*string)(p) = string(content)
	}
	return rest, err
}

func decodeBytes(b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	content, rest, err := SplitString(b)
	if err == nil {
		*(*[]byte)(p) = clone(content)
	}
	return rest, err
}

// clone copies b to memory of its size. It is never nil, so that an empty string
// in an optional field is there when it is encoded again.
func clone(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

func decodeByteArray(n int) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
		return fill(unsafe.Slice((*byte)(p), n), b)
	}
}

func decodeBig(b []byte, p unsafe.Pointer, _ int) ([]byte, error) {
	content, rest, err := splitInt(b)
	if err == nil {
		(*big.Int)(p).SetBytes(content)
	}
	return rest, err
}

func decodeRaw(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	raw, rest, err := check(b, depth)
	if err == nil {
		*(*Raw)(p) = clone(raw)
	}
	return rest, err
}

func decodeCustom(t reflect.Type) func([]byte, unsafe.Pointer, int) ([]byte, error) {
	return func(b []byte, p unsafe.Pointer, depth int) ([]byte, error) {
		raw, rest, err := check(b, depth)
		if err == nil {
			err = reflect.NewAt(t, p).Interface().(Unmarshaler).UnmarshalRLP(raw)
		}
		return rest, err
	}
}
