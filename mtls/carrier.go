package mtls

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A carrier is the stream of bytes under a session: TLS over TCP, or one stream
// of a QUIC connection. It closes both ways.
type carrier interface {
	io.ReadWriteCloser // Close ends everything at once, without a word
	deadliner
	// CloseWrite says that no more comes from us.
	CloseWrite() error
	// together calls Write once and hands all of it to the system at once.
	together(b []byte) error
	// counts are the bytes on the wire so far.
	counts() (in, out uint64)
	// name is what Stats call it.
	name() string
}

// A tcpCarrier is TLS over TCP.
type tcpCarrier struct {
	*tls.Conn
	under *corked
}

func newTCPCarrier(conn net.Conn, dialled bool, cfg *tls.Config) *tcpCarrier {
	under := &corked{Conn: conn}
	if dialled {
		return &tcpCarrier{tls.Client(under, cfg), under}
	}
	return &tcpCarrier{tls.Server(under, cfg), under}
}

// Close does not say goodbye in TLS, which could wait for a peer that reads
// nothing.
func (c *tcpCarrier) Close() error { return c.under.Close() }

func (c *tcpCarrier) CloseWrite() error {
	if err := c.Conn.CloseWrite(); err != nil {
		return err
	}
	if half, ok := c.under.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *tcpCarrier) together(b []byte) error {
	c.under.cork()
	_, err := c.Conn.Write(b)
	if e := c.under.uncork(); err == nil {
		err = e
	}
	return err
}

func (c *tcpCarrier) counts() (in, out uint64) { return c.under.in.Load(), c.under.sent.Load() }
func (c *tcpCarrier) name() string             { return "tcp" }

// A corked is a connection that gathers what is written between cork and
// uncork: crypto/tls writes each record by itself, and a system call for each
// costs a quarter of the throughput.
type corked struct {
	net.Conn
	in, sent atomic.Uint64

	// order is held while writing, as crypto/tls does above it: records must
	// leave in the order they were made. Nobody but the session's writer wants
	// it, save crypto/tls for the rare answer to a change of keys.
	order sync.Mutex
	on    bool
	held  *[]byte // nil while nothing is held
}

// corkSize is how much is gathered before it is written all the same: what a
// round of the writer gives, with what TLS adds to it.
const corkSize = writeRound + 2*maxFrame

var corkBuffers = sync.Pool{New: func() any { b := make([]byte, 0, corkSize); return &b }}

func (c *corked) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in.Add(uint64(n))
	return n, err
}

func (c *corked) Write(b []byte) (int, error) {
	c.order.Lock()
	defer c.order.Unlock()
	if !c.on {
		return c.write(b)
	}
	if c.held == nil {
		c.held = corkBuffers.Get().(*[]byte)
	}
	if len(*c.held)+len(b) > corkSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	*c.held = append(*c.held, b...)
	return len(b), nil
}

func (c *corked) write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(uint64(n))
	return n, err
}

// flush writes what is held. Call it with order held.
func (c *corked) flush() error {
	_, err := c.write(*c.held)
	*c.held = (*c.held)[:0]
	return err
}

func (c *corked) cork() {
	c.order.Lock()
	c.on = true
	c.order.Unlock()
}

func (c *corked) uncork() error {
	c.order.Lock()
	defer c.order.Unlock()
	c.on = false
	if c.held == nil {
		return nil
	}
	err := c.flush()
	corkBuffers.Put(c.held)
	c.held = nil
	return err
}
