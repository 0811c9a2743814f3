package rlp

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"testing"
)

// Types that contain themselves, met at each of their parts first: the plan of
// one is not finished when the other's is made.
type (
	forest []grove
	grove  struct{ Trees forest }
	chain  struct {
		Next *chain `rlp:"optional"`
	}
	list struct {
		Tail []list `rlp:"tail"`
	}
)

func TestRecursiveTypes(t *testing.T) {
	for want, v := range map[string]any{
		"c4 c3c2c1c0":     forest{{forest{{forest{}}}}},
		"c3 c2c1c0":       grove{forest{{forest{}}}},
		"c4 c2c1c0 c0":    []*chain{{&chain{&chain{}}}, {}},
		"c2 c1c0":         chain{&chain{&chain{}}},
		"c5 c0 c2c0c0 c0": list{[]list{{[]list{}}, {[]list{{[]list{}}, {[]list{}}}}, {[]list{}}}},
	} {
		b := unhex(t, want)
		if got, err := Marshal(v); err != nil || !bytes.Equal(got, b) {
			t.Errorf("Marshal(%v) = %x, %v, want %s", v, got, err, want)
		}
		got := reflect.New(reflect.TypeOf(v))
		if err := Unmarshal(b, got.Interface()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), v) {
			t.Errorf("Unmarshal(%s) = %v, %v, want %v", want, got.Elem(), err, v)
		}
	}
	loop := new(chain)
	loop.Next = loop
	if _, err := Marshal(loop); !errors.Is(err, ErrTooDeep) {
		t.Errorf("Marshal(a struct in itself) = %v, want %v", err, ErrTooDeep)
	}
}

// The depth of what a Raw has within counts from the outermost list.
func TestDepthOfRaw(t *testing.T) {
	typ := rawType
	for range MaxDepth {
		typ = reflect.SliceOf(typ)
	}
	if err := Unmarshal(nested(MaxDepth+1), reflect.New(typ).Interface()); !errors.Is(err, ErrTooDeep) {
		t.Errorf("Unmarshal(%d lists) = %v, want %v", MaxDepth+1, err, ErrTooDeep)
	}
	if err := Unmarshal(nested(MaxDepth), reflect.New(typ).Interface()); err != nil {
		t.Errorf("Unmarshal(%d lists) = %v", MaxDepth, err)
	}
}

// A big.Int that is zero may be left out, whether it ever had another value or not.
func TestOptionalBig(t *testing.T) {
	type account struct {
		ID      uint
		Balance big.Int `rlp:"optional"`
	}
	a := account{ID: 1}
	a.Balance.SetUint64(1 << 40).SetUint64(0)
	if got, err := Marshal(&a); err != nil || !bytes.Equal(got, []byte{0xc1, 1}) {
		t.Errorf("Marshal = %x, %v, want c101", got, err)
	}
}

// A type that cannot be encoded is found before a value of it is there, and its
// path is named.
func TestTypeErrorPath(t *testing.T) {
	type bottom struct{ C chan int }
	type top struct{ Items []*bottom }
	_, err := Marshal(&top{})
	if want := "rlp: encode rlp.top.Items.C: chan int has no encoding"; err == nil || err.Error() != want {
		t.Errorf("Marshal = %v, want %s", err, want)
	}
	err = Unmarshal([]byte{0xc1, 0xc0}, new(top))
	if want := "rlp: decode rlp.top.Items.C: chan int has no encoding"; err == nil || err.Error() != want {
		t.Errorf("Unmarshal = %v, want %s", err, want)
	}
}
