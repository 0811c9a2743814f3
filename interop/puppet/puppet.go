// Package puppet is how a test drives nodes that run in a process of their own:
// the test writes orders to its stdin, the nodes write events to its stdout, one
// line of JSON each. End of input is the order to close everything.
//
// A program makes a [Node] on some implementation of devp2p, gives each an
// [Actor], which says the same on all of them, and hands both to [Play].
//
// Three protocols are spoken. MyProtocol/1 answers the list ["foo"] with the list
// ["bar"]. blob/1 carries payloads of any bytes. flood/1 passes a text on to every
// other peer, once.
package puppet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The protocols and their lengths.
const (
	FooBar       = "MyProtocol"
	Blob         = "blob"
	Flood        = "flood"
	FooBarLength = 1
	BlobLength   = 2
	FloodLength  = 1
)

// An Order is what a test wants done.
type Order struct {
	// Do is "dial" (Enode), "send" (Text to Peer on MyProtocol), "blob" (Size bytes
	// to Peer), "flood" (Text), "drop" (Peer), "fail" (the Run with Peer returns
	// an error, or nil if Text is "nil") or "stop".
	Do string `json:"do"`
	// Node is which of the process's nodes is meant.
	Node int `json:"node"`
	// Peer is an id: 64 hex digits.
	Peer  string `json:"peer,omitempty"`
	Enode string `json:"enode,omitempty"`
	Text  string `json:"text,omitempty"`
	Size  int    `json:"size,omitempty"`
	// Noise is for a blob that cannot be compressed; else it is of zeros.
	Noise bool `json:"noise,omitempty"`
}

// The kinds of Event.
const (
	Listens = "listens" // Enode
	Runs    = "runs"    // Proto began with Peer
	Sent    = "sent"    // a blob, with Size and Sum
	Got     = "got"     // Proto, Code, Size, Sum, and Text if it is a list of one string
	Flooded = "flooded" // Text came, or began here
	Down    = "down"    // Peer is gone: Reason and Why
	Failed  = "failed"  // a connection came to nothing: Reason and Why
	Trouble = "trouble" // an order could not be done: Why
)

// NoReason is for an end that no disconnect message announced.
const NoReason = -1

// An Event is what has happened to a node.
type Event struct {
	Node  int    `json:"node"`
	Event string `json:"event"`
	Peer  string `json:"peer,omitempty"`
	Enode string `json:"enode,omitempty"`
	Proto string `json:"proto,omitempty"`
	Text  string `json:"text,omitempty"`
	Code  uint64 `json:"code,omitempty"`
	Size  int    `json:"size,omitempty"`
	Sum   string `json:"sum,omitempty"` // the first 8 bytes of the payload's SHA-256
	// Reason is the number of a disconnect message, sent or received, or NoReason.
	Reason int    `json:"reason"`
	Why    string `json:"why,omitempty"`
}

// Out is where events go. It is safe for concurrent use.
type Out struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// NewOut writes events to w.
func NewOut(w io.Writer) *Out { return &Out{enc: json.NewEncoder(w)} }

// Tell writes an event. A reader that has gone away is not our concern.
func (o *Out) Tell(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enc.Encode(e)
}

// A Node is an implementation's own part.
type Node interface {
	// Dial begins to connect and to stay connected.
	Dial(enode string) error
	// Drop ends the connection with "disconnect requested".
	Drop(peer string) error
	// Close ends the node and waits for it. It may be called twice.
	Close() error
}

// Play does the orders from in until it ends, then closes the nodes.
func Play(in io.Reader, out *Out, nodes []Node, actors []*Actor) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o Order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("puppet: order %.80q: %w", lines.Text(), err)
		}
		if o.Node < 0 || o.Node >= len(nodes) {
			return fmt.Errorf("puppet: order for node %d of %d", o.Node, len(nodes))
		}
		if err := obey(o, nodes[o.Node], actors[o.Node]); err != nil {
			out.Tell(Event{Node: o.Node, Event: Trouble, Peer: o.Peer, Reason: NoReason, Why: o.Do + ": " + err.Error()})
		}
	}
	var closing sync.WaitGroup
	for _, n := range nodes {
		closing.Go(func() { n.Close() })
	}
	closing.Wait()
	return nil
}

func obey(o Order, n Node, a *Actor) error {
	switch o.Do {
	case "dial":
		return n.Dial(o.Enode)
	case "drop":
		return n.Drop(o.Peer)
	case "stop":
		return n.Close()
	case "send":
		return a.write(talk{FooBar, o.Peer}, 0, list(o.Text))
	case "blob":
		return a.blob(o)
	case "flood":
		a.pass(o.Text, "")
		return nil
	case "fail":
		return a.fail(o)
	}
	return errors.New("no such order")
}
