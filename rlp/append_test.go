package rlp

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestAppendUint(t *testing.T) {
	for x, want := range map[uint64]string{
		0: "80", 1: "01", 0x7f: "7f", 0x80: "8180", 0xff: "81ff", 0x100: "820100", 0xffff: "82ffff",
		0x10000: "83010000", 1 << 32: "850100000000", 1<<56 - 1: "87ffffffffffffff", 1<<64 - 1: "88ffffffffffffffff",
	} {
		exact := make([]byte, 0, UintSize(x))
		roomy := append(make([]byte, 0, 64), "head"...)
		if got := AppendUint(exact, x); !bytes.Equal(got, unhex(t, want)) || &got[0] != &exact[:1][0] {
			t.Errorf("AppendUint(%d) = %x, want %s in the memory given", x, got, want)
		}
		if got := AppendUint(roomy, x); string(got) != "head"+string(unhex(t, want)) {
			t.Errorf("AppendUint(head, %d) = %x, want %s", x, got, want)
		}
		if got, err := AppendBig(nil, new(big.Int).SetUint64(x)); err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("AppendBig(%d) = %x, %v, want %s", x, got, err, want)
		}
	}
}

func TestAppendBig(t *testing.T) {
	x := new(big.Int).Lsh(big.NewInt(0x0102), 64)
	if got, err := AppendBig([]byte{7}, x); err != nil || !bytes.Equal(got, unhex(t, "078a01020000000000000000")) {
		t.Errorf("AppendBig(%x) = %x, %v", x, got, err)
	}
	if got, err := AppendBig([]byte{7}, nil); err != nil || !bytes.Equal(got, []byte{7, 0x80}) {
		t.Errorf("AppendBig(nil) = %x, %v, want 0780", got, err)
	}
	if got, err := AppendBig([]byte{7}, big.NewInt(-1)); !errors.Is(err, ErrNegative) || !bytes.Equal(got, []byte{7}) {
		t.Errorf("AppendBig(-1) = %x, %v, want 07, %v", got, err, ErrNegative)
	}
}

// Every size at which a head changes its form.
func TestAppendStringsAndLists(t *testing.T) {
	for size, head := range map[int]string{
		0: "80", 2: "82", 55: "b7", 56: "b838", 255: "b8ff", 256: "b90100",
		65535: "b9ffff", 65536: "ba010000", 1<<24 - 1: "baffffff", 1 << 24: "bb01000000",
	} {
		s := strings.Repeat("x", size)
		want := append(unhex(t, head), s...)
		for name, got := range map[string][]byte{
			"AppendBytes": AppendBytes(nil, []byte(s)), "AppendString": AppendString(nil, s),
			"AppendBytes in place": AppendBytes(make([]byte, 0, BytesSize([]byte(s))), []byte(s)),
		} {
			if !bytes.Equal(got, want) {
				t.Errorf("%s(%d bytes) starts with %.10x, want %s", name, size, got, head)
			}
		}
		if got := StringSize(s); got != len(want) {
			t.Errorf("StringSize(%d bytes) = %d, want %d", size, got, len(want))
		}
		listHead := unhex(t, head)
		listHead[0] += 0x40
		if got := AppendListHead([]byte{9}, size); !bytes.Equal(got[1:], listHead) {
			t.Errorf("AppendListHead(%d) = %x, want %x", size, got[1:], listHead)
		}
		if got := WrapList([]byte("9"+s), 1); !bytes.Equal(got, []byte("9"+string(listHead)+s)) {
			t.Errorf("WrapList(%d bytes) starts with %.10x, want %x", size, got[1:], listHead)
		}
		if got, want := ListSize(size), len(listHead)+size; got != want {
			t.Errorf("ListSize(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestAppendSingleBytes(t *testing.T) {
	for c := range 256 {
		want := []byte{byte(c)}
		if c >= 0x80 {
			want = []byte{0x81, byte(c)}
		}
		b := []byte{byte(c)}
		if got := AppendBytes(nil, b); !bytes.Equal(got, want) || BytesSize(b) != len(want) {
			t.Errorf("AppendBytes(%x) = %x, BytesSize %d, want %x", b, got, BytesSize(b), want)
		}
		if got := AppendString(nil, string(b)); !bytes.Equal(got, want) || StringSize(string(b)) != len(want) {
			t.Errorf("AppendString(%x) = %x, StringSize %d, want %x", b, got, StringSize(string(b)), want)
		}
	}
}
