package p2p_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kith/p2p"
	"kith/rlp"
)

type message string

func TestSendAndDecode(t *testing.T) {
	type pair struct {
		Name string
		N    uint64
	}
	a, b := p2p.MsgPipe()
	defer a.Close()
	for i, tt := range []struct {
		send func() error
		into any
		want string
	}{
		{func() error { return p2p.Send(a, 0, "foo") }, new(message), "foo"},
		{func() error { return p2p.SendItems(a, 1, "foo") }, new([1]message), "[foo]"},
		{func() error { return p2p.SendItems(a, 2, "foo", uint(7)) }, new(pair), "{foo 7}"},
		{func() error { return p2p.Send(a, 3, pair{"foo", 7}) }, new(pair), "{foo 7}"},
		{func() error { return p2p.Send(a, 4, []byte{1, 2}) }, new([]byte), "[1 2]"},
		{func() error { return p2p.SendItems(a, 5) }, new([]string), "[]"},
		{func() error { return p2p.SendItems(a, 6, nil...) }, new([0]string), "[]"},
		{func() error { return p2p.Send(a, 7, rlp.Raw{0xc1, 0x05}) }, new(rlp.Raw), "[193 5]"},
	} {
		if err := tt.send(); err != nil {
			t.Errorf("%d: send = %v", i, err)
			continue
		}
		m, err := b.ReadMsg()
		if err != nil || m.Code != uint64(i) {
			t.Fatalf("%d: ReadMsg() = %d, %v", i, m.Code, err)
		}
		if err := m.Decode(tt.into); err != nil {
			t.Errorf("%d: Decode of %x = %v", i, m.Payload, err)
			continue
		}
		if got := strings.TrimPrefix(fmt.Sprint(deref(tt.into)), "&"); got != tt.want {
			t.Errorf("%d: %x was decoded to %s, want %s", i, m.Payload, got, tt.want)
		}
	}
	if err := p2p.Send(a, 9, -1); err == nil || !strings.HasPrefix(err.Error(), "p2p: send message 9: rlp: ") {
		t.Errorf("Send(-1) = %v, want an error of rlp", err)
	}
	a.Close()
	if err := p2p.SendItems(a, 0, "foo"); !errors.Is(err, p2p.ErrPipeClosed) {
		t.Errorf("SendItems after Close = %v", err)
	}
}

func deref(v any) any {
	switch v := v.(type) {
	case *message:
		return *v
	case *[]byte:
		return *v
	case *rlp.Raw:
		return []byte(*v)
	}
	return v
}

// The seed's last listing decodes what SendItems sends into a string, and goes
// on in silence.
func TestDecodeNamesTheSendItemsMistake(t *testing.T) {
	list, value := p2p.Msg{Payload: []byte{0xc4, 0x83, 'f', 'o', 'o'}}, p2p.Msg{Code: 3, Payload: []byte{0x83, 'f', 'o', 'o'}}
	for _, tt := range []struct {
		m    p2p.Msg
		into any
		want string
	}{
		{list, new(message), "p2p: decode message 0: rlp: decode p2p_test.message: expected string, got list; " +
			"SendItems sends its items as a list: decode into an array (var v [1]p2p_test.message), or send with Send"},
		{value, new([1]message), "p2p: decode message 3: rlp: decode [1]p2p_test.message: expected list, got string; " +
			"what Send sends of a plain value is no list: decode into that (var v p2p_test.message), or send with SendItems"},
		{value, new(struct{ A string }), "p2p: decode message 3: rlp: decode struct: expected list, got string; " +
			"what Send sends of a plain value is no list: decode into its type, or send with SendItems"},
		{list, new(struct{ A []string }), "p2p: decode message 0: rlp: decode struct.A: expected list, got string"},
		{p2p.Msg{}, new(message), "p2p: decode message 0: rlp: decode p2p_test.message: input ends within a value"},
		{p2p.Msg{Payload: []byte("\x83foofoo")}, new(message), "p2p: decode message 0: rlp: decode p2p_test.message: bytes left after the value"},
	} {
		if err := tt.m.Decode(tt.into); err == nil || err.Error() != tt.want {
			t.Errorf("Decode(%x) into %T = %v\nwant %s", tt.m.Payload, tt.into, err, tt.want)
		}
	}
}

func TestExpectMsg(t *testing.T) {
	for _, tt := range []struct {
		sent    any
		code    uint64
		content any
		want    string // of the error; empty: none
	}{
		{"foo", 0, "foo", ""},
		{"foo", 0, nil, ""},
		{[]string{"foo"}, 0, [1]message{"foo"}, ""},
		{"foo", 1, "foo", "p2p: expected message 1, got message 0 with payload 83666f6f"},
		{"foo", 0, "bar", "p2p: message 0 has payload 83666f6f, expected 83626172"},
		{"foo", 0, -1, "p2p: expected message 0: rlp: encode int: "},
		{strings.Repeat("x", 100), 0, "y", "p2p: message 0 has payload b864" + strings.Repeat("78", 62) + "… (102 bytes), expected 79"},
	} {
		a, b := p2p.MsgPipe()
		if err := p2p.Send(a, 0, tt.sent); err != nil {
			t.Fatal(err)
		}
		err := p2p.ExpectMsg(b, tt.code, tt.content)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("ExpectMsg(%d, %v) of %v = %v, want %q", tt.code, tt.content, tt.sent, err, tt.want)
		}
		a.Close()
		if err := p2p.ExpectMsg(b, 0, nil); !errors.Is(err, p2p.ErrPipeClosed) {
			t.Errorf("ExpectMsg after Close = %v", err)
		}
	}
}

// What a peer sends goes through Decode into whatever a protocol expects.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0xc4, 0x83, 'f', 'o', 'o'})
	f.Add([]byte{0x83, 'f', 'o', 'o'})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := p2p.Msg{Payload: b}
		var one [1]message
		var plain message
		var rest []rlp.Raw
		asList, asValue := m.Decode(&one), m.Decode(&plain)
		if asList == nil && asValue == nil {
			t.Errorf("%x is a list and a string", b)
		}
		if m.Decode(&rest) == nil && len(rest) == 1 && asList == nil {
			a, z := p2p.MsgPipe()
			defer a.Close()
			if err := p2p.SendItems(a, 0, one[0]); err != nil {
				t.Fatal(err)
			}
			if again, _ := z.ReadMsg(); string(again.Payload) != string(b) {
				t.Errorf("%x came back as %x", b, again.Payload)
			}
		}
	})
}
