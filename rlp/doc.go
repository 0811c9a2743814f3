// Package rlp encodes and decodes RLP, the recursive length prefix format in
// which the peers of open networks speak: a value is a string of bytes or a
// list of values.
//
// Start with [Marshal] and [Unmarshal]. The functions that begin with Append and
// Split do one value at a time without reflection, [Reader] walks over a value,
// [Decoder] reads values from a stream.
//
//	Go                                   RLP
//	uint, uint8 … uint64                 string: big endian, no leading zeros, 0 is empty
//	bool                                 as the integer 0 or 1
//	big.Int                              as an integer; negative ones are refused
//	string, []byte, [N]byte              string
//	[]T, [N]T                            list
//	struct                               list of its exported fields, in their order
//	*T                                   as T; nil is the empty string or the empty list
//	any                                  as what it holds; decoded to []byte or []any
//	Raw                                  one value, as it is
//	Appender, Unmarshaler                whatever they do
//
// Signed integers, floats, maps, channels and functions are refused, and so are
// structs that have fields but none exported.
//
// # Struct tags
//
//	rlp:"-"          the field is left out
//	rlp:"optional"   the field may be missing at the end of the list, and is then
//	                 set to zero; while it and all after it are zero, it is not
//	                 sent. All fields after it must be optional too, or tail
//	rlp:"tail"       on the last field, a slice: it takes all elements left over
//	rlp:"nil"        on a pointer: the empty value is nil; the empty string if the
//	                 type is a string in the table above, else the empty list
//	rlp:"nilString"  on a pointer: the empty string, and no empty list, is nil
//	rlp:"nilList"    on a pointer: the empty list, and no empty string, is nil
//
// Without a tag a nil pointer is sent as with "nil", and never decoded as nil.
//
// # What a peer can do
//
// Only the canonical encoding of a value is accepted: shortest sizes, integers
// without leading zeros. Lists are nested at most [MaxDepth] deep. Sizes are
// checked against the bytes that are there before anything is allocated, and
// slices grow with the elements really decoded. What those take may still be
// more than their bytes: a one-byte element of a []T takes the size of a T, one
// of an any some 50 bytes. So limit the input, and prefer types to any.
//
// Here bytes go from a value through the plan of its type (made once, kept for
// ever) straight to the output; a list's head is written when its end is known.
package rlp
