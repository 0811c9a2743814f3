package node

import (
	"errors"
	"fmt"

	"kith/crypto"
	"kith/rlp"
)

// A record is an RLP list:
//
//	signature  64 bytes, r and s over Keccak-256 of the list of what follows
//	seq        an integer
//	key value  as often as there are entries; keys grow and none is twice
//
// The scheme "v4" of identities, the only one known, wants the entries id, which
// is "v4", and secp256k1, the compressed public key.
const (
	idKey   = "id"
	keyKey  = "secp256k1"
	idV4    = "v4"
	sigSize = 64
)

// DecodeRecord reads a record and verifies its signature. Of b nothing is kept.
func DecodeRecord(b []byte) (*Record, error) {
	r := new(Record)
	if err := r.UnmarshalRLP(b); err != nil {
		return nil, err
	}
	return r, nil
}

// UnmarshalRLP does what DecodeRecord does. It lets records stand in structs
// that rlp.Unmarshal reads.
func (r *Record) UnmarshalRLP(b []byte) error {
	if len(b) > MaxRecord {
		return fmt.Errorf("node: decode record: %d bytes, the limit is %d: %w", len(b), MaxRecord, ErrBadRecord)
	}
	d := Record{raw: append([]byte(nil), b...)}
	if err := d.decode(); err != nil {
		return fmt.Errorf("node: decode record: %v: %w", err, ErrBadRecord)
	}
	*r = d
	return nil
}

// AppendRLP appends the record as it was signed; ErrUnsigned if it is not.
func (r *Record) AppendRLP(dst []byte) ([]byte, error) {
	if !r.Signed() {
		return dst, fmt.Errorf("node: encode record: %w", ErrUnsigned)
	}
	return append(dst, r.raw...), nil
}

// decode reads raw.
func (r *Record) decode() error {
	list, rest, err := rlp.SplitList(r.raw)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes follow it", len(rest))
	}
	sig, content, err := rlp.SplitString(list)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if r.seq, rest, err = rlp.SplitUint(content); err != nil {
		return fmt.Errorf("seq: %w", err)
	}
	if err := r.decodeEntries(rest); err != nil {
		return err
	}
	return r.verify(content, sig)
}

func (r *Record) decodeEntries(b []byte) error {
	last := ""
	for len(b) > 0 {
		name, rest, err := rlp.SplitString(b)
		if err != nil {
			return fmt.Errorf("key after %q: %w", last, err)
		}
		key := string(name)
		if len(r.entries) > 0 && key <= last {
			return fmt.Errorf("key %q after %q", key, last)
		}
		if len(rest) == 0 {
			return fmt.Errorf("key %q has no value", key)
		}
		value, rest, err := splitItem(rest)
		if err != nil {
			return fmt.Errorf("value of %q: %w", key, err)
		}
		r.entries = append(r.entries, entry{key, value})
		last, b = key, rest
	}
	return nil
}

// splitItem gives the first item with its head, canonical to its last element.
func splitItem(b []byte) (item, rest []byte, err error) {
	kind, content, rest, err := rlp.Split(b)
	if err != nil {
		return nil, nil, err
	}
	if kind == rlp.List {
		for len(content) > 0 {
			if _, content, err = splitItem(content); err != nil {
				return nil, nil, err
			}
		}
	}
	n := len(b) - len(rest)
	return b[:n:n], rest, nil
}

var errUnsignedByKey = errors.New("the signature is not that of its key")

// verify tells whether the key of the record has signed content, and sets it.
func (r *Record) verify(content, sig []byte) error {
	if scheme, ok := r.text(idKey); !ok || scheme != idV4 {
		return fmt.Errorf("identity scheme %q, want %q", scheme, idV4)
	}
	compressed, ok := r.text(keyKey)
	if !ok || len(compressed) != 33 {
		return fmt.Errorf("%s of %d bytes, want 33", keyKey, len(compressed))
	}
	key, err := crypto.ParsePublicKey([]byte(compressed))
	if err != nil {
		return err
	}
	if len(sig) != sigSize {
		return fmt.Errorf("signature of %d bytes, want %d", len(sig), sigSize)
	}
	if !key.Verify(digest(content), sig) {
		return errUnsignedByKey
	}
	r.key = key
	return nil
}

// digest is what is signed of a record's seq and entries.
func digest(content []byte) [32]byte {
	head := rlp.AppendListHead(make([]byte, 0, 9), len(content))
	return crypto.Keccak256(head, content)
}

// text is the value of an entry that is a string.
func (r *Record) text(key string) (string, bool) {
	i, ok := r.find(key)
	if !ok {
		return "", false
	}
	b, _, err := rlp.SplitString(r.entries[i].value)
	return string(b), err == nil
}

// Sign sets the entries id and secp256k1 and signs the record. It fails if the
// record has more than MaxRecord bytes, and is then unsigned.
func (r *Record) Sign(key *crypto.PrivateKey) error {
	public := key.Public()
	compressed := public.Compressed()
	r.put(idKey, rlp.AppendString(nil, idV4))
	r.put(keyKey, rlp.AppendBytes(nil, compressed[:]))
	r.unsign()
	content := r.content()
	sig := key.Sign(digest(content))
	size := rlp.BytesSize(sig[:sigSize]) + len(content)
	raw := rlp.AppendListHead(make([]byte, 0, MaxRecord), size)
	raw = rlp.AppendBytes(raw, sig[:sigSize])
	raw = append(raw, content...)
	if len(raw) > MaxRecord {
		return fmt.Errorf("node: sign record: %d bytes, the limit is %d", len(raw), MaxRecord)
	}
	r.raw, r.key = raw, public
	return nil
}

// content is the seq and the entries, without a list's head.
func (r *Record) content() []byte {
	b := rlp.AppendUint(make([]byte, 0, MaxRecord), r.seq)
	for _, e := range r.entries {
		b = rlp.AppendString(b, e.key)
		b = append(b, e.value...)
	}
	return b
}
