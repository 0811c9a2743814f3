package rlp_test

import (
	"errors"
	"fmt"

	"kith/rlp"
)

func Example() {
	type Head struct {
		Number uint64
		Hash   [4]byte
	}
	type Status struct {
		Version uint32
		Heads   []Head
		Network string    `rlp:"optional"` // since version 2
		Rest    []rlp.Raw `rlp:"tail"`     // of versions to come
	}
	b, err := rlp.Marshal(Status{Version: 1, Heads: []Head{{1024, [4]byte{0xab}}}})
	fmt.Printf("%x %v\n", b, err)

	var s Status
	fmt.Println(rlp.Unmarshal(b, &s), s.Heads[0].Number)
	// Output:
	// cb01c9c882040084ab000000 <nil>
	// <nil> 1024
}

// An error names the part of the value that it is about, and can be compared.
func ExampleUnmarshal_error() {
	type Message struct{ Text string }
	b, _ := rlp.Marshal([]any{"foo"})

	var text string
	fmt.Println(rlp.Unmarshal(b, &text)) // a list of one string is no string

	var list []Message
	err := rlp.Unmarshal(b, &list)
	fmt.Println(err)

	var e *rlp.DecodeError
	fmt.Println(errors.As(err, &e), e.Path, errors.Is(err, rlp.ErrExpectedList))
	// Output:
	// rlp: decode string: expected string, got list
	// rlp: decode []rlp_test.Message[0]: expected list, got string
	// true [0] true
}

// A Celsius is sent as hundredths of a kelvin, since RLP has no sign.
type Celsius float64

func (c Celsius) AppendRLP(dst []byte) ([]byte, error) {
	if c < -273.15 {
		return nil, errors.New("colder than possible")
	}
	return rlp.AppendUint(dst, uint64((c+273.15)*100+0.5)), nil
}

func (c *Celsius) UnmarshalRLP(raw []byte) error {
	x, _, err := rlp.SplitUint(raw)
	*c = Celsius(x)/100 - 273.15
	return err
}

func ExampleAppender() {
	b, err := rlp.Marshal([]Celsius{21.5, -40})
	fmt.Printf("%x %v\n", b, err)

	var c []Celsius
	fmt.Println(rlp.Unmarshal(b, &c))
	fmt.Printf("%.2f\n", c)

	_, err = rlp.Marshal([]Celsius{-300})
	fmt.Println(err)
	// Output:
	// c6827319825b13 <nil>
	// <nil>
	// [21.50 -40.00]
	// rlp: encode []rlp_test.Celsius[0]: colder than possible
}

// Without reflection: a ping of discv4 is written and read by hand.
func ExampleReader() {
	start := 0
	var b []byte
	b = rlp.AppendUint(b, 4)
	b = rlp.AppendBytes(b, []byte{10, 0, 0, 1})
	b = rlp.AppendUint(b, 30303)
	b = rlp.AppendString(b, "a field of a later version")
	b = rlp.WrapList(b, start)

	r := rlp.NewReader(b)
	if err := r.List(); err != nil {
		fmt.Println(err)
	}
	version, _ := r.Uint64()
	ip, _ := r.Bytes()
	port, err := r.Uint(1<<16 - 1)
	fmt.Println(version, ip, port, err)
	r.Skip()
	fmt.Println(r.ListEnd(), r.More())
	// Output:
	// 4 [10 0 0 1] 30303 <nil>
	// <nil> false
}
