package rlp

import (
	"errors"
	"fmt"
	"math/big"
)

// A Reader takes the values of b one after another, without reflection and
// without allocation:
//
//	r := rlp.NewReader(b)
//	if err := r.List(); err != nil { … }
//	id, err := r.Uint64()
//	for r.More() { … }
//	err = r.ListEnd()
//
// A method that fails leaves the Reader where it was. Where there is no further
// value in the open list, or at the top, the error is ErrTooFew. The zero Reader
// has nothing to read. It is for one goroutine.
type Reader struct {
	b    []byte
	next int           // where the next value starts
	end  int           // where the innermost open list ends
	ends [MaxDepth]int // where what is around each open list ends
	open int           // lists
}

// NewReader returns a Reader of the values in b, which it never writes to.
func NewReader(b []byte) *Reader { return &Reader{b: b, end: len(b)} }

// left is what has not been read of the open list.
func (r *Reader) left() ([]byte, error) {
	if r.next == r.end {
		return nil, ErrTooFew
	}
	return r.b[r.next:r.end], nil
}

// advance moves on to rest, the end of what left has returned.
func (r *Reader) advance(rest []byte) { r.next = r.end - len(rest) }

// More tells whether the open list, or at the top the input, has another value.
func (r *Reader) More() bool { return r.next < r.end }

// Kind tells what the next value is.
func (r *Reader) Kind() (Kind, error) {
	b, err := r.left()
	if err != nil {
		return 0, err
	}
	kind, _, _, err := head(b)
	return kind, err
}

// List opens the next value, a list: what is read next are its values. Opening
// more than MaxDepth lists is ErrTooDeep.
func (r *Reader) List() error {
	b, err := r.left()
	if err != nil {
		return err
	}
	content, rest, err := SplitList(b)
	if err == nil && r.open == MaxDepth {
		err = ErrTooDeep
	}
	if err != nil {
		return err
	}
	r.ends[r.open] = r.end
	r.open++
	r.advance(rest)
	r.next, r.end = r.next-len(content), r.next
	return nil
}

// ListEnd closes the innermost open list. If it has a value left, that is
// ErrTooMany: read it, or Skip it.
func (r *Reader) ListEnd() error {
	if r.open == 0 {
		return errors.New("rlp: no list is open")
	}
	if r.More() {
		return ErrTooMany
	}
	r.open--
	r.end = r.ends[r.open]
	return nil
}

// Skip passes over what is left of the open list, or of the input at the top. It
// is for elements that later versions of a protocol have added.
func (r *Reader) Skip() { r.next = r.end }

// Uint64 reads an integer.
func (r *Reader) Uint64() (uint64, error) { return r.Uint(1<<64 - 1) }

// Uint reads an integer. Above limit, such as math.MaxUint16, is ErrOverflow.
func (r *Reader) Uint(limit uint64) (uint64, error) {
	b, err := r.left()
	if err != nil {
		return 0, err
	}
	x, rest, err := SplitUint(b)
	if err == nil && x > limit {
		err = ErrOverflow
	}
	if err != nil {
		return 0, err
	}
	r.advance(rest)
	return x, nil
}

// Big reads an integer of any size.
func (r *Reader) Big() (*big.Int, error) {
	b, err := r.left()
	if err != nil {
		return nil, err
	}
	content, rest, err := splitInt(b)
	if err != nil {
		return nil, err
	}
	r.advance(rest)
	return new(big.Int).SetBytes(content), nil
}

// Bytes reads a string. It shares memory with the input.
func (r *Reader) Bytes() ([]byte, error) {
	b, err := r.left()
	if err != nil {
		return nil, err
	}
	content, rest, err := SplitString(b)
	if err != nil {
		return nil, err
	}
	r.advance(rest)
	return content, nil
}

// Fill reads a string of exactly len(dst) bytes into dst. Another length is ErrLength.
func (r *Reader) Fill(dst []byte) error {
	b, err := r.left()
	if err != nil {
		return err
	}
	rest, err := fill(dst, b)
	if err != nil {
		return err
	}
	r.advance(rest)
	return nil
}

// Raw reads a value of either kind. It shares memory with the input, and of the
// values within only the outer head is checked.
func (r *Reader) Raw() (Raw, error) {
	b, err := r.left()
	if err != nil {
		return nil, err
	}
	_, _, end, err := head(b)
	if err != nil {
		return nil, err
	}
	r.advance(b[end:])
	return Raw(b[:end:end]), nil
}

// fill copies the first value of b, a string, to dst, which it must fill.
func fill(dst, b []byte) (rest []byte, err error) {
	content, rest, err := SplitString(b)
	if err == nil && len(content) != len(dst) {
		err = fmt.Errorf("%w: expected %d bytes, got %d", ErrLength, len(dst), len(content))
	}
	if err != nil {
		return b, err
	}
	copy(dst, content)
	return rest, nil
}
