package rlpx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/golang/snappy"
)

func TestReasonsInAllForms(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want Reason
	}{
		{"c104", TooManyPeers}, // as the specification has it
		{"04", TooManyPeers},   // the number alone
		{"", Requested},
		{"c0", Requested},
		{"80", Requested},
		{"00", Requested},
		{"c180", Requested},
		{"c100", Requested},
		{"c110", SubprotocolError},
		{"10", SubprotocolError},
		{"c20405", TooManyPeers},           // more elements
		{"c704857468657265", TooManyPeers}, // a text besides
		{"c1040000", TooManyPeers},         // more behind
		{"c14d", Reason(0x4d)},             // unknown
		{"c281ee", Reason(0xee)},
		{"81ee", Reason(0xee)},
		{"c3820102", Unreadable},
		{"820102", Unreadable},
		{"c2c104", TooManyPeers}, // a list in a list
		{"c5", Unreadable},
		{"ff", Unreadable},
		{"c1", Unreadable},
		{"8474657874", Unreadable},
	} {
		b := unhex(t, tt.hex)
		if got := parseReason(b); got != tt.want {
			t.Errorf("parseReason(%s) = %v, want %v", tt.hex, got, tt.want)
		}
		if got := parseReason(snappy.Encode(nil, b)); got != tt.want {
			t.Errorf("parseReason(%s, compressed) = %v, want %v", tt.hex, got, tt.want)
		}
	}
}

func TestEveryReasonIsToldAndRead(t *testing.T) {
	for n := range 256 {
		r := Reason(n)
		want := r
		if _, known := reasonText[r]; !known || r == Unreadable {
			want = Requested
		}
		b := appendReason(nil, r)
		if got := parseReason(b); got != want {
			t.Errorf("parseReason(appendReason(%v)) = %v", r, got)
		}
		if got := parseReason(snappy.Encode(nil, b)); got != want {
			t.Errorf("parseReason(appendReason(%v), compressed) = %v", r, got)
		}
		if r.Error() == "" {
			t.Errorf("Reason(%d) has no words", n)
		}
	}
}

func TestDisconnections(t *testing.T) {
	other := errors.New("foo: bad block")
	for _, tt := range []struct {
		err  error
		want DisconnectError
		text string
	}{
		{nil, DisconnectError{Reason: Requested}, "disconnect requested"},
		{TooManyPeers, DisconnectError{Reason: TooManyPeers}, "too many peers"},
		{fmt.Errorf("x: %w", Quitting), DisconnectError{Reason: Quitting}, "shutting down"},
		{other, DisconnectError{Reason: SubprotocolError, Text: "foo: bad block"}, "protocol error: foo: bad block"},
		{&DisconnectError{Reason: Self, Text: "it is connected to ourselves"}, DisconnectError{Reason: Self, Text: "it is connected to ourselves"}, "it is connected to ourselves"},
		{&DisconnectError{Reason: Self, Remote: true}, DisconnectError{Reason: Self}, "connected to ourselves"},
	} {
		got := disconnection(tt.err)
		if *got != tt.want || got.Error() != tt.text {
			t.Errorf("disconnection(%v) = %+v, %q; want %+v, %q", tt.err, *got, got, tt.want, tt.text)
		}
	}
}
