package rlpx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"kith/crypto"
)

// An ECIES packet hides a text from all but the owner of one key:
//
//	65 bytes  04, the public half of a key made for this packet
//	16 bytes  initial vector
//	text      under AES-128 in counter mode
//	32 bytes  HMAC-SHA256 of the vector, the ciphertext and what both sides know
const (
	pointSize     = 65
	ivSize        = aes.BlockSize
	tagSize       = sha256.Size
	eciesOverhead = pointSize + ivSize + tagSize
)

// encrypt appends to dst what only the owner of the key to can read, and only
// together with the same context.
func encrypt(dst []byte, to *crypto.PublicKey, text, context []byte) ([]byte, error) {
	once, err := crypto.GenerateKey()
	if err != nil {
		return dst, err
	}
	point := once.Public().Bytes()
	dst = append(append(dst, 4), point[:]...)
	start := len(dst)
	dst = append(dst, make([]byte, ivSize)...)
	iv := dst[start:]
	if _, err := rand.Read(iv); err != nil {
		return dst, err
	}
	dst = append(dst, text...)
	key := keysOf(once.Agree(to))
	stream, err := key.stream(iv)
	if err != nil {
		return dst, err
	}
	stream.XORKeyStream(dst[start+ivSize:], dst[start+ivSize:])
	return key.appendTag(dst, dst[start:], context), nil
}

// decrypt returns the text of a packet. Whatever is wrong with the packet, the
// error is ErrHandshake. The point is checked before anything is computed with it,
// and memory for the text is taken when the tag is known to be right.
func decrypt(key *crypto.PrivateKey, packet, context []byte) ([]byte, error) {
	if len(packet) <= eciesOverhead || packet[0] != 4 {
		return nil, ErrHandshake
	}
	point, err := crypto.ParsePublicKey(packet[:pointSize])
	if err != nil {
		return nil, ErrHandshake
	}
	keys := keysOf(key.Agree(point))
	body, tag := packet[pointSize:len(packet)-tagSize], packet[len(packet)-tagSize:]
	if !hmac.Equal(tag, keys.appendTag(nil, body, context)) {
		return nil, ErrHandshake
	}
	stream, err := keys.stream(body[:ivSize])
	if err != nil {
		return nil, err
	}
	text := make([]byte, len(body)-ivSize)
	stream.XORKeyStream(text, body[ivSize:])
	return text, nil
}

// eciesKeys come from a shared secret.
type eciesKeys struct {
	cipher [16]byte
	tag    [32]byte
}

// keysOf is the concatenation KDF of NIST SP 800-56 with SHA-256: one round of it
// is enough.
func keysOf(secret [32]byte) eciesKeys {
	round := [4 + 32]byte{3: 1}
	copy(round[4:], secret[:])
	sum := sha256.Sum256(round[:])
	return eciesKeys{[16]byte(sum[:16]), sha256.Sum256(sum[16:])}
}

func (k *eciesKeys) stream(iv []byte) (cipher.Stream, error) {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewCTR(block, iv), nil
}

func (k *eciesKeys) appendTag(dst, body, context []byte) []byte {
	mac := hmac.New(sha256.New, k.tag[:])
	mac.Write(body)
	mac.Write(context)
	return mac.Sum(dst)
}
