package rlpx

import (
	"fmt"

	"kith/rlp"
)

// The messages of the base protocol. Those of other protocols begin at firstCode.
const (
	codeHello      = 0x00
	codeDisconnect = 0x01
	codePing       = 0x02
	codePong       = 0x03
	firstCode      = 0x10
)

const (
	baseVersion   = 5 // of the base protocol: what we speak
	snappyVersion = 5 // from here on messages are compressed
	maxHello      = 2048
)

// A Hello is the first message of both sides: the list [version, name,
// capabilities, listen port, key, …].
type Hello struct {
	// Version is that of the base protocol. Ours is always 5.
	Version uint64
	// Name is the software or the node, for people.
	Name string
	// Caps are the protocols that the sender can run, sorted.
	Caps []Cap
	// ListenPort is where the sender says it accepts connections; 0 if nowhere.
	ListenPort uint64
	// Key is the sender's. The session sets it in ours and checks it in theirs.
	Key [64]byte
}

// A Cap is a protocol that a node can run: the list [name, version].
type Cap struct {
	Name    string
	Version uint64
}

// Check says whether h can be sent: with any port, in 2047 bytes. Else its error
// wraps ErrTooLarge.
func (h Hello) Check() error {
	h.Version, h.ListenPort = baseVersion, 1<<16-1
	if n := len(h.append(nil)); n >= maxHello {
		return fmt.Errorf("rlpx: hello of %d bytes, at most %d: %w", n, maxHello-1, ErrTooLarge)
	}
	return nil
}

func (h *Hello) append(b []byte) []byte {
	start := len(b)
	b = rlp.AppendUint(b, h.Version)
	b = rlp.AppendString(b, h.Name)
	caps := len(b)
	for _, c := range h.Caps {
		one := len(b)
		b = rlp.AppendString(b, c.Name)
		b = rlp.AppendUint(b, c.Version)
		b = rlp.WrapList(b, one)
	}
	b = rlp.WrapList(b, caps)
	b = rlp.AppendUint(b, h.ListenPort)
	b = rlp.AppendBytes(b, h.Key[:])
	return rlp.WrapList(b, start)
}

// parseHello ignores further elements and what follows the list.
func parseHello(b []byte) (h Hello, err error) {
	list, _, err := rlp.SplitList(b)
	if err != nil {
		return h, breach("hello: %v", err)
	}
	if h.Version, list, err = rlp.SplitUint(list); err != nil {
		return h, breach("hello: version: %v", err)
	}
	name, list, err := rlp.SplitString(list)
	if err != nil {
		return h, breach("hello: name: %v", err)
	}
	h.Name = string(name)
	caps, list, err := rlp.SplitList(list)
	if err != nil {
		return h, breach("hello: capabilities: %v", err)
	}
	if h.Caps, err = parseCaps(caps); err != nil {
		return h, breach("hello: capabilities: %v", err)
	}
	if h.ListenPort, list, err = rlp.SplitUint(list); err != nil {
		return h, breach("hello: port: %v", err)
	}
	key, _, err := rlp.SplitString(list)
	if err != nil || len(key) != len(h.Key) {
		return h, &DisconnectError{Reason: InvalidIdentity, Text: fmt.Sprintf("hello has a key of %d bytes", len(key))}
	}
	copy(h.Key[:], key)
	return h, nil
}

func parseCaps(b []byte) (caps []Cap, err error) {
	for len(b) > 0 {
		var one, name []byte
		if one, b, err = rlp.SplitList(b); err != nil {
			return nil, err
		}
		if name, one, err = rlp.SplitString(one); err != nil {
			return nil, err
		}
		version, _, err := rlp.SplitUint(one)
		if err != nil {
			return nil, err
		}
		caps = append(caps, Cap{string(name), version})
	}
	return caps, nil
}
