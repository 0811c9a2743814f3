package rlp

// A Kind says what a value is.
type Kind uint8

const (
	String Kind = 1 // bytes; also what stands for an integer
	List   Kind = 2 // values
)

func (k Kind) String() string {
	switch k {
	case String:
		return "string"
	case List:
		return "list"
	}
	return "invalid"
}

// MaxDepth is how deep lists may be nested: a list within a list within … 64
// times. It keeps a peer's bytes from exhausting the stack.
const MaxDepth = 64

// Raw is the encoding of one value, head included.
type Raw []byte

// Split takes the first value off b: its content without the head, and what
// comes after it. Both share memory with b. Only the head is checked: split a
// list's content further to see what is in it.
func Split(b []byte) (kind Kind, content, rest []byte, err error) {
	kind, start, end, err := head(b)
	if err != nil {
		return 0, nil, b, err
	}
	return kind, b[start:end:end], b[end:], nil
}

// SplitList is [Split] for a list.
func SplitList(b []byte) (content, rest []byte, err error) {
	kind, start, end, err := head(b)
	if err == nil && kind != List {
		err = ErrExpectedList
	}
	if err != nil {
		return nil, b, err
	}
	return b[start:end:end], b[end:], nil
}

// SplitString is [Split] for a string.
func SplitString(b []byte) (content, rest []byte, err error) {
	kind, start, end, err := head(b)
	if err == nil && kind != String {
		err = ErrExpectedString
	}
	if err != nil {
		return nil, b, err
	}
	return b[start:end:end], b[end:], nil
}

// SplitUint is [Split] for an integer of at most 64 bits.
func SplitUint(b []byte) (x uint64, rest []byte, err error) {
	if len(b) > 0 && b[0]-1 < 0x7f { // 1 to 127: most integers are small
		return uint64(b[0]), b[1:], nil
	}
	content, rest, err := splitInt(b)
	if err == nil && len(content) > 8 {
		err = ErrOverflow
	}
	if err != nil {
		return 0, b, err
	}
	for _, c := range content {
		x = x<<8 | uint64(c)
	}
	return x, rest, nil
}

// splitInt is SplitString that refuses leading zeros.
func splitInt(b []byte) (content, rest []byte, err error) {
	content, rest, err = SplitString(b)
	if err == nil && len(content) > 0 && content[0] == 0 {
		err = ErrInteger
	}
	return content, rest, err
}

// Count counts the values in the content of a list. Only their heads are checked.
func Count(content []byte) (int, error) {
	n := 0
	for len(content) > 0 {
		_, _, end, err := head(content)
		if err != nil {
			return n, err
		}
		content = content[end:]
		n++
	}
	return n, nil
}

// head reads the head of the first value in b, whose content is b[start:end].
//
//	00 … 7f  the byte itself, a string
//	80 … b7  a string of 0 … 55 bytes
//	b8 … bf  a string whose size follows in 1 … 8 bytes, big endian
//	c0 … f7  a list whose content has 0 … 55 bytes
//	f8 … ff  a list whose size follows in 1 … 8 bytes, big endian
func head(b []byte) (kind Kind, start, end int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, ErrTruncated
	}
	c := b[0]
	switch {
	case c < 0x80:
		return String, 0, 1, nil
	case c < 0xb8:
		kind, end = String, 1+int(c-0x80)
	case c < 0xc0:
		return longHead(b, String, int(c-0xb7))
	case c < 0xf8:
		kind, end = List, 1+int(c-0xc0)
	default:
		return longHead(b, List, int(c-0xf7))
	}
	if end > len(b) {
		return 0, 0, 0, ErrTruncated
	}
	if c == 0x81 && b[1] < 0x80 {
		return 0, 0, 0, ErrSize
	}
	return kind, 1, end, nil
}

// longHead is head for a size in n bytes.
func longHead(b []byte, kind Kind, n int) (_ Kind, start, end int, err error) {
	if len(b) <= n {
		return 0, 0, 0, ErrTruncated
	}
	var size uint64
	for _, c := range b[1 : 1+n] {
		size = size<<8 | uint64(c)
	}
	if b[1] == 0 || size <= 55 {
		return 0, 0, 0, ErrSize
	}
	if size > uint64(len(b)-1-n) {
		return 0, 0, 0, ErrTruncated
	}
	return kind, 1 + n, 1 + n + int(size), nil
}
