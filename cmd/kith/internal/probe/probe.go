// Package probe asks a node of an open network who it is: it dials, shakes hands,
// exchanges hellos and pings, over RLPx, and hangs up.
//
// Start with [Dial]. It is a p2p.Server's dial without the server: nothing is
// kept, and no protocol is run.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"kith/crypto"
	"kith/node"
	"kith/p2p"
	"kith/rlp"
	"kith/rlpx"
)

// Codes of the base protocol.
const (
	codeDisconnect = 0x01
	codePing       = 0x02
	codePong       = 0x03
)

// goodbye is what we say at the end: the list of the reason "requested".
var goodbye = []byte{0xc1, 0x80}

// A Caller is who asks. Its fields are read by Dial and never written.
type Caller struct {
	// Key is who we are. It must be set.
	Key *crypto.PrivateKey
	// Name is what we say we are.
	Name string
	// Caps are the protocols that we say we can run. We run none of them.
	Caps []p2p.Cap
}

// An Answer is what a node has told.
type Answer struct {
	Name    string
	Version uint64 // of the base protocol
	Caps    []p2p.Cap
	Port    uint64 // where it says it listens; 0 if it does not
	Address string // where it was reached
	// Connect is how long the TCP connection took, which is a round trip, and
	// Handshake all from there to its hello.
	Connect, Handshake time.Duration
	// RTT is the last ping's. Zero: none was answered.
	RTT time.Duration
	// Left says why the node has hung up or is silent; nil if it is not.
	Left error
}

// Dial asks a node, at the first of its addresses that answers. n must have a
// Key. What takes longer than patience has failed. ping is called after each
// round trip, and says whether there shall be one more.
func (c *Caller) Dial(ctx context.Context, n *node.Node, patience time.Duration, ping func(*Answer) bool) (*Answer, error) {
	greeting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a := new(Answer)
	conn, err := a.connect(greeting, n)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	secret, err := c.greet(greeting, a, conn, n.Key)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for more := true; more; {
		_ = conn.SetDeadline(time.Now().Add(patience))
		rtt, err := roundTrip(secret)
		if err != nil {
			a.Left = err
			break
		}
		a.RTT = rtt
		more = ping(a)
	}
	if a.Left == nil {
		_ = secret.WriteMsg(codeDisconnect, goodbye) // it need not hear it
	}
	return a, nil
}

// greet proves who we are and exchanges hellos.
func (c *Caller) greet(ctx context.Context, a *Answer, conn net.Conn, key *crypto.PublicKey) (*rlpx.Conn, error) {
	began := time.Now()
	secret, err := rlpx.Initiate(ctx, conn, c.Key, key)
	if err != nil {
		return nil, err
	}
	hello, err := rlpx.NewSession(secret).Hello(ctx, c.hello(), func(rlpx.Hello) error { return nil })
	if err != nil {
		return nil, told(err)
	}
	a.Handshake = time.Since(began)
	a.Name, a.Version, a.Port = hello.Name, hello.Version, hello.ListenPort
	for _, one := range hello.Caps {
		a.Caps = append(a.Caps, p2p.Cap{Name: one.Name, Version: uint(one.Version)})
	}
	secret.SetSnappy(hello.Version >= 5) // as the session would do if it were opened
	return secret, nil
}

// connect tries the addresses one after another.
func (a *Answer) connect(ctx context.Context, n *node.Node) (net.Conn, error) {
	var d net.Dialer
	var failed []error
	for _, host := range n.TCPHosts() {
		began := time.Now()
		conn, err := d.DialContext(ctx, "tcp", host)
		if err == nil {
			a.Address, a.Connect = conn.RemoteAddr().String(), time.Since(began)
			return conn, nil
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return nil, p2p.ErrNoAddress
	}
	return nil, errors.Join(failed...)
}

func (c *Caller) hello() rlpx.Hello {
	h := rlpx.Hello{Name: c.Name}
	for _, cap := range c.Caps {
		h.Caps = append(h.Caps, rlpx.Cap{Name: cap.Name, Version: uint64(cap.Version)})
	}
	return h
}

// roundTrip pings once and passes over what comes in between.
func roundTrip(conn *rlpx.Conn) (time.Duration, error) {
	began := time.Now()
	if err := conn.WriteMsg(codePing, rlp.AppendListHead(nil, 0)); err != nil {
		return 0, err
	}
	for {
		code, data, err := conn.ReadMsg()
		switch {
		case err != nil:
			return 0, told(err)
		case code == codePong:
			return time.Since(began), nil
		case code == codePing:
			err = conn.WriteMsg(codePong, rlp.AppendListHead(nil, 0))
		case code == codeDisconnect:
			return 0, &p2p.DisconnectError{Reason: reason(data), Remote: true}
		}
		if err != nil {
			return 0, err
		}
	}
}

// reason reads a disconnect message: a list of a number, or the number alone.
func reason(data []byte) p2p.DiscReason {
	if len(data) == 0 {
		return p2p.DiscRequested
	}
	var list []uint64
	var n uint64
	if rlp.Unmarshal(data, &list) == nil && len(list) > 0 {
		n = list[0]
	} else if rlp.Unmarshal(data, &n) != nil {
		n = uint64(p2p.DiscUnreadable)
	}
	return p2p.DiscReason(min(n, uint64(p2p.DiscUnreadable)))
}

// told gives a disconnect of the peer the type that p2p has for it.
func told(err error) error {
	var d *rlpx.DisconnectError
	if errors.As(err, &d) && d.Remote {
		return fmt.Errorf("hello: %w", &p2p.DisconnectError{Reason: p2p.DiscReason(d.Reason), Text: d.Text, Remote: true})
	}
	return err
}
