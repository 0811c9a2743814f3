// Package admin is how the command reaches a node that runs: HTTP with JSON over
// a Unix socket that only its owner may use, or, where there are no Unix
// sockets, over a loopback port with a token in a file.
//
// The node's side is a [Server] around a [Node], on what [Listen] opens. The
// command's side is a [Client] that [Find] has found. What either of them says
// is in documents.go. Nothing here listens beyond this machine.
//
//	GET  /v1/status  /v1/members[?watch=1]  /v1/events  /v1/ports[?peer=]
//	POST /v1/ping?peer=      /v1/call|send|dgram?peer=&port=&timeout=   the body is the data
//	POST /v1/leave
//	POST /v1/serve?port=&name=&mode=   stays open as long as the port is served, see serve.go
package admin

import (
	"context"
	"iter"
	"time"

	"kith/port"
)

// A Node is what a Server makes reachable. Peers are texts as people write them:
// self, a name, an id, the start of one, or id/generation. Its errors should be
// exit.Errors. It must be safe for concurrent use.
type Node interface {
	Status() Status
	Members() []Member
	// Watch gives the members now and after each change, the latest only if the
	// reader is slow.
	Watch(ctx context.Context) iter.Seq[[]Member]
	Events(ctx context.Context) iter.Seq[Event]
	// Ports of a peer; none given means everybody's.
	Ports(peer string) ([]Port, error)
	Ping(ctx context.Context, peer string) (Pong, error)
	Call(ctx context.Context, peer string, number uint16, data []byte) ([]byte, error)
	Send(ctx context.Context, peer string, number uint16, data []byte) error
	Dgram(ctx context.Context, peer string, number uint16, data []byte) error
	// Serve takes a port until stop is called.
	Serve(number uint16, name string, mode port.Mode, h port.Handler) (stop func(), err error)
	// Leave tells the other members and stops the node. It may return before the
	// process ends.
	Leave(ctx context.Context) error
}

// Schema is the version of the documents; it grows when a field changes its
// meaning, not when one is added.
const Schema = 1

// Status is what a node says about itself.
type Status struct {
	Schema     int       `json:"schema"`
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Generation uint64    `json:"generation"` // milliseconds since the Unix epoch
	Version    string    `json:"version"`    // of the node's configuration
	Kith       string    `json:"kith"`       // of the program
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	Listening  string    `json:"listening"`
	Advertised []string  `json:"advertised"`
	Seeds      []string  `json:"seeds"`
	Admin      string    `json:"admin"`
	Expires    time.Time `json:"certificate_expires"`
	DaysLeft   int       `json:"certificate_days_left"`
	Members    int       `json:"members"` // itself included
	Alive      int       `json:"alive"`   // itself included
	Ports      []Port    `json:"ports"`
	Alarm      string    `json:"alarm,omitempty"` // what an operator should look at
}

// Members is a document.
type Members struct {
	Schema  int      `json:"schema"`
	Members []Member `json:"members"`
}

// A Member is a node of the cluster as the node that was asked sees it.
type Member struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Generation uint64     `json:"generation"`
	Address    string     `json:"address"`
	Addresses  []string   `json:"addresses,omitempty"`
	State      string     `json:"state"`                 // alive, suspect, dead or left
	Phi        *float64   `json:"phi"`                   // null: not measured by the node that was asked
	RTT        *float64   `json:"rtt_ms"`                // null: there is no session with it
	DaysLeft   *int       `json:"certificate_days_left"` // null: the same
	Seen       *time.Time `json:"seen"`                  // null: not heard by the node that was asked
	Self       bool       `json:"self"`
	Seed       bool       `json:"seed,omitempty"`
	Version    string     `json:"version,omitempty"`
	Why        string     `json:"why,omitempty"` // of a member that is not alive
}

// Ports is a document.
type Ports struct {
	Schema int    `json:"schema"`
	Ports  []Port `json:"ports"`
}

// A Port is a service of a member.
type Port struct {
	ID     string `json:"id"`
	Node   string `json:"node"`
	Number uint16 `json:"port"`
	Name   string `json:"name"`
	Mode   string `json:"mode"` // send, request or unreliable
}

// An Event is something that happened.
type Event struct {
	Schema     int       `json:"schema"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	ID         string    `json:"id,omitempty"`
	Name       string    `json:"name,omitempty"`
	Generation uint64    `json:"generation,omitempty"`
	Address    string    `json:"address,omitempty"`
	Text       string    `json:"text"` // a sentence
	Votes      []Vote    `json:"votes,omitempty"`
	Missed     int       `json:"missed,omitempty"` // events that this reader was too slow for
}

// A Vote is one observer's word that a member is dead.
type Vote struct {
	ID   string  `json:"id"`
	Name string  `json:"name"`
	Phi  float64 `json:"phi"`
	Hard bool    `json:"hard"`
}

// A Pong is the answer to a ping.
type Pong struct {
	Schema     int     `json:"schema"`
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Generation uint64  `json:"generation"`
	Address    string  `json:"address"`
	RTT        float64 `json:"rtt_ms"`
}
