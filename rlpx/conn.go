package rlpx

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"kith/crypto"
)

// writeRound is how much is encrypted before it is written: the peer can begin
// to read a long frame before we have come to its end.
const writeRound = 64 << 10

// A Conn carries messages whose sender and secrecy are certain. One goroutine may
// read and one may write at a time; Close may be called by any. Make one with
// Initiate or Accept.
type Conn struct {
	conn   net.Conn
	local  *crypto.PublicKey
	remote *crypto.PublicKey
	dialer bool // we have dialled
	snappy bool
	in     opener
	out    sealer
	queue  []byte // WriteMsg's

	bytesIn, bytesOut atomic.Uint64
}

func newConn(conn net.Conn, local, remote *crypto.PublicKey, dialer bool, s *secrets) (*Conn, error) {
	data, err := aes.NewCipher(s.aes[:])
	if err != nil {
		return nil, err
	}
	macs, err := aes.NewCipher(s.mac[:])
	if err != nil {
		return nil, err
	}
	var iv [aes.BlockSize]byte // the specification's: all zeros
	c := &Conn{conn: conn, local: local, remote: remote, dialer: dialer}
	c.out = sealer{stream: cipher.NewCTR(data, iv[:]), mac: newMAC(macs, s.out)}
	c.in = opener{stream: cipher.NewCTR(data, iv[:]), mac: newMAC(macs, s.in), limit: maxData}
	c.in.conn = counted{c}
	return c, nil
}

// counted counts what is read.
type counted struct{ *Conn }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	c.bytesIn.Add(uint64(n))
	return n, err
}

// Remote is the key of the other side, which has proved to own it once a message
// has been read.
func (c *Conn) Remote() *crypto.PublicKey { return c.remote }

// NetConn is the connection below, for its addresses and deadlines.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Close closes the connection at once.
func (c *Conn) Close() error { return c.conn.Close() }

// SetSnappy says whether the messages from now on are compressed, in both
// directions.
func (c *Conn) SetSnappy(on bool) { c.snappy = on }

// ReadMsg waits for a message. Its data belong to the caller. An error is final;
// it is a *DisconnectError if the peer has broken the rules.
func (c *Conn) ReadMsg() (code uint64, data []byte, err error) {
	frame, err := c.in.next()
	if err != nil {
		return 0, nil, fmt.Errorf("rlpx: read: %w", err)
	}
	code, rest, err := parseMessage(frame)
	if err == nil {
		data, err = payload(rest, c.snappy, maxData)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("rlpx: read: %w", err)
	}
	return code, data, nil
}

// WriteMsg writes a message. After ErrTooLarge the connection goes on; any other
// error is final.
func (c *Conn) WriteMsg(code uint64, data []byte) (err error) {
	c.queue, err = appendMessage(c.queue[:0], code, data, c.snappy)
	if err != nil {
		return err
	}
	if err := c.write(c.queue); err != nil {
		return fmt.Errorf("rlpx: write: %w", err)
	}
	if cap(c.queue) > maxQueued {
		c.queue = nil
	}
	return nil
}

// write encrypts and sends frames of appendMessage. It overwrites b.
func (c *Conn) write(b []byte) error {
	for len(b) > 0 {
		n, err := c.writeSome(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// writeSome does one round of write, and says how much of b that was.
func (c *Conn) writeSome(b []byte) (int, error) {
	n := c.out.seal(b, writeRound)
	sent, err := c.conn.Write(b[:n])
	c.bytesOut.Add(uint64(sent))
	if err == nil && sent < n {
		err = io.ErrShortWrite
	}
	return n, err
}
