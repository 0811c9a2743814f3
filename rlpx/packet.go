package rlpx

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"

	"kith/crypto"
	"kith/rlp"
)

// A packet of the handshake is two bytes of size and that many bytes of ECIES,
// with the size as its context. The text is a list, and then whatever the sender
// likes.
const (
	maxPacket = 2048 // without the size
	minPad    = 100  // what the sender adds, so that no size tells the format
	maxPad    = 300
)

// handshakeVersion is what we say; whatever they say is taken.
const handshakeVersion = 4

// An auth is what the side that dialled says: the list [signature, key, nonce,
// version, …].
type auth struct {
	// sig is made with the ephemeral key, over the secret of the two static keys
	// XOR the nonce: so it gives the ephemeral key and proves to own the static one.
	sig   [65]byte
	key   *crypto.PublicKey
	nonce [32]byte
}

// An ack is the answer: the list [ephemeral key, nonce, version, …].
type ack struct {
	ephemeral *crypto.PublicKey
	nonce     [32]byte
}

func (a *auth) append(b []byte) []byte {
	key := a.key.Bytes()
	return appendList(b, a.sig[:], key[:], a.nonce[:])
}

func (a *ack) append(b []byte) []byte {
	key := a.ephemeral.Bytes()
	return appendList(b, key[:], a.nonce[:])
}

// appendList writes strings and our version.
func appendList(b []byte, items ...[]byte) []byte {
	start := len(b)
	for _, item := range items {
		b = rlp.AppendBytes(b, item)
	}
	return rlp.WrapList(rlp.AppendUint(b, handshakeVersion), start)
}

// parseAuth ignores the version, further elements, and what follows the list.
// Whatever is wrong, the error is ErrHandshake.
func parseAuth(text []byte) (a auth, err error) {
	f := fields{err: &err}
	f.open(text)
	f.take(a.sig[:])
	a.key = f.key()
	f.take(a.nonce[:])
	return a, err
}

// parseAck is as lenient as parseAuth.
func parseAck(text []byte) (a ack, err error) {
	f := fields{err: &err}
	f.open(text)
	a.ephemeral = f.key()
	f.take(a.nonce[:])
	return a, err
}

// fields reads the strings of a list. After an error it does nothing.
type fields struct {
	rest []byte
	err  *error
}

func (f *fields) open(text []byte) {
	list, _, err := rlp.SplitList(text)
	if err != nil {
		*f.err = ErrHandshake
	}
	f.rest = list
}

// take fills b with a string of exactly its length.
func (f *fields) take(b []byte) {
	if *f.err != nil {
		return
	}
	s, rest, err := rlp.SplitString(f.rest)
	if err != nil || len(s) != len(b) {
		*f.err = ErrHandshake
		return
	}
	copy(b, s)
	f.rest = rest
}

func (f *fields) key() *crypto.PublicKey {
	var xy [64]byte
	f.take(xy[:])
	if *f.err != nil {
		return nil
	}
	key, err := crypto.ParsePublicKey(xy[:])
	if err != nil {
		*f.err = ErrHandshake
	}
	return key
}

// sealPacket makes a packet of a list.
func sealPacket(to *crypto.PublicKey, list []byte) ([]byte, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(maxPad-minPad))
	if err != nil {
		return nil, err
	}
	pad := make([]byte, minPad+n.Int64())
	if _, err := rand.Read(pad); err != nil {
		return nil, err
	}
	text := append(list, pad...)
	packet := make([]byte, 2, 2+eciesOverhead+len(text))
	binary.BigEndian.PutUint16(packet, uint16(eciesOverhead+len(text)))
	return encrypt(packet, to, text, packet[:2])
}

// openPacket returns the text of a packet.
func openPacket(key *crypto.PrivateKey, packet []byte) ([]byte, error) {
	return decrypt(key, packet[2:], packet[:2])
}
