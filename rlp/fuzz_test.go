package rlp

import (
	"bytes"
	"reflect"
	"testing"
	"testing/iotest"
)

func addSeeds(f *testing.F) {
	for _, v := range vectors(f, "rlptest.json", 28) {
		f.Add(unhex(f, v.Out))
	}
	for _, v := range vectors(f, "invalidRLPTest.json", 26) {
		f.Add(unhex(f, v.Out))
	}
	for _, v := range []any{testHeader(), testNeighbours(), testFuzzed()} {
		b, err := Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(nested(MaxDepth))
	f.Add(nested(MaxDepth + 1))
}

// There is one encoding of a value: what is accepted is what would be sent.
func FuzzAny(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		err := Unmarshal(b, &v)
		var raw Raw
		if rawErr := Unmarshal(b, &raw); (err == nil) != (rawErr == nil) {
			t.Fatalf("Unmarshal(%x): any: %v, Raw: %v", b, err, rawErr)
		}
		if err != nil {
			return
		}
		if again, err := Marshal(v); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
		if !bytes.Equal(raw, b) {
			t.Errorf("%x came back as %x", b, raw)
		}
	})
}

// fuzzed has a field of every sort that has one encoding for each value.
type fuzzed struct {
	Bool  bool
	Small uint8
	Mid   uint32
	Text  string
	Bytes []byte
	Hash  [4]byte
	One   [1]byte
	Ptr   *uint64 `rlp:"nil"`
	List  *[]uint `rlp:"nil"`
	Next  *fuzzed `rlp:"nilString"`
	Pairs [2][]uint16
	Kids  []fuzzed
	Any   any
	Raw   Raw
	Own   []picky
	Rest  []string `rlp:"tail"`
}

func testFuzzed() *fuzzed {
	plain := fuzzed{Raw: Raw{0xc1, 5}}
	return &fuzzed{
		Bool: true, Small: 200, Mid: 1 << 20, Text: "text", Bytes: []byte{0x80}, Hash: [4]byte{1}, One: [1]byte{0xff},
		Ptr: ptr(uint64(5)), List: &[]uint{6}, Next: &plain, Pairs: [2][]uint16{{}, {7, 8}}, Kids: []fuzzed{plain, plain},
		Any: []any{"a", []any{}}, Raw: Raw{0x81, 0x80}, Own: []picky{{Raw{0xc0}}}, Rest: []string{"rest", "left"},
	}
}

func FuzzStruct(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v fuzzed
		if err := Unmarshal(b, &v); err != nil {
			return
		}
		if v.List != nil && len(*v.List) == 0 || v.Ptr != nil && *v.Ptr == 0 {
			t.Errorf("Unmarshal(%x) points to what stands for nil", b)
		}
		if again, err := Marshal(v); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
		var header header
		_ = Unmarshal(b, &header)
		var neighbours neighbours
		_ = Unmarshal(b, &neighbours)
	})
}

func FuzzSplit(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, content, rest, err := Split(b)
		if err != nil {
			if !bytes.Equal(rest, b) {
				t.Errorf("Split(%x) = %v and left %x", b, err, rest)
			}
			return
		}
		again := AppendBytes(nil, content)
		if kind == List {
			again = append(AppendListHead(nil, len(content)), content...)
		}
		if !bytes.Equal(append(again, rest...), b) {
			t.Errorf("%x came back as %x%x", b, again, rest)
		}
		if x, _, err := SplitUint(b); err == nil && !bytes.Equal(AppendUint(nil, x), again) {
			t.Errorf("SplitUint(%x) = %d", b, x)
		}
		n, err := Count(b)
		for i := range n {
			if _, _, b, err = Split(b); err != nil {
				t.Fatalf("Count = %d, but value %d is %v", n, i, err)
			}
		}
		if _, again := Count(b); err == nil && len(b) > 0 && again == nil {
			t.Errorf("Count = %d, but %x is left", n, b)
		}
	})
}

// copyValues reads what is left of a list and writes it again.
func copyValues(r *Reader, dst []byte) ([]byte, error) {
	for r.More() {
		start := len(dst)
		kind, err := r.Kind()
		if err != nil {
			return dst, err
		}
		if kind == String {
			b, err := r.Bytes()
			if err != nil {
				return dst, err
			}
			dst = AppendBytes(dst, b)
			continue
		}
		if err = r.List(); err != nil {
			return dst, err
		}
		if dst, err = copyValues(r, dst); err != nil {
			return dst, err
		}
		if err = r.ListEnd(); err != nil {
			return dst, err
		}
		dst = WrapList(dst, start)
	}
	return dst, nil
}

func FuzzReader(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := copyValues(NewReader(b), nil)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x", b, again)
		}
		var want error
		for rest := b; len(rest) > 0 && want == nil; {
			_, rest, want = check(rest, 0)
		}
		if (err == nil) != (want == nil) {
			t.Errorf("the Reader says %v of %x, want %v", err, b, want)
		}
	})
}

// A stream gives the values that lie one after another in its bytes.
func FuzzDecoder(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(iotest.HalfReader(bytes.NewReader(b)), 1<<16)
		for rest := b; ; {
			raw, err := d.Next()
			kind, _, after, splitErr := Split(rest)
			if (err == nil) != (splitErr == nil) && err != ErrTooLarge {
				t.Fatalf("Next of %x = %v, Split = %v", rest, err, splitErr)
			}
			if err != nil {
				return
			}
			if want := rest[:len(rest)-len(after)]; !bytes.Equal(raw, want) || kind == 0 {
				t.Fatalf("Next = %x, want %x", raw, want)
			}
			rest = after
		}
	})
}

// Decoding twice gives the same, whatever the target had before.
func FuzzAgain(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, twice neighbours
		if Unmarshal(b, &once) != nil {
			return
		}
		twice = *testNeighbours()
		if err := Unmarshal(b, &twice); err != nil || !reflect.DeepEqual(once, twice) {
			t.Errorf("Unmarshal(%x) = %v, then %v, %v", b, once, twice, err)
		}
	})
}
