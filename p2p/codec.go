package p2p

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"kith/rlp"
)

// Send writes one message whose payload is v in RLP: see package rlp for what v
// may be. The other side decodes it into a variable of the same type.
func Send(w MsgWriter, code uint64, v any) error {
	payload, err := rlp.Marshal(v)
	if err != nil {
		return fmt.Errorf("p2p: send message %d: %w", code, err)
	}
	return w.WriteMsg(Msg{Code: code, Payload: payload})
}

// SendItems writes one message whose payload is the list of items in RLP, even
// if there is one item or none. The other side decodes it into an array, a slice
// or a struct: what SendItems(w, 0, "foo") sends into a [1]string.
func SendItems(w MsgWriter, code uint64, items ...any) error {
	if items == nil {
		items = []any{}
	}
	return Send(w, code, items)
}

// Decode reads the whole payload, which must be RLP, into what v points to.
// Where a list has come for a plain variable, as SendItems sends one, or a plain
// value for a list, the error says so, and what to write.
func (m Msg) Decode(v any) error {
	err := rlp.Unmarshal(m.Payload, v)
	if err == nil {
		return nil
	}
	if hint := sendItemsHint(err); hint != "" {
		return fmt.Errorf("p2p: decode message %d: %w; %s", m.Code, err, hint)
	}
	return fmt.Errorf("p2p: decode message %d: %w", m.Code, err)
}

// sendItemsHint tells what to write instead where one side means a list and the
// other does not.
func sendItemsHint(err error) string {
	var d *rlp.DecodeError
	if !errors.As(err, &d) || d.Path != "" {
		return ""
	}
	switch {
	case errors.Is(d.Err, rlp.ErrExpectedString):
		return fmt.Sprintf("SendItems sends its items as a list: decode into an array (var v [1]%s), or send with Send", d.Type)
	case errors.Is(d.Err, rlp.ErrExpectedList):
		item, array := strings.CutPrefix(d.Type, "[1]")
		if !array {
			return "what Send sends of a plain value is no list: decode into its type, or send with SendItems"
		}
		return fmt.Sprintf("what Send sends of a plain value is no list: decode into that (var v %s), or send with SendItems", item)
	}
	return ""
}

// ExpectMsg reads one message and returns an error that tells the difference if
// its code, or its payload, is not that of content in RLP. With content nil any
// payload will do. It is for tests of a protocol: see MsgPipe.
func ExpectMsg(r MsgReader, code uint64, content any) error {
	m, err := r.ReadMsg()
	if err != nil {
		return fmt.Errorf("p2p: expected message %d: %w", code, err)
	}
	if m.Code != code {
		return fmt.Errorf("p2p: expected message %d, got message %d with payload %s", code, m.Code, brief(m.Payload))
	}
	if content == nil {
		return nil
	}
	want, err := rlp.Marshal(content)
	if err != nil {
		return fmt.Errorf("p2p: expected message %d: %w", code, err)
	}
	if !bytes.Equal(m.Payload, want) {
		return fmt.Errorf("p2p: message %d has payload %s, expected %s", code, brief(m.Payload), brief(want))
	}
	return nil
}

// brief is a payload in hexadecimal, or its beginning.
func brief(b []byte) string {
	const most = 64
	if len(b) > most {
		return fmt.Sprintf("%x… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%x", b)
}
