package rlp

import (
	"bytes"
	"errors"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"testing"
)

// slow encodes as the package comment says, by reflection and without a plan:
// what the plans, which go by offsets, are measured against.
func slow(v reflect.Value) []byte {
	t := v.Type()
	switch k := t.Kind(); {
	case t == bigType:
		x := v.Interface().(big.Int)
		return AppendBytes(nil, x.Bytes())
	case k == reflect.Bool && v.Bool():
		return []byte{1}
	case k == reflect.Bool:
		return []byte{0x80}
	case k == reflect.String:
		return AppendString(nil, v.String())
	case k == reflect.Pointer && !v.IsNil():
		return slow(v.Elem())
	case k == reflect.Pointer && nullOf(t.Elem()) == nullString:
		return []byte{0x80}
	case k == reflect.Pointer:
		return []byte{0xc0}
	case v.CanUint():
		return AppendUint(nil, v.Uint())
	case k == reflect.Struct:
		return slowStruct(v)
	}
	var content []byte
	for i := range v.Len() {
		if t.Elem().Kind() == reflect.Uint8 {
			content = append(content, byte(v.Index(i).Uint()))
		} else {
			content = append(content, slow(v.Index(i))...)
		}
	}
	if t.Elem().Kind() == reflect.Uint8 {
		return AppendBytes(nil, content)
	}
	return WrapList(content, 0)
}

func slowStruct(v reflect.Value) []byte {
	var content []byte
	for i := range v.NumField() {
		rest := false // whether a field from here on has something to say
		for j := i; j < v.NumField(); j++ {
			tag := v.Type().Field(j).Tag
			rest = rest || tag == "" || tag == `rlp:"optional"` && !v.Field(j).IsZero() || tag == `rlp:"tail"` && v.Field(j).Len() > 0
		}
		switch f := v.Type().Field(i); {
		case !rest:
		case f.Tag == `rlp:"tail"`:
			for j := range v.Field(i).Len() {
				content = append(content, slow(v.Field(i).Index(j))...)
			}
		default:
			content = append(content, slow(v.Field(i))...)
		}
	}
	return WrapList(content, 0)
}

// randomType makes up a type.
func randomType(r *rand.Rand, deep int) reflect.Type {
	plain := []any{
		false, uint8(0), uint16(0), uint32(0), uint64(0), uint(0), "",
		[]byte{},
		[20]byte{},
		[32]byte{},
		[1]byte{},
		[60]byte{},
		big.Int{},
	}
	if deep == 0 || r.IntN(2) == 0 {
		return reflect.TypeOf(plain[r.IntN(len(plain))])
	}
	switch r.IntN(4) {
	case 0:
		return reflect.SliceOf(randomType(r, deep-1))
	case 1:
		return reflect.ArrayOf(r.IntN(4), randomType(r, deep-1))
	case 2:
		return reflect.PointerTo(randomType(r, deep-1))
	}
	var fields []reflect.StructField
	tag := reflect.StructTag("")
	for i := range r.IntN(6) {
		t := randomType(r, deep-1)
		if r.IntN(4) == 0 {
			tag = `rlp:"optional"`
		}
		fields = append(fields, reflect.StructField{Name: "F" + strconv.Itoa(i), Type: t, Tag: tag})
	}
	if r.IntN(4) == 0 {
		t := reflect.SliceOf(reflect.SliceOf(randomType(r, 0))) // of slices, as bytes can be no tail
		fields = append(fields, reflect.StructField{Name: "Tail", Type: t, Tag: `rlp:"tail"`})
	}
	return reflect.StructOf(fields)
}

// randomize fills in v: everything in it, so that it comes back as it went.
func randomize(r *rand.Rand, v reflect.Value) {
	if x, ok := v.Addr().Interface().(*big.Int); ok {
		x.SetBytes(make([]byte, r.IntN(20)+1)).SetBit(x, r.IntN(150), 1)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.String:
		v.SetString(string(make([]byte, r.IntN(70))))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		randomize(r, v.Elem())
	case reflect.Slice:
		n := r.IntN(5)
		if r.IntN(5) == 0 {
			n = r.IntN(80)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			randomize(r, v.Index(i))
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			randomize(r, f)
		}
	default:
		v.SetUint(r.Uint64() >> r.IntN(64))
	}
}

func TestRandomTypes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		typ := randomType(r, 4)
		for range 3 {
			in := reflect.New(typ)
			randomize(r, in.Elem())
			want := slow(in.Elem())
			for _, v := range []any{in.Interface(), in.Elem().Interface()} {
				if got, err := Marshal(v); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("Marshal(%T %v) = %x, %v, want %x", v, in.Elem(), got, err, want)
				}
			}
			out := reflect.New(typ)
			randomize(r, out.Elem()) // what is there must not matter
			if err := Unmarshal(want, out.Interface()); err != nil {
				t.Fatalf("Unmarshal(%x, %v) = %v", want, typ, err)
			}
			if again := slow(out.Elem()); !bytes.Equal(again, want) {
				t.Fatalf("Unmarshal(%x, %v) = %v, which is %x", want, typ, out.Elem(), again)
			}
		}
	}
}

// A broken encoding must be an error or a value, for every type.
func TestRandomBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	failed := 0
	for range 300 {
		typ := randomType(r, 3)
		in := reflect.New(typ)
		randomize(r, in.Elem())
		b := slow(in.Elem())
		for range 10 {
			broken := bytes.Clone(b)
			broken[r.IntN(len(b))] ^= 1 << r.IntN(8)
			out := reflect.New(typ)
			err := Unmarshal(broken[:len(b)-r.IntN(2)], out.Interface())
			var e *DecodeError
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("Unmarshal(%x, %v) = %T, want a *DecodeError", broken, typ, err)
			}
			if err != nil {
				failed++
			}
		}
	}
	if failed < 500 || failed == 3000 {
		t.Errorf("%d of 3000 broken encodings were refused", failed)
	}
}

// The first uses of a type may come at once.
func TestConcurrentPlans(t *testing.T) {
	type node struct {
		Kids []*node
		Next *node `rlp:"nil"`
		Any  any
	}
	v := &node{[]*node{{Any: uint(1)}}, &node{Any: "a"}, []any{uint16(2), pair{1, []byte{2}}}}
	want := unhex(t, "ce c4c3c0c001 c3c0c061 c4 02 c20102")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				got, err := Marshal(v)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("Marshal = %x, %v, want %x", got, err, want)
				}
				var out node
				if err := Unmarshal(want, &out); err != nil || len(out.Kids) != 1 {
					t.Errorf("Unmarshal = %v, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}
