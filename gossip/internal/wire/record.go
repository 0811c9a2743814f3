package wire

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"kith/cert"
	"kith/node"
)

// Limits of a record. Whoever makes or reads a larger one gets a LimitError
// that names the limit.
const (
	MaxRecord      = 16 << 10 // bytes, signature included
	MaxName        = 64       // bytes, as a certificate's common name
	MaxAddresses   = 8
	MaxAddress     = 261 // bytes: a host name of 255, a colon, a port
	MaxPorts       = 256
	MaxPortName    = 64 // bytes
	MaxMetaKey     = 64 // bytes
	MaxMetaValue   = 1 << 10
	MaxMetaKeys    = 256
	MaxMeta        = 8 << 10           // bytes, keys and values together
	MaxKey         = 120               // bytes of a SubjectPublicKeyInfo: that of P-384
	MaxSignature   = cert.MaxSignature // bytes
	MaxIncarnation = 1<<30 - 1
	MaxHeartbeat   = time.Hour
)

// A LimitError says which limit of a record was passed.
type LimitError struct {
	What string
	Got  int
	Max  int
	// Doing is what was tried; empty if it is something read.
	Doing string
}

func (e *LimitError) Error() string {
	text := fmt.Sprintf("%s is %d, the limit is %d", e.What, e.Got, e.Max)
	if e.Doing != "" {
		text = e.Doing + ": " + text
	}
	return "gossip: " + text
}

// A VersionError says that a record is of a version that we cannot read. Its
// node may be a good member of a later time, and so may who passes it on.
type VersionError struct{ Got uint8 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("gossip: record of version %d, only version %d is read here", e.Got, recordVersion)
}

// Short is how a member is named where the reader can look up the rest: the
// first eight bytes of its id.
func Short(id node.ID) uint64 { return be.Uint64(id[:]) }

// A Port is a service that a node offers.
type Port struct {
	Number uint16
	Mode   uint8
	Name   string
}

// A Record is what a node says about itself, signed with its key. It is never
// changed once made; a change is a new record with a higher incarnation.
//
//	 1 byte   version, 1
//	32 bytes  id
//	 8 bytes  generation: when the node started, in milliseconds since 1970
//	 4 bytes  incarnation, at most 2^30-1
//	fields, in any order: 1 byte tag · uvarint length · value
//	   1 key        SubjectPublicKeyInfo; absent when the id is an ed25519 key
//	   2 name       text
//	   3 address    host:port; once for each
//	   4 version    three numbers of 2 bytes
//	   5 heartbeat  4 bytes, milliseconds
//	   6 port       2 bytes number · 1 byte mode · name; once for each
//	   7 meta       1 byte key length · key · value; once for each
type Record struct {
	ID          node.ID
	SPKI        []byte // nil when ID is the ed25519 key itself
	Generation  uint64
	Incarnation uint32
	Name        string
	Addresses   []string
	Version     [3]uint16
	Heartbeat   time.Duration // of whole milliseconds
	Ports       []Port        // by number
	Meta        map[string][]byte

	raw []byte           // signature and body as they came
	pub crypto.PublicKey // proved to belong to ID
}

const recordVersion = 1

const (
	tagKey = iota + 1
	tagName
	tagAddress
	tagVersion
	tagHeartbeat
	tagPort
	tagMeta
)

// Raw is the signed record as it travels: 1 byte signature length, signature,
// body. It must not be changed. It is nil for a record never signed.
func (r *Record) Raw() []byte { return r.raw }

// PublicKey is the key that ID stands for. It is nil for a record that was
// neither signed nor opened here.
func (r *Record) PublicKey() crypto.PublicKey { return r.pub }

// Check says which limit r passes, or nil.
func (r *Record) Check() error {
	meta := 0
	for k, v := range r.Meta {
		meta += len(k) + len(v)
	}
	for _, l := range []LimitError{
		{What: "name length", Got: len(r.Name), Max: MaxName},
		{What: "key length", Got: len(r.SPKI), Max: MaxKey},
		{What: "number of addresses", Got: len(r.Addresses), Max: MaxAddresses},
		{What: "number of ports", Got: len(r.Ports), Max: MaxPorts},
		{What: "number of metadata keys", Got: len(r.Meta), Max: MaxMetaKeys},
		{What: "size of all metadata", Got: meta, Max: MaxMeta},
		{What: "incarnation", Got: int(r.Incarnation), Max: MaxIncarnation},
		{What: "heartbeat in ms", Got: int(r.Heartbeat / time.Millisecond), Max: int(MaxHeartbeat / time.Millisecond)},
	} {
		if l.Got > l.Max {
			return &l
		}
	}
	if !utf8.ValidString(r.Name) {
		return bad("record", "the name is not UTF-8")
	}
	for _, a := range r.Addresses {
		if len(a) > MaxAddress {
			return &LimitError{What: "length of address " + a[:32] + "…", Got: len(a), Max: MaxAddress}
		}
	}
	for _, p := range r.Ports {
		if len(p.Name) > MaxPortName {
			return &LimitError{What: fmt.Sprintf("name length of port %d", p.Number), Got: len(p.Name), Max: MaxPortName}
		}
	}
	for k, v := range r.Meta {
		if err := CheckMeta(k, v); err != nil {
			return err
		}
	}
	return nil
}

// CheckMeta says which limit one piece of metadata passes, or nil.
func CheckMeta(key string, value []byte) error {
	if len(key) == 0 || len(key) > MaxMetaKey {
		return &LimitError{What: fmt.Sprintf("length of metadata key %.70q", key), Got: len(key), Max: MaxMetaKey}
	}
	if len(value) > MaxMetaValue {
		return &LimitError{What: fmt.Sprintf("size of metadata %q", key), Got: len(value), Max: MaxMetaValue}
	}
	return nil
}

func appendField(b []byte, tag byte, value ...[]byte) []byte {
	n := 0
	for _, v := range value {
		n += len(v)
	}
	b = binary.AppendUvarint(append(b, tag), uint64(n))
	for _, v := range value {
		b = append(b, v...)
	}
	return b
}

// body is what the signature covers.
func (r *Record) body() []byte {
	b := make([]byte, 0, 160)
	b = append(append(b, recordVersion), r.ID[:]...)
	b = be.AppendUint32(be.AppendUint64(b, r.Generation), r.Incarnation)
	if r.SPKI != nil {
		b = appendField(b, tagKey, r.SPKI)
	}
	if r.Name != "" {
		b = appendField(b, tagName, []byte(r.Name))
	}
	for _, a := range r.Addresses {
		b = appendField(b, tagAddress, []byte(a))
	}
	if r.Version != [3]uint16{} {
		v := be.AppendUint16(be.AppendUint16(be.AppendUint16(nil, r.Version[0]), r.Version[1]), r.Version[2])
		b = appendField(b, tagVersion, v)
	}
	if r.Heartbeat != 0 {
		b = appendField(b, tagHeartbeat, be.AppendUint32(nil, uint32(r.Heartbeat/time.Millisecond)))
	}
	for _, p := range r.Ports {
		b = appendField(b, tagPort, append(be.AppendUint16(nil, p.Number), p.Mode), []byte(p.Name))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Meta)) {
		b = appendField(b, tagMeta, []byte{byte(len(k))}, []byte(k), r.Meta[k])
	}
	return b
}

// A Head is the front of a record: enough to tell whether the rest is news.
type Head struct {
	ID          node.ID
	Generation  uint64
	Incarnation uint32
}

// ParseHead reads the head of a raw record without looking at the rest.
func ParseHead(raw []byte) (h Head, err error) {
	_, c, err := splitRecord(raw)
	if err != nil {
		return h, err
	}
	return parseHead(&c)
}

func splitRecord(raw []byte) (sig []byte, body cursor, err error) {
	if len(raw) > MaxRecord {
		return nil, body, &LimitError{What: "record size", Got: len(raw), Max: MaxRecord}
	}
	c := cursor{b: raw}
	if sig = c.signature(); c.short {
		return nil, body, bad("record", "no signature")
	}
	return sig, c, nil
}

func parseHead(c *cursor) (h Head, err error) {
	if v := c.u8(); v != recordVersion && !c.short {
		return h, &VersionError{v}
	}
	copy(h.ID[:], c.take(len(h.ID)))
	h.Generation, h.Incarnation = c.u64(), c.u32()
	switch {
	case c.short:
		return h, bad("record", "too short")
	case h.ID.IsZero(): // which names nobody, and for which anybody can sign
		return h, bad("record", "no id")
	case h.Incarnation > MaxIncarnation:
		return h, &LimitError{What: "incarnation", Got: int(h.Incarnation), Max: MaxIncarnation}
	}
	return h, nil
}

// parseRecord reads a body. It checks the limits but no signature.
func parseRecord(c cursor) (*Record, error) {
	h, err := parseHead(&c)
	if err != nil {
		return nil, err
	}
	r := &Record{ID: h.ID, Generation: h.Generation, Incarnation: h.Incarnation}
	for len(c.b) > 0 {
		tag := c.u8()
		value := c.take(c.size())
		if c.short {
			return nil, bad("record", "field %d is cut off", tag)
		}
		if err := r.field(tag, value); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(r.Ports, func(a, b Port) int { return cmp.Compare(a.Number, b.Number) })
	return r, r.Check()
}

func (r *Record) field(tag uint8, v []byte) error {
	c := cursor{b: v}
	switch tag {
	case tagKey:
		r.SPKI = bytes.Clone(v)
	case tagName:
		r.Name = string(v)
	case tagAddress:
		if len(r.Addresses) == MaxAddresses {
			return &LimitError{What: "number of addresses", Got: MaxAddresses + 1, Max: MaxAddresses}
		}
		r.Addresses = append(r.Addresses, string(v))
	case tagVersion:
		r.Version = [3]uint16{c.u16(), c.u16(), c.u16()}
	case tagHeartbeat:
		r.Heartbeat = time.Duration(c.u32()) * time.Millisecond
	case tagPort:
		if len(r.Ports) == MaxPorts {
			return &LimitError{What: "number of ports", Got: MaxPorts + 1, Max: MaxPorts}
		}
		r.Ports = append(r.Ports, Port{Number: c.u16(), Mode: c.u8(), Name: string(c.b)})
	case tagMeta:
		if r.Meta == nil {
			r.Meta = make(map[string][]byte)
		}
		k := string(c.sized())
		r.Meta[k] = bytes.Clone(c.b)
		if len(r.Meta) > MaxMetaKeys {
			return &LimitError{What: "number of metadata keys", Got: len(r.Meta), Max: MaxMetaKeys}
		}
	}
	if c.short {
		return bad("record", "field %d is too short", tag)
	}
	return nil
}
