package rlpx

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"kith/crypto"
)

// ErrHandshake is wrapped by the error of a handshake that makes no sense: bytes
// that are none, or for another key, or forged. Which of them it is, is not told.
var ErrHandshake = errors.New("not an RLPx handshake for our key")

// handshakeTime bounds each of the handshake and the hello.
const handshakeTime = 5 * time.Second

// Initiate is the handshake of the side that dialled. Who answers can go on from
// there only with the key remote: the first message that is read proves it. It
// takes at most five seconds. conn belongs to the Conn; it is closed if there is
// an error.
func Initiate(ctx context.Context, conn net.Conn, key *crypto.PrivateKey, remote *crypto.PublicKey) (*Conn, error) {
	return handshake(ctx, conn, "initiate", func() (*Conn, error) { return initiate(conn, key, remote) })
}

// Accept is the handshake of the side that was dialled. The Conn's Remote tells
// who the other side says it is: the first message that is read proves it, for a
// handshake may have been recorded. It takes at most five seconds, and less
// than 4 KiB of memory until the other side has shown that it knows our key.
// conn belongs to the Conn; it is closed if there is an error.
func Accept(ctx context.Context, conn net.Conn, key *crypto.PrivateKey) (*Conn, error) {
	return handshake(ctx, conn, "accept", func() (*Conn, error) { return accept(conn, key) })
}

func handshake(ctx context.Context, conn net.Conn, what string, f func() (*Conn, error)) (c *Conn, err error) {
	err = within(ctx, handshakeTime, conn, func() (err error) {
		c, err = f()
		return err
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("rlpx: %s: %w", what, err)
	}
	return c, nil
}

func initiate(conn net.Conn, key *crypto.PrivateKey, remote *crypto.PublicKey) (*Conn, error) {
	ephemeral, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	ours := auth{key: key.Public()}
	if _, err := rand.Read(ours.nonce[:]); err != nil {
		return nil, err
	}
	ours.sig = ephemeral.Sign(signed(key.Agree(remote), ours.nonce))
	authPacket, err := sealPacket(remote, ours.append(nil))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(authPacket); err != nil {
		return nil, err
	}
	ackPacket, err := readPacket(conn)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the peer has closed the connection: it may have another key, or no room: %w", err)
	} else if err != nil {
		return nil, err
	}
	text, err := openPacket(key, ackPacket)
	if err != nil {
		return nil, err
	}
	theirs, err := parseAck(text)
	if err != nil {
		return nil, err
	}
	t := transcript{true, ours.nonce, theirs.nonce, authPacket, ackPacket}
	return newConn(conn, key.Public(), remote, true, t.secrets(ephemeral.Agree(theirs.ephemeral)))
}

func accept(conn net.Conn, key *crypto.PrivateKey) (*Conn, error) {
	authPacket, err := readPacket(conn)
	if err != nil {
		return nil, err
	}
	text, err := openPacket(key, authPacket)
	if err != nil {
		return nil, err
	}
	theirs, err := parseAuth(text)
	if err != nil {
		return nil, err
	}
	theirEphemeral, err := crypto.Recover(signed(key.Agree(theirs.key), theirs.nonce), theirs.sig)
	if err != nil {
		return nil, ErrHandshake
	}
	ephemeral, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	ours := ack{ephemeral: ephemeral.Public()}
	if _, err := rand.Read(ours.nonce[:]); err != nil {
		return nil, err
	}
	ackPacket, err := sealPacket(theirs.key, ours.append(nil))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(ackPacket); err != nil {
		return nil, err
	}
	t := transcript{false, theirs.nonce, ours.nonce, authPacket, ackPacket}
	return newConn(conn, key.Public(), theirs.key, false, t.secrets(ephemeral.Agree(theirEphemeral)))
}

// signed is what the signature of an auth signs.
func signed(static, nonce [32]byte) (digest [32]byte) {
	subtle.XORBytes(digest[:], static[:], nonce[:])
	return digest
}

// A transcript is what went over the wire in a handshake.
type transcript struct {
	dialled               bool // by us
	authNonce             [32]byte
	ackNonce              [32]byte
	authPacket, ackPacket []byte
}

// secrets are what the frames of a connection are protected with.
type secrets struct {
	aes, mac [32]byte
	out, in  crypto.Keccak // the MACs as they begin
}

// secrets derives them from the secret that the ephemeral keys share.
func (t *transcript) secrets(ephemeral [32]byte) *secrets {
	nonces := crypto.Keccak256(t.ackNonce[:], t.authNonce[:])
	shared := crypto.Keccak256(ephemeral[:], nonces[:])
	s := new(secrets)
	s.aes = crypto.Keccak256(ephemeral[:], shared[:])
	s.mac = crypto.Keccak256(ephemeral[:], s.aes[:])
	s.out.Write(xor(s.mac, t.ackNonce))
	s.out.Write(t.authPacket)
	s.in.Write(xor(s.mac, t.authNonce))
	s.in.Write(t.ackPacket)
	if !t.dialled {
		s.out, s.in = s.in, s.out
	}
	return s
}

func xor(a, b [32]byte) []byte {
	subtle.XORBytes(a[:], a[:], b[:])
	return a[:]
}

// readPacket reads one packet, its size included.
func readPacket(conn io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n <= eciesOverhead || n > maxPacket {
		return nil, ErrHandshake
	}
	packet := make([]byte, 2+n)
	copy(packet, size[:])
	if _, err := io.ReadFull(conn, packet[2:]); err != nil {
		return nil, err
	}
	return packet, nil
}

// within calls f with the deadline of ctx, but at most limit, on conn. After an
// error conn is of no use any more.
func within(ctx context.Context, limit time.Duration, conn net.Conn, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(stopped)
	})
	err := f()
	if stop() {
		return err
	}
	<-stopped
	if err == nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%v)", ctx.Err(), err)
}
