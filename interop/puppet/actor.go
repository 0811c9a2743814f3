package puppet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
)

// An Actor speaks the three protocols on behalf of one node.
type Actor struct {
	number int
	out    *Out

	mu    sync.Mutex // guards what follows; never held while waiting
	lines map[talk]*line
	heard map[string]bool // by flood
}

// A talk is one protocol with one peer, a line how to take part in it.
type talk struct{ proto, peer string }

type line struct {
	write func(code uint64, payload []byte) error
	leave chan error // room for one: what Talk is to return
}

// NewActor makes the actor of the node with this number.
func NewActor(number int, out *Out) *Actor {
	return &Actor{number: number, out: out, lines: make(map[talk]*line), heard: make(map[string]bool)}
}

// Tell writes an event about the actor's node.
func (a *Actor) Tell(e Event) {
	e.Node = a.number
	a.out.Tell(e)
}

// errTold is what a Run returns that was told to fail.
var errTold = errors.New("told to fail")

// Talk is the Run of a protocol with a peer. read is called by one goroutine
// until it fails, which it must soon after Talk has returned; write by any.
func (a *Actor) Talk(proto, peer string, read func() (code uint64, payload []byte, err error), write func(code uint64, payload []byte) error) error {
	key, l := talk{proto, peer}, &line{write, make(chan error, 1)}
	a.mu.Lock()
	a.lines[key] = l
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.lines[key] == l { // not of a newer connection
			delete(a.lines, key)
		}
	}()
	a.Tell(Event{Event: Runs, Proto: proto, Peer: peer, Reason: NoReason})
	ended := make(chan error, 1)
	go func() { ended <- a.listen(key, l, read) }()
	select {
	case err := <-ended:
		return err
	case err := <-l.leave:
		return err
	}
}

func (a *Actor) listen(key talk, l *line, read func() (uint64, []byte, error)) error {
	for {
		code, payload, err := read()
		if err != nil {
			return err
		}
		text := item(payload)
		if key.proto == Flood {
			a.pass(text, key.peer)
			continue
		}
		a.Tell(Event{Event: Got, Peer: key.peer, Proto: key.proto, Code: code, Size: len(payload), Sum: sum(payload), Text: text, Reason: NoReason})
		if key.proto == FooBar && text == "foo" {
			if err := l.write(0, list("bar")); err != nil {
				return err
			}
		}
	}
}

func (a *Actor) write(to talk, code uint64, payload []byte) error {
	a.mu.Lock()
	l := a.lines[to]
	a.mu.Unlock()
	if l == nil {
		return errors.New("no such peer on " + to.proto)
	}
	return l.write(code, payload)
}

// blob sends its payload without holding up the orders that follow.
func (a *Actor) blob(o Order) error {
	payload := make([]byte, o.Size)
	if o.Noise {
		rand.Read(payload)
	}
	a.Tell(Event{Event: Sent, Peer: o.Peer, Size: o.Size, Sum: sum(payload), Reason: NoReason})
	go func() {
		if err := a.write(talk{Blob, o.Peer}, 1, payload); err != nil {
			a.Tell(Event{Event: Trouble, Peer: o.Peer, Reason: NoReason, Why: "blob: " + err.Error()})
		}
	}()
	return nil
}

// pass gives a text that is new to every peer but the one it came from.
func (a *Actor) pass(text, from string) {
	a.mu.Lock()
	if a.heard[text] {
		a.mu.Unlock()
		return
	}
	a.heard[text] = true
	var others []*line
	for key, l := range a.lines {
		if key.proto == Flood && key.peer != from {
			others = append(others, l)
		}
	}
	a.mu.Unlock()
	a.Tell(Event{Event: Flooded, Text: text, Peer: from, Reason: NoReason})
	for _, l := range others {
		go l.write(0, list(text)) // a peer that has gone fails, and no other waits for it
	}
}

func (a *Actor) fail(o Order) error {
	a.mu.Lock()
	l := a.lines[talk{FooBar, o.Peer}]
	a.mu.Unlock()
	if l == nil {
		return errors.New("no such peer")
	}
	err := errTold
	if o.Text == "nil" {
		err = nil
	}
	select {
	case l.leave <- err:
	default: // it has been told already
	}
	return nil
}

// list is the RLP of a list of one string of at most 53 bytes.
func list(text string) []byte {
	if len(text) == 1 && text[0] < 0x80 {
		return []byte{0xc1, text[0]}
	}
	return append([]byte{0xc0 + byte(len(text)+1), 0x80 + byte(len(text))}, text...)
}

// item is the string in such a list, empty for anything else.
func item(payload []byte) string {
	n := len(payload) - 2
	switch {
	case n == 0 && payload[0] == 0xc1 && payload[1] < 0x80:
		return string(payload[1:])
	case n >= 1 && n <= 53 && payload[0] == 0xc0+byte(n+1) && payload[1] == 0x80+byte(n):
		return string(payload[2:])
	}
	return ""
}

func sum(payload []byte) string {
	h := sha256.Sum256(payload)
	return hex.EncodeToString(h[:8])
}
