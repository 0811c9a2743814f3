package node

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"kith/crypto"
	"kith/rlp"
)

// MaxRecord is how many bytes a Record may have when it is encoded.
const MaxRecord = 300

// Errors about records, to compare with errors.Is.
var (
	// ErrBadRecord is wrapped by every error about the bytes or text of a Record.
	ErrBadRecord = errors.New("not a node record")
	// ErrNoEntry says that a Record has no entry with this key.
	ErrNoEntry = errors.New("no such entry")
	// ErrUnsigned says that a Record has no signature, or that it was changed since.
	ErrUnsigned = errors.New("record not signed")
)

// A Record is what a node says of itself, signed with its key (an ENR, EIP-778):
// a sequence number, of which the highest counts, and entries, each with a key
// and any value. Those that this package knows are id, secp256k1, ip, tcp, udp,
// ip6, tcp6 and udp6; all others are kept as they are.
//
// The zero Record is empty and ready for Set and Sign. A signed Record, such as
// every one that was decoded, may be read by several goroutines; whoever wants
// to change it changes a Clone.
type Record struct {
	seq     uint64
	entries []entry // in the order of their keys
	// raw and key are set by signing and decoding: the whole record, and whose
	// it is.
	raw []byte
	key *crypto.PublicKey
}

type entry struct {
	key   string
	value []byte // RLP, never changed
}

// ParseRecord reads "enr:" and base64, URL alphabet, unpadded, and verifies the
// signature.
func ParseRecord(text string) (*Record, error) {
	const most = (MaxRecord*8 + 5) / 6
	data, ok := strings.CutPrefix(text, enrPrefix)
	if !ok {
		return nil, fmt.Errorf("node: parse record %.40q: it must start with %s: %w", text, enrPrefix, ErrBadRecord)
	}
	if len(data) > most {
		return nil, fmt.Errorf("node: parse record %.40q: %d characters, at most %d make %d bytes: %w", text, len(data), most, MaxRecord, ErrBadRecord)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("node: parse record %.40q: %v: %w", text, err, ErrBadRecord)
	}
	return DecodeRecord(raw)
}

// Seq is the sequence number.
func (r *Record) Seq() uint64 { return r.seq }

// SetSeq sets the sequence number. It must grow with every change that others
// are to see.
func (r *Record) SetSeq(seq uint64) {
	r.seq = seq
	r.unsign()
}

// Signed tells whether the Record has a signature, which then is right.
func (r *Record) Signed() bool { return r.raw != nil }

// Key is who has signed; nil if nobody has.
func (r *Record) Key() *crypto.PublicKey { return r.key }

// Has tells whether there is an entry with this key.
func (r *Record) Has(key string) bool {
	_, ok := r.find(key)
	return ok
}

// Keys are the keys of all entries, in order.
func (r *Record) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, e := range r.entries {
			if !yield(e.key) {
				return
			}
		}
	}
}

// Get decodes the entry with this key into what v points to: anything that
// rlp.Unmarshal takes, or a netip.Addr. It is ErrNoEntry if there is none.
func (r *Record) Get(key string, v any) error {
	i, ok := r.find(key)
	if !ok {
		return fmt.Errorf("node: record entry %q: %w", key, ErrNoEntry)
	}
	var err error
	if a, ok := v.(*netip.Addr); ok {
		if *a, ok = address(r.entries[i].value); !ok {
			err = errors.New("not an IP address")
		}
	} else {
		err = rlp.Unmarshal(r.entries[i].value, v)
	}
	if err != nil {
		return fmt.Errorf("node: record entry %q: %w", key, err)
	}
	return nil
}

// Set adds an entry, or replaces the one with this key. v is anything that
// rlp.Marshal takes, or a netip.Addr. The signature is gone, unless nothing has
// changed.
func (r *Record) Set(key string, v any) error {
	if a, ok := v.(netip.Addr); ok {
		v = a.Unmap().AsSlice()
	}
	value, err := rlp.Marshal(v)
	if err != nil {
		return fmt.Errorf("node: record entry %q: %w", key, err)
	}
	r.put(key, value)
	return nil
}

// put sets an entry to a value in RLP.
func (r *Record) put(key string, value []byte) {
	i, ok := r.find(key)
	switch {
	case !ok:
		r.entries = slices.Insert(r.entries, i, entry{key, value})
	case bytes.Equal(r.entries[i].value, value):
		return
	default:
		r.entries[i].value = value
	}
	r.unsign()
}

// Delete removes an entry. The signature is gone, unless there was none.
func (r *Record) Delete(key string) {
	if i, ok := r.find(key); ok {
		r.entries = slices.Delete(r.entries, i, i+1)
		r.unsign()
	}
}

// Clone gives a Record that may be changed.
func (r *Record) Clone() *Record {
	c := *r
	c.entries = slices.Clone(r.entries)
	return &c
}

// Equal tells whether both say the same, signature included. Either may be nil.
func (r *Record) Equal(s *Record) bool {
	if r == nil || s == nil || r == s {
		return r == s
	}
	return r.seq == s.seq && bytes.Equal(r.raw, s.raw) && slices.EqualFunc(r.entries, s.entries, func(a, b entry) bool {
		return a.key == b.key && bytes.Equal(a.value, b.value)
	})
}

// String is the text that ParseRecord reads, or says that there is no signature.
func (r *Record) String() string {
	if !r.Signed() {
		return fmt.Sprintf("unsigned record %d", r.seq)
	}
	return enrPrefix + base64.RawURLEncoding.EncodeToString(r.raw)
}

func (r *Record) unsign() { r.raw, r.key = nil, nil }

// find gives the place of a key, and whether it is there.
func (r *Record) find(key string) (int, bool) {
	return slices.BinarySearchFunc(r.entries, key, func(e entry, key string) int { return strings.Compare(e.key, key) })
}

// MarshalText writes what String does; ErrUnsigned if there is no signature.
func (r *Record) MarshalText() ([]byte, error) {
	if !r.Signed() {
		return nil, fmt.Errorf("node: record text: %w", ErrUnsigned)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what ParseRecord does.
func (r *Record) UnmarshalText(text []byte) error {
	s, err := ParseRecord(string(text))
	if err == nil {
		*r = *s
	}
	return err
}
