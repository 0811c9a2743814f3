package rlp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for in, want := range map[string]struct {
		kind          Kind
		content, rest string
	}{
		"00":                                  {String, "00", ""},
		"7f01":                                {String, "7f", "01"},
		"80c0":                                {String, "", "c0"},
		"818001":                              {String, "80", "01"},
		"83646f6764":                          {String, "646f67", "64"},
		"c0":                                  {List, "", ""},
		"c20102ff":                            {List, "0102", "ff"},
		"b838" + strings.Repeat("ab", 57):     {String, strings.Repeat("ab", 56), "ab"},
		"f9 0100" + strings.Repeat("01", 256): {List, strings.Repeat("01", 256), ""},
	} {
		b := unhex(t, in)
		kind, content, rest, err := Split(b)
		if err != nil || kind != want.kind || !bytes.Equal(content, unhex(t, want.content)) || !bytes.Equal(rest, unhex(t, want.rest)) {
			t.Errorf("Split(%s) = %v, %x, %x, %v, want %v", in, kind, content, rest, err, want)
		}
		if cap(content) != len(content) {
			t.Errorf("Split(%s): appending to the content would write to the rest", in)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for in, want := range map[string]error{
		"":                     ErrTruncated,
		"81":                   ErrTruncated,
		"8100":                 ErrSize,
		"817f":                 ErrSize,
		"b8":                   ErrTruncated,
		"b837":                 ErrSize,
		"b800":                 ErrSize,
		"b90038":               ErrSize,
		"b838":                 ErrTruncated,
		"bf7fffffffffffffff00": ErrTruncated,
		"bfffffffffffffffff00": ErrTruncated,
		"c1":                   ErrTruncated,
		"f8":                   ErrTruncated,
		"f837":                 ErrSize,
		"ffffffffffffffffff00": ErrTruncated,
		"ff8000000000000000":   ErrTruncated,
	} {
		b := unhex(t, in)
		if _, content, rest, err := Split(b); err != want || content != nil || !bytes.Equal(rest, b) {
			t.Errorf("Split(%s) = %x, %x, %v, want %v and all left", in, content, rest, err, want)
		}
	}
}

func TestSplitOfAKind(t *testing.T) {
	if _, rest, err := SplitList([]byte{0x82, 1, 2}); err != ErrExpectedList || len(rest) != 3 {
		t.Errorf("SplitList(820102) = %x, %v, want %v", rest, err, ErrExpectedList)
	}
	if content, rest, err := SplitList([]byte{0xc1, 1, 2}); err != nil || len(content) != 1 || len(rest) != 1 {
		t.Errorf("SplitList(c10102) = %x, %x, %v, want 01, 02", content, rest, err)
	}
	if _, rest, err := SplitString([]byte{0xc0}); err != ErrExpectedString || len(rest) != 1 {
		t.Errorf("SplitString(c0) = %x, %v, want %v", rest, err, ErrExpectedString)
	}
	for in, want := range map[string]struct {
		x   uint64
		err error
	}{
		"80": {0, nil}, "01": {1, nil}, "7f": {127, nil}, "8180": {128, nil}, "88ffffffffffffffff": {1<<64 - 1, nil},
		"00": {0, ErrInteger}, "820001": {0, ErrInteger}, "8101": {0, ErrSize}, "": {0, ErrTruncated},
		"89010000000000000000": {0, ErrOverflow}, "c0": {0, ErrExpectedString},
	} {
		if x, _, err := SplitUint(unhex(t, in)); x != want.x || err != want.err {
			t.Errorf("SplitUint(%s) = %d, %v, want %v", in, x, err, want)
		}
	}
}

func TestCount(t *testing.T) {
	for in, want := range map[string]struct {
		n   int
		err error
	}{
		"": {0, nil}, "80": {1, nil}, "01c2010282abcd": {3, nil}, "0102b8": {2, ErrTruncated},
	} {
		if n, err := Count(unhex(t, in)); n != want.n || err != want.err {
			t.Errorf("Count(%s) = %d, %v, want %v", in, n, err, want)
		}
	}
}

func TestKindString(t *testing.T) {
	if got := String.String() + List.String() + Kind(0).String(); got != "stringlistinvalid" {
		t.Errorf("the kinds are %q", got)
	}
}

// nested is a list within a list, deep times.
func nested(deep int) []byte {
	var b []byte
	for range deep {
		b = WrapList(b, 0)
	}
	return b
}

type nest []nest

func TestDepth(t *testing.T) {
	for _, into := range []any{new(any), new(Raw), new(nest), new(picky), new([]Raw)} {
		if err := Unmarshal(nested(MaxDepth), into); err != nil {
			t.Errorf("Unmarshal(%d lists, %T) = %v", MaxDepth, into, err)
		}
		if err := Unmarshal(nested(MaxDepth+1), into); !errors.Is(err, ErrTooDeep) {
			t.Errorf("Unmarshal(%d lists, %T) = %v, want %v", MaxDepth+1, into, err, ErrTooDeep)
		}
		if err := Unmarshal(nested(1000), into); !errors.Is(err, ErrTooDeep) {
			t.Errorf("Unmarshal(1000 lists, %T) = %v, want %v", into, err, ErrTooDeep)
		}
	}
	loop := nest{nil}
	loop[0] = loop
	if _, err := Marshal(loop); !errors.Is(err, ErrTooDeep) {
		t.Errorf("Marshal(a list in itself) = %v, want %v", err, ErrTooDeep)
	}
	list := []any{nil}
	list[0] = list
	if _, err := Marshal(list); !errors.Is(err, ErrTooDeep) {
		t.Errorf("Marshal(a list of any in itself) = %v, want %v", err, ErrTooDeep)
	}
}

// check is a loop over open lists; it must see what comes after each of them.
func TestRawIsCheckedWithin(t *testing.T) {
	for in, want := range map[string]error{
		"c3c20102":         nil,
		"c5c0c1c0c101":     nil,
		"c4c101 8100":      ErrSize,
		"c4c2 8101 80":     ErrSize,
		"c3c1 81 80":       ErrTruncated,
		"c6c3c2c101 b838":  ErrTruncated,
		"c2c0 b8":          ErrTruncated,
		"c5c2c1c0 81 05":   ErrSize,
		"c4 c0c0 c281":     ErrTruncated,
		"c7c0c1c0c3c0c1c0": nil,
	} {
		var raw Raw
		b := unhex(t, in)
		err := Unmarshal(b, &raw)
		if !errors.Is(err, want) || want == nil && !bytes.Equal(raw, b) {
			t.Errorf("Unmarshal(%s, Raw) = %x, %v, want %v", in, raw, err, want)
		}
	}
}
