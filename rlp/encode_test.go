package rlp

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

// picky is a custom type: a list of any length, kept as bytes, of less than 100.
type picky struct{ raw []byte }

func (p *picky) AppendRLP(dst []byte) ([]byte, error) {
	if len(p.raw) >= 100 {
		return append(dst, 1), errPicky
	}
	return append(dst, p.raw...), nil
}

func (p *picky) UnmarshalRLP(raw []byte) error {
	if len(raw) >= 100 {
		return errPicky
	}
	p.raw = bytes.Clone(raw)
	return nil
}

var errPicky = errors.New("test: too long for my taste")

// millis is a custom type with value receivers, of a kind that has no encoding.
type millis time.Duration

func (m millis) AppendRLP(dst []byte) ([]byte, error) {
	return AppendUint(dst, uint64(time.Duration(m).Milliseconds())), nil
}

func (m *millis) UnmarshalRLP(raw []byte) error {
	x, _, err := SplitUint(raw)
	*m = millis(time.Duration(x) * time.Millisecond)
	return err
}

// bad is an Appender of what is not one value.
type bad string

func (b bad) AppendRLP(dst []byte) ([]byte, error) {
	if b == "cut" {
		return dst[:0], nil
	}
	return append(dst, b...), nil
}

type pair struct {
	A uint8
	B []byte
}

type optionals struct {
	A uint
	B uint8  `rlp:"optional"`
	C []byte `rlp:"optional"`
	D *pair  `rlp:"optional"`
}

type tailed struct {
	A uint
	B uint     `rlp:"optional"`
	C []uint16 `rlp:"tail"`
}

type nils struct {
	A *uint `rlp:"nil"`
	B *pair `rlp:"nil"`
	C *uint `rlp:"nilList"`
	D *pair `rlp:"nilString"`
	E *pair
	F *uint
}

type tree struct {
	Name string
	Kids []tree
	Next *tree `rlp:"nil"`
}

type (
	name   string
	octet  byte
	octets []octet
	short  uint16
	yes    bool
)

type mixed struct {
	_    int
	A    name
	Skip map[string]int `rlp:"-"`
	B    octets
	C    [3]octet
	D    short
	E    yes
	pair
	F any
	Pair
}

// Pair is embedded, and a field like others.
type Pair struct{ X, Y uint }

func ptr[T any](v T) *T { return &v }

// both are values that encode to the bytes and decode from them again.
var both = map[string]struct {
	v   any
	hex string
}{
	"uint8":           {uint8(200), "81c8"},
	"uint16":          {uint16(0x1234), "821234"},
	"uint32":          {uint32(0), "80"},
	"uint64":          {uint64(1<<64 - 1), "88ffffffffffffffff"},
	"uint":            {uint(5), "05"},
	"true":            {true, "01"},
	"false":           {false, "80"},
	"string":          {"dog", "83646f67"},
	"bytes":           {[]byte{0x80}, "8180"},
	"byte array":      {[3]byte{1, 2, 3}, "83010203"},
	"array of one":    {[1]byte{1}, "01"},
	"one large":       {[1]byte{0xff}, "81ff"},
	"empty array":     {[0]byte{}, "80"},
	"address":         {[20]byte{19: 1}, "94" + strings.Repeat("00", 19) + "01"},
	"hash":            {[32]byte{31: 1}, "a0" + strings.Repeat("00", 31) + "01"},
	"public key":      {[64]byte{63: 1}, "b840" + strings.Repeat("00", 63) + "01"},
	"big":             {*new(big.Int).Lsh(big.NewInt(1), 64), "89010000000000000000"},
	"big pointer":     {new(big.Int).Lsh(big.NewInt(1), 63), "888000000000000000"},
	"raw":             {Raw{0xc2, 1, 2}, "c20102"},
	"slice":           {[]uint{1, 200}, "c30181c8"},
	"empty slice":     {[]uint{}, "c0"},
	"array":           {[2]string{"a", "bc"}, "c461826263"},
	"long slice":      {make([]uint, 56), "f838" + strings.Repeat("80", 56)},
	"slice of hashes": {make([][2]byte, 90), "f9010e" + strings.Repeat("820000", 90)},
	"any":             {[]any{[]byte("a"), []any{}, []any{[]byte{}}}, "c461c0c180"},
	"pointers":        {[]**uint{ptr(ptr(uint(7)))}, "c107"},
	"struct":          {pair{1, []byte("xy")}, "c401827879"},
	"empty struct":    {struct{}{}, "c0"},
	"optional none":   {optionals{A: 1}, "c101"},
	"optional some":   {optionals{A: 1, B: 0, C: []byte{}}, "c3018080"},
	"optional all":    {optionals{A: 1, D: &pair{2, []byte{3}}, C: []byte{4}}, "c6018004c20203"},
	"tail none":       {tailed{A: 1, C: []uint16{}}, "c101"},
	"tail some":       {tailed{A: 1, C: []uint16{2, 300}}, "c6018002 82012c"},
	"nils":            {nils{E: &pair{1, []byte{}}, F: ptr(uint(0))}, "c8 80 c0 c0 80 c20180 80"},
	"no nils":         {nils{ptr(uint(1)), &pair{2, []byte{3}}, ptr(uint(4)), &pair{5, []byte{6}}, &pair{7, []byte{8}}, ptr(uint(9))}, "cc 01 c20203 04 c20506 c20708 09"},
	"tree":            {tree{"a", []tree{{"b", []tree{}, nil}}, &tree{"c", []tree{}, nil}}, "ca 61 c4 c3 62c0c0 c3 63c0c0"},
	"mixed":           {mixed{A: "n", B: octets{1}, C: [3]octet{1, 2, 3}, D: 4, E: true, F: []byte("f"), Pair: Pair{1, 2}}, "cc 6e 01 83010203 04 01 66 c20102"},
	"custom":          {picky{[]byte{0xc1, 5}}, "c105"},
	"customs":         {[]*picky{{[]byte{0xc1, 5}}, {[]byte{6}}}, "c3c10506"},
	"custom by value": {[]millis{millis(time.Second)}, "c38203e8"},
}

func TestMarshal(t *testing.T) {
	for name, c := range both {
		want := unhex(t, c.hex)
		if got, err := Marshal(c.v); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: Marshal(%v) = %x, %v, want %x", name, c.v, got, err, want)
		}
		if got, err := Append([]byte("head"), &c.v); err != nil || string(got) != "head"+string(want) {
			t.Errorf("%s: Append(head, &%v) = %x, %v, want %x after it", name, c.v, got, err, want)
		}
	}
}

// What is nil is sent by its type.
func TestMarshalNil(t *testing.T) {
	for _, c := range []struct {
		v    any
		want byte
	}{
		{nil, 0xc0},
		{[]byte(nil), 0x80},
		{[]uint(nil), 0xc0},
		{(*uint8)(nil), 0x80},
		{(*bool)(nil), 0x80},
		{(*string)(nil), 0x80},
		{(*[]byte)(nil), 0x80},
		{(*[4]byte)(nil), 0x80},
		{(*big.Int)(nil), 0x80},
		{(*Raw)(nil), 0x80},
		{(*[]uint)(nil), 0xc0},
		{(*[4]uint)(nil), 0xc0},
		{(*pair)(nil), 0xc0},
		{(*picky)(nil), 0xc0},
		{(*any)(nil), 0xc0},
		{new(any), 0xc0},
		{new(*uint8), 0x80},
		{new(error), 0xc0},
	} {
		if got, err := Marshal(c.v); err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("Marshal(%T(nil)) = %x, %v, want %x", c.v, got, err, c.want)
		}
	}
}

func TestMarshalErrors(t *testing.T) {
	type deep struct{ Heads []any }
	for _, c := range []struct {
		v    any
		is   error
		want string
	}{
		{1, nil, "rlp: encode int: int is signed; RLP has unsigned integers only"},
		{[]any{uint(1), -1}, nil, "rlp: encode []any[1]: int is signed; RLP has unsigned integers only"},
		{1.5, nil, "rlp: encode float64: float64 is no integer; RLP has unsigned integers only"},
		{map[string]uint{}, nil, "rlp: encode map[string]uint: map[string]uint is a map, which has no order; use a slice of pairs"},
		{struct{ F func() }{}, nil, "rlp: encode struct.F: func() has no encoding"},
		{uintptr(1), nil, "rlp: encode uintptr: uintptr has no encoding"},
		{time.Time{}, nil, "rlp: encode time.Time: time.Time has no exported fields; let it be an Appender and an Unmarshaler"},
		{&deep{[]any{pair{}, &deep{[]any{big.NewInt(-1)}}}}, ErrNegative, "rlp: encode rlp.deep.Heads[1].Heads[0]: integer is negative"},
		{[]Raw{{1}, {}}, ErrNotValue, "rlp: encode []rlp.Raw[1]: raw bytes are not one value"},
		{Raw{1, 2}, ErrNotValue, "rlp: encode rlp.Raw: raw bytes are not one value"},
		{bad("ab"), ErrNotValue, "rlp: encode rlp.bad: raw bytes are not one value"},
		{bad(""), ErrNotValue, "rlp: encode rlp.bad: raw bytes are not one value"},
		{[]bad{"cut"}, ErrNotValue, "rlp: encode []rlp.bad[0]: raw bytes are not one value"},
		{[2]picky{1: {make([]byte, 100)}}, errPicky, "rlp: encode [2]rlp.picky[0]: raw bytes are not one value"},
		{[]picky{{make([]byte, 100)}}, errPicky, "rlp: encode []rlp.picky[0]: test: too long for my taste"},
	} {
		got, err := Append([]byte("head"), c.v)
		if err == nil || err.Error() != c.want || string(got) != "head" {
			t.Errorf("Append(head, %v) = %q, %v, want %s", c.v, got, err, c.want)
		}
		var e *EncodeError
		if !errors.As(err, &e) {
			t.Errorf("Append(%v) = %T, want an *EncodeError", c.v, err)
		}
		var te *TypeError
		if c.is == nil && !errors.As(err, &te) {
			t.Errorf("Append(%v) = %v, want a *TypeError within", c.v, err)
		}
	}
}

func TestTagErrors(t *testing.T) {
	for want, v := range map[string]any{
		"rlp: encode struct.A: uint has an unknown rlp tag, omitempty": struct {
			A uint `rlp:"omitempty"`
		}{},
		"rlp: encode struct.A: uint cannot be tail: it is no slice of values": struct {
			A uint `rlp:"tail"`
		}{},
		"rlp: encode struct.A: []uint8 cannot be tail: it is no slice of values": struct {
			A []byte `rlp:"tail"`
		}{},
		"rlp: encode struct.A: []uint cannot be optional and tail: a tail may be empty anyway": struct {
			A []uint `rlp:"optional,tail"`
		}{},
		"rlp: encode struct.A: uint cannot be nilList: it is no pointer": struct {
			A uint `rlp:"nilList"`
		}{},
		"rlp: encode struct.B: uint must be optional, as A before it is": struct {
			A uint `rlp:"optional"`
			B uint
		}{},
		"rlp: encode struct.B: uint cannot come after A, which takes all that is left": struct {
			A []uint `rlp:"tail"`
			B uint
		}{},
	} {
		if _, err := Marshal(v); err == nil || err.Error() != want {
			t.Errorf("Marshal = %v, want %s", err, want)
		}
		want = strings.Replace(want, "encode", "decode", 1)
		if err := Unmarshal([]byte{0xc0}, reflect.New(reflect.TypeOf(v)).Interface()); err == nil || err.Error() != want {
			t.Errorf("Unmarshal = %v, want %s", err, want)
		}
	}
}

// A type that has no encoding has none the second time either.
func TestErrorsAreKept(t *testing.T) {
	for range 2 {
		if _, err := Marshal([]tree{}); err != nil {
			t.Errorf("Marshal([]tree) = %v", err)
		}
		if _, err := Marshal([]struct{ M map[int]int }{}); err == nil {
			t.Error("Marshal(a map) = nil, want an error")
		}
		if err := Unmarshal([]byte{0xc0}, new([]struct{ M map[int]int })); err == nil {
			t.Error("Unmarshal(a map) = nil, want an error")
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4<<10)
	for name, v := range map[string]any{
		"header": testHeader(), "neighbours": testNeighbours(), "any": []any{uint64(1), "a", testHeader()},
		"custom": &[]picky{{[]byte{0xc0}}}, "tree": &tree{Kids: []tree{{}}},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Append(dst, v); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 { // a collection may empty the pools
			t.Errorf("Append(%s) allocates %v times, want never", name, n)
		}
	}
}
