package rlp

import (
	"errors"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	for name, c := range both {
		if _, ok := c.v.([]any); ok {
			continue // see TestUnmarshalAny
		}
		b := unhex(t, c.hex)
		got := reflect.New(reflect.TypeOf(c.v))
		if err := Unmarshal(b, got.Interface()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), c.v) {
			t.Errorf("%s: Unmarshal(%x) = %v, %v, want %v", name, b, got.Elem(), err, c.v)
		}
	}
}

func TestUnmarshalAny(t *testing.T) {
	var got any = 7 // is replaced
	want := []any{[]byte("a"), []any{}, []any{[]byte{}}}
	if err := Unmarshal(unhex(t, "c461c0c180"), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Unmarshal(any) = %v, %v, want %v", got, err, want)
	}
}

type outer struct {
	ID    uint16
	Heads []inner
	Last  *inner
}

type inner struct {
	Hash [4]byte
	TD   *big.Int
	Ok   bool
}

func TestUnmarshalErrors(t *testing.T) {
	type message struct{ Text string }
	for _, c := range []struct {
		hex  string
		into any
		is   error
		want string
	}{
		{"c3 82666f", new(string), ErrExpectedString, "rlp: decode string: expected string, got list"},
		{"83666f6f", new([1]string), ErrExpectedList, "rlp: decode [1]string: expected list, got string"},
		{"c483666f6f", new(message), nil, ""},
		{"83666f6f", new(message), ErrExpectedList, "rlp: decode rlp.message: expected list, got string"},
		{"c1c0", new(message), ErrExpectedString, "rlp: decode rlp.message.Text: expected string, got list"},
		{"c0", new(message), ErrTooFew, "rlp: decode rlp.message.Text: too few elements"},
		{"c20102", new(message), ErrTooMany, "rlp: decode rlp.message: too many elements"},
		{"", new(message), ErrTruncated, "rlp: decode rlp.message: input ends within a value"},
		{"c10102", new(message), ErrTrailing, "rlp: decode rlp.message: bytes left after the value"},
		{"c183", new(message), ErrTruncated, "rlp: decode rlp.message.Text: input ends within a value"},
		{"c4 01 c0 c105", new(outer), ErrLength, "rlp: decode rlp.outer.Last.Hash: wrong length: expected 4 bytes, got 1"},
		{"cb 01 c8 c7 8400000000 c0 01 c0", new(outer), ErrExpectedString, "rlp: decode rlp.outer.Heads[0].TD: expected string, got list"},
		{"cb 01 c8 c7 8400000000 00 01 c0", new(outer), ErrInteger, "rlp: decode rlp.outer.Heads[0].TD: integer is not canonical"},
		{"cb 01 c8 c7 8400000000 01 02 c0", new(outer), ErrBool, "rlp: decode rlp.outer.Heads[0].Ok: bool is neither 0 nor 1"},
		{"c9 01 c6 c5 83000000 01 c0", new(outer), ErrLength, "rlp: decode rlp.outer.Heads[0].Hash: wrong length: expected 4 bytes, got 3"},
		{"c6 83010000 c0 c0", new(outer), ErrOverflow, "rlp: decode rlp.outer.ID: integer is too large"},
		{"c4 01 c0 c0 83", new([]any), ErrTruncated, "rlp: decode []any[3]: input ends within a value"},
		{"c2 c1 b8", new(any), ErrTruncated, "rlp: decode any[0][0]: input ends within a value"},
		{"c2 01 02", new([3]uint), ErrTooFew, "rlp: decode [3]uint[2]: too few elements"},
		{"c2 01 02", new([1]uint), ErrTooMany, "rlp: decode [1]uint: too many elements"},
		{"820100", new(uint8), ErrOverflow, "rlp: decode uint8: integer is too large"},
		{"8401000000", new(uint16), ErrOverflow, "rlp: decode uint16: integer is too large"},
		{"850100000000", new(uint32), ErrOverflow, "rlp: decode uint32: integer is too large"},
		{"89010000000000000000", new(bool), ErrBool, "rlp: decode bool: bool is neither 0 nor 1"},
		{"8100", new([1]byte), ErrSize, "rlp: decode [1]uint8: size is not canonical"},
		{"c1 80", new([]*pair), ErrExpectedList, "rlp: decode []*rlp.pair[0]: expected list, got string"},
		{"c8 c0 c0c080 c0 c20180 80", new(nils), ErrExpectedString, "rlp: decode rlp.nils.A: expected string, got list"},
		{"c8 80 80c080 c0 c20180 80", new(nils), ErrExpectedList, "rlp: decode rlp.nils.B: expected list, got string"},
		{"c8 80 c08080 c0 c20180 80", new(nils), ErrExpectedList, "rlp: decode rlp.nils.C: expected list, got string"},
		{"c8 80 c0c0c0 c0 c20180 80", new(nils), ErrExpectedString, "rlp: decode rlp.nils.D: expected string, got list"},
		{"c6 80 c0c080 c0 80", new(nils), ErrTooFew, "rlp: decode rlp.nils.E.A: too few elements"},
		{"c4 01 02 c0 04", new(tailed), ErrExpectedString, "rlp: decode rlp.tailed.C[0]: expected string, got list"},
		{"c2 c1c0", new([]millis), ErrExpectedString, "rlp: decode []rlp.millis[0]: expected string, got list"},
		{"f864" + strings.Repeat("01", 100), new(picky), errPicky, "rlp: decode rlp.picky: test: too long for my taste"},
		{"01", new(int), nil, "rlp: decode int: int is signed; RLP has unsigned integers only"},
		{"c101", new([]error), nil, "rlp: decode []error: error can be decoded only if it has no methods"},
		{"01", 5, nil, "rlp: decode int: the target must be a pointer, and not nil"},
		{"01", nil, nil, "rlp: decode <nil>: the target must be a pointer, and not nil"},
		{"01", (*uint)(nil), nil, "rlp: decode *uint: the target must be a pointer, and not nil"},
	} {
		err := Unmarshal(unhex(t, c.hex), c.into)
		if c.want == "" {
			if err != nil {
				t.Errorf("Unmarshal(%s, %T) = %v", c.hex, c.into, err)
			}
			continue
		}
		var e *DecodeError
		if !errors.As(err, &e) || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("Unmarshal(%s, %T) = %v, want %s", c.hex, c.into, err, c.want)
		}
	}
}

// What is decoded is the caller's: neither the input nor what was decoded before
// shares memory with it.
func TestUnmarshalShares(t *testing.T) {
	type all struct {
		Bytes []byte
		Text  string
		Raw   Raw
		Any   any
		Uints []uint8
		Words []uint16
	}
	b := unhex(t, "d2820102824142820304820405820607c20809")
	var first, second all
	if err := Unmarshal(b, &first); err != nil {
		t.Fatal(err)
	}
	second = first
	want := all{[]byte{1, 2}, "AB", Raw{0x82, 3, 4}, []byte{4, 5}, []uint8{6, 7}, []uint16{8, 9}}
	if !reflect.DeepEqual(first, want) {
		t.Fatalf("Unmarshal(%x) = %v, want %v", b, first, want)
	}
	for i := range b {
		if b[i] < 0x40 {
			b[i]++
		}
	}
	if err := Unmarshal(b, &first); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(second, want) {
		t.Errorf("a second Unmarshal has changed what the first gave to %v, want %v", second, want)
	}
}

// Pointers that are there are decoded into, and optional fields that are not are set to zero.
func TestUnmarshalInto(t *testing.T) {
	td := big.NewInt(99)
	got := inner{TD: td}
	if err := Unmarshal(unhex(t, "c784000000000501"), &got); err != nil || got.TD != td || td.Uint64() != 5 {
		t.Errorf("Unmarshal = %v, %v, want 5 in the big.Int that was there", got, err)
	}
	o := optionals{5, 5, []byte{5}, &pair{}}
	if err := Unmarshal(unhex(t, "c101"), &o); err != nil || !reflect.DeepEqual(o, optionals{A: 1}) {
		t.Errorf("Unmarshal(c101) = %v, %v, want the optional fields to be zero", o, err)
	}
	n := tree{Next: &tree{Name: "old"}}
	if err := Unmarshal(unhex(t, "c361c0c0"), &n); err != nil || n.Next != nil {
		t.Errorf("Unmarshal = %v, %v, want Next to be nil", n, err)
	}
}

// A peer that lies about counts and sizes gets little memory for it.
func TestUnmarshalAllocates(t *testing.T) {
	type large [1 << 20]byte
	type fat struct {
		N    uint
		Text [1 << 10]uint64
	}
	lots := strings.Repeat("c0", 1<<16)
	for name, c := range map[string]struct {
		hex   string
		into  func() any
		bytes uint64
	}{
		"claimed list":      {"ff7fffffffffffffff", func() any { return new([]fat) }, 8 << 10},
		"claimed string":    {"bf7fffffffffffffff", func() any { return new([]byte) }, 8 << 10},
		"claimed any":       {"ff00000100000000", func() any { return new(any) }, 8 << 10},
		"elements that fit": {"fa010000" + lots, func() any { return new([]fat) }, 80 << 10},
		"pointers":          {"fa010000" + lots, func() any { return new([]*fat) }, 80 << 10},
		"large array":       {"f90100" + strings.Repeat("01", 256), func() any { return new([]*large) }, 2 << 20},
	} {
		b := unhex(t, c.hex)
		_ = Unmarshal(b, c.into()) // makes the plan
		into := c.into()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := Unmarshal(b, into)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > c.bytes {
			t.Errorf("%s: Unmarshal took %d bytes and returned %v, want an error for at most %d bytes", name, got, err, c.bytes)
		}
	}
}
