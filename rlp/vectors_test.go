package rlp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
)

// A vector is a case of the official tests. In is a string, an integer or a list
// of such, or the word VALID or INVALID.
type vector struct {
	In  any
	Out string
}

// value gives In as Append takes it.
func value(in any) any {
	switch in := in.(type) {
	case string:
		if digits, ok := strings.CutPrefix(in, "#"); ok {
			x, _ := new(big.Int).SetString(digits, 10)
			return x
		}
		return []byte(in)
	case float64:
		return uint64(in)
	case []any:
		list := make([]any, len(in))
		for i := range in {
			list[i] = value(in[i])
		}
		return list
	}
	panic(in)
}

// plain gives a value as it is decoded into an any.
func plain(v any) any {
	switch v := v.(type) {
	case *big.Int:
		return v.Bytes()
	case uint64:
		return new(big.Int).SetUint64(v).Bytes()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	}
	return v
}

func vectors(t testing.TB, file string, want int) map[string]vector {
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]vector
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != want {
		t.Fatalf("%s has %d cases, want %d", file, len(got), want)
	}
	return got
}

// unhex reads hexadecimal digits; spaces are for the reader.
func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(s, "0x"), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOfficialValid(t *testing.T) {
	for name, v := range vectors(t, "rlptest.json", 28) {
		want := unhex(t, v.Out)
		in := value(v.In)
		if got, err := Marshal(in); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: Marshal(%v) = %x, %v, want %x", name, in, got, err, want)
		}
		var got any
		if err := Unmarshal(want, &got); err != nil || !reflect.DeepEqual(got, plain(in)) {
			t.Errorf("%s: Unmarshal(%x) = %v, %v, want %v", name, want, got, err, plain(in))
		}
	}
}

func TestOfficialInvalid(t *testing.T) {
	for name, v := range vectors(t, "invalidRLPTest.json", 26) {
		b := unhex(t, v.Out)
		var got any
		if err := Unmarshal(b, &got); err == nil {
			t.Errorf("%s: Unmarshal(%x, any) = %v, want an error", name, b, got)
		}
		var raw Raw
		if err := Unmarshal(b, &raw); err == nil {
			t.Errorf("%s: Unmarshal(%x, Raw) = %x, want an error", name, b, raw)
		}
	}
}

func TestOfficialRandom(t *testing.T) {
	for name, v := range vectors(t, "RandomRLP-example.json", 1) {
		b := unhex(t, v.Out)
		var got any
		if err := Unmarshal(b, &got); err != nil {
			t.Errorf("%s: Unmarshal(%x) = %v", name, b, err)
		}
		if again, err := Marshal(got); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: Marshal(%v) = %x, %v, want %x", name, got, again, err, b)
		}
	}
}
