package rlp

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestReader(t *testing.T) {
	b := unhex(t, "01 d9 820400 c3826162 89400000000000000000 83010203 c101 05 06 83656e64")
	r := NewReader(b)
	var got []any
	note := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("after %v: %v", got, err)
		}
		got = append(got, v)
	}
	note(r.Uint64())
	note(r.Kind())
	note("in", r.List())
	note(r.Uint(math.MaxUint16))
	note("in", r.List())
	s, err := r.Bytes()
	note(string(s), err)
	note(r.More(), nil)
	note("out", r.ListEnd())
	x, err := r.Big()
	note(x.String(), err)
	var a [3]byte
	err = r.Fill(a[:])
	note(a, err)
	raw, err := r.Raw()
	note(string(raw), err)
	note(r.More(), nil)
	r.Skip()
	note("out", r.ListEnd())
	note(r.Kind())
	s, err = r.Bytes()
	note(string(s), err)
	note(r.More(), nil)

	want := []any{
		uint64(1), List, "in", uint64(1024), "in", "ab", false, "out", "1180591620717411303424",
		[3]byte{1, 2, 3},
		"\xc1\x01", true, "out", String, "end", false,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A method that fails changes nothing: the value can be read as what it is.
func TestReaderErrors(t *testing.T) {
	r := NewReader(unhex(t, "c6 820100 c2 8100 00"))
	check := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s = %v, want %v", name, err, want)
		}
	}
	each := func(where string, want error) {
		t.Helper()
		_, err := r.Bytes()
		check("Bytes "+where, err, want)
		_, err = r.Uint64()
		check("Uint64 "+where, err, want)
		_, err = r.Big()
		check("Big "+where, err, want)
		check("Fill "+where, r.Fill(nil), want)
	}
	each("of a list", ErrExpectedString)
	check("List", r.List(), nil)
	check("List of a string", r.List(), ErrExpectedList)
	check("ListEnd too early", r.ListEnd(), ErrTooMany)
	_, err := r.Uint(255)
	check("Uint(255) of 256", err, ErrOverflow)
	check("Fill of another length", r.Fill(make([]byte, 3)), ErrLength)
	check("Fill", r.Fill(make([]byte, 2)), nil)
	check("List", r.List(), nil)
	each("of 8100", ErrSize)
	_, err = r.Raw()
	check("Raw of 8100", err, ErrSize)
	_, err = r.Kind()
	check("Kind of 8100", err, ErrSize)
	r.Skip()
	each("at the end", ErrTooFew)
	_, err = r.Raw()
	check("Raw at the end", err, ErrTooFew)
	_, err = r.Kind()
	check("Kind at the end", err, ErrTooFew)
	check("List at the end", r.List(), ErrTooFew)
	check("ListEnd", r.ListEnd(), nil)
	check("ListEnd", r.ListEnd(), nil)
	_, err = r.Uint64()
	check("Uint64 of 00", err, ErrInteger)
	_, err = r.Big()
	check("Big of 00", err, ErrInteger)
}

func TestReaderDepth(t *testing.T) {
	r := NewReader(nested(MaxDepth + 1))
	for range MaxDepth {
		if err := r.List(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.List(); err != ErrTooDeep {
		t.Errorf("List = %v, want %v", err, ErrTooDeep)
	}
	if raw, err := r.Raw(); err != nil || !bytes.Equal(raw, []byte{0xc0}) {
		t.Errorf("Raw = %x, %v, want c0", raw, err)
	}
	for range MaxDepth {
		if err := r.ListEnd(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ListEnd(); err == nil || r.More() {
		t.Errorf("ListEnd with no list open = %v, want an error", err)
	}
}

func TestZeroReader(t *testing.T) {
	var r Reader
	if _, err := r.Uint64(); err != ErrTooFew || r.More() {
		t.Errorf("Uint64 = %v, want %v", err, ErrTooFew)
	}
}

func TestReaderDoesNotAllocate(t *testing.T) {
	b, err := Marshal(testNeighbours())
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	if n := testing.AllocsPerRun(100, func() {
		r := NewReader(b)
		for err := errors.Join(r.List(), r.List()); err == nil && r.More(); err = r.ListEnd() {
			_ = r.List()
			_, _ = r.Bytes()
			x, _ := r.Uint64()
			sum += x
			r.Skip()
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times, want never", n)
	}
	if sum != 101*12*30303 {
		t.Errorf("the ports add up to %d, want %d", sum, 101*12*30303)
	}
}
