package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mr-tron/base58"
)

// An ID is what a node proves: in a cluster the 32 bytes of its ed25519 public
// key, or the SHA-256 of the SubjectPublicKeyInfo for a key of another kind; in
// an open network what V4ID makes of its key. The zero ID stands for "not known
// yet". IDs compare with == and serve as map keys.
type ID [32]byte

// ErrBadID is wrapped by every error about the text of an ID.
var ErrBadID = errors.New("not a node id")

// ParseID reads the text that String writes (base58, Bitcoin's alphabet), or the
// 64 hexadecimal digits that Hex does.
func ParseID(text string) (ID, error) {
	var id ID
	if len(text) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(text)); err != nil {
			return ID{}, fmt.Errorf("node: parse id %q: %v: %w", text, err, ErrBadID)
		}
		return id, nil
	}
	if len(text) > 44 { // 32 bytes never need more, and decoding takes quadratic time
		return id, fmt.Errorf("node: parse id of %d characters: too long: %w", len(text), ErrBadID)
	}
	b, err := base58.Decode(text)
	if err != nil {
		return id, fmt.Errorf("node: parse id %q: %v: %w", text, err, ErrBadID)
	}
	if len(b) != len(id) {
		return id, fmt.Errorf("node: parse id %q: %d bytes, want %d: %w", text, len(b), len(id), ErrBadID)
	}
	copy(id[:], b)
	return id, nil
}

// String is the whole id in base58, at most 44 characters.
func (id ID) String() string { return base58.Encode(id[:]) }

// Short is the first eight characters of String, for logs and errors. Where a
// node may be one of an open network use Node.Short or Scheme.Short.
func (id ID) Short() string { return id.String()[:8] }

// Hex is the whole id in hexadecimal.
func (id ID) Hex() string { return hex.EncodeToString(id[:]) }

// IsZero tells whether the id is not known yet.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText writes what String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseID does.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// A Ref names a node, or with a Generation one run of it. Its text is
// "id/generation"; "id/0" and "id" alone mean whichever run is there.
type Ref struct {
	ID ID
	// Generation is when the run began, in milliseconds since the Unix epoch.
	// Zero means any run.
	Generation uint64
}

// ParseRef reads "id/generation", "id/0" or "id".
func ParseRef(text string) (Ref, error) {
	name, gen, found := strings.Cut(text, "/")
	id, err := ParseID(name)
	if err != nil || !found {
		return Ref{ID: id}, err
	}
	g, err := strconv.ParseUint(gen, 10, 64)
	if err != nil {
		return Ref{}, fmt.Errorf("node: parse %q: generation %q is not a number: %w", text, gen, ErrBadID)
	}
	return Ref{ID: id, Generation: g}, nil
}

// String is "id/generation".
func (r Ref) String() string {
	return r.ID.String() + "/" + strconv.FormatUint(r.Generation, 10)
}

// Matches tells whether r, perhaps without a generation, means the run that
// other names.
func (r Ref) Matches(other Ref) bool {
	return r.ID == other.ID && (r.Generation == 0 || r.Generation == other.Generation)
}

// MarshalText writes what String does.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRef does.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRef(string(text))
	return err
}
