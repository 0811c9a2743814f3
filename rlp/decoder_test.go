package rlp

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecoder(t *testing.T) {
	want := []string{"", "a", "dog", strings.Repeat("x", 56), strings.Repeat("y", 600), strings.Repeat("z", 70_000)}
	var stream []byte
	for _, s := range want {
		stream = AppendString(stream, s)
		stream = AppendListHead(stream, StringSize(s))
		stream = AppendString(stream, s)
	}
	for name, r := range map[string]io.Reader{
		"all at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"with EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		d := NewDecoder(r, 0)
		var got []string
		for {
			var one string
			var two [1]string
			if err := d.Decode(&one); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v after %d values", name, err, len(got))
			}
			if err := d.Decode(&two); err != nil || two[0] != one {
				t.Fatalf("%s: the list has %.20q, %v, want %.20q", name, two[0], err, one)
			}
			got = append(got, one)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %.20q, want %.20q", name, got, want)
		}
	}
}

// What does not fit the type is passed over, and the next value can be read.
func TestDecoderGoesOn(t *testing.T) {
	r := bytes.NewReader(unhex(t, "c20102"+"05"+"8100"))
	d := NewDecoder(r, 100)
	var x uint
	var e *DecodeError
	if err := d.Decode(&x); !errors.As(err, &e) {
		t.Errorf("Decode(c20102) = %v, want a *DecodeError", err)
	}
	if err := d.Decode(&x); err != nil || x != 5 || r.Len() != 2 {
		t.Errorf("Decode(05) = %d, %v, %d bytes left, want 5 and 2", x, err, r.Len())
	}
	if raw, err := d.Next(); err != ErrSize {
		t.Errorf("Next(8100) = %x, %v, want %v", raw, err, ErrSize)
	}
}

func TestDecoderLimit(t *testing.T) {
	for in, want := range map[string]error{
		"83010203":           nil,
		"c3010203":           nil,
		"8401020304":         ErrTooLarge,
		"c401020304":         ErrTooLarge,
		"b838":               ErrTooLarge,
		"b8":                 io.ErrUnexpectedEOF,
		"83":                 io.ErrUnexpectedEOF,
		"830102":             io.ErrUnexpectedEOF,
		"":                   io.EOF,
		"ffffffffffffffffff": ErrTooLarge,
		"bfffffffffffffffff": ErrTooLarge,
		"bf7fffffffffffffff": ErrTooLarge,
		"bffffffffffffffff7": ErrTooLarge,
	} {
		if raw, err := NewDecoder(bytes.NewReader(unhex(t, in)), 4).Next(); err != want {
			t.Errorf("Next(%s) = %x, %v, want %v", in, raw, err, want)
		}
	}
	if _, err := NewDecoder(iotest.ErrReader(errPicky), 0).Next(); err != errPicky {
		t.Errorf("Next = %v, want what the reader says", err)
	}
}

// What is claimed costs a peer as many bytes as us.
func TestDecoderAllocates(t *testing.T) {
	const sent = 10_000
	stream := append(unhex(t, "ba800000"), make([]byte, sent)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewDecoder(bytes.NewReader(stream), 0).Next()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; err != io.ErrUnexpectedEOF || got > 8*sent {
		t.Errorf("Next took %d bytes for %d and returned %v, want %v", got, sent, err, io.ErrUnexpectedEOF)
	}
}

func TestDecoderKeepsLittle(t *testing.T) {
	d := NewDecoder(bytes.NewReader(AppendBytes(nil, make([]byte, 1<<20))), 0)
	var b []byte
	if err := d.Decode(&b); err != nil || len(b) != 1<<20 || cap(d.buf) > maxScratch {
		t.Errorf("Decode = %d bytes, %v, and keeps %d", len(b), err, cap(d.buf))
	}
}
