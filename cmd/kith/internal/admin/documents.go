package admin

import "time"

// Schema is the version of the documents; it grows when a field changes its
// meaning, not when one is added.
const Schema = 1

// Status is what a node says about itself.
type Status struct {
	Schema     int         `json:"schema"`
	Network    Network     `json:"network"` // that the fields up to Ports are about
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Generation uint64      `json:"generation"` // milliseconds since the Unix epoch; 0 in an open network
	Version    string      `json:"version"`    // of the node's configuration
	Kith       string      `json:"kith"`       // of the program
	PID        int         `json:"pid"`
	Started    time.Time   `json:"started"`
	Listening  string      `json:"listening"`
	Advertised []string    `json:"advertised"`
	Seeds      []string    `json:"seeds"`
	Admin      string      `json:"admin"`
	Expires    time.Time   `json:"certificate_expires,omitzero"`
	DaysLeft   *int        `json:"certificate_days_left"` // null: in no cluster
	Members    int         `json:"members"`               // itself included
	Alive      int         `json:"alive"`                 // itself included
	Ports      []Port      `json:"ports"`                 // of both networks
	Alarm      string      `json:"alarm,omitempty"`       // what an operator should look at
	Open       *OpenStatus `json:"open,omitempty"`        // null: in no open network
}

// OpenStatus is what a node says about itself in an open network.
type OpenStatus struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Enode     string   `json:"enode"`
	Listening string   `json:"listening"` // empty: nowhere
	Peers     int      `json:"peers"`
	MaxPeers  int      `json:"max_peers"`
	Protocols []string `json:"protocols"`
}

// Members is a document.
type Members struct {
	Schema  int      `json:"schema"`
	Members []Member `json:"members"`
}

// A Member is a node of the cluster as the node that was asked sees it.
type Member struct {
	Network    Network    `json:"network"` // always cluster
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

// Peers is a document.
type Peers struct {
	Schema int    `json:"schema"`
	Peers  []Peer `json:"peers"`
}

// A Peer is a node that is connected.
type Peer struct {
	Network      Network   `json:"network"`
	ID           string    `json:"id"`
	Name         string    `json:"name"`                 // what it calls itself
	Generation   uint64    `json:"generation,omitempty"` // in a cluster
	Enode        string    `json:"enode,omitempty"`      // in an open network
	Address      string    `json:"address"`              // its end of the connection
	Inbound      bool      `json:"inbound"`              // it has dialled us
	Static       bool      `json:"static,omitempty"`     // we keep it connected
	Trusted      bool      `json:"trusted,omitempty"`    // it does not count against MaxPeers
	Since        time.Time `json:"since"`
	Protocols    []string  `json:"protocols"`    // that run
	Capabilities []string  `json:"capabilities"` // that it says it has
	RTT          *float64  `json:"rtt_ms"`       // null: not measured
	Carrier      string    `json:"carrier"`      // tcp or quic
	BytesIn      uint64    `json:"bytes_in"`
	BytesOut     uint64    `json:"bytes_out"`
}

// Ports is a document.
type Ports struct {
	Schema int    `json:"schema"`
	Ports  []Port `json:"ports"`
}

// A Port is a service of a node.
type Port struct {
	Network Network `json:"network"`
	ID      string  `json:"id"`
	Node    string  `json:"node"`
	Number  uint16  `json:"port"`
	Name    string  `json:"name"`
	Mode    string  `json:"mode"` // send, request or unreliable
}

// An Event is something that happened.
type Event struct {
	Schema     int       `json:"schema"`
	Network    Network   `json:"network"`
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
	Network    Network `json:"network"`
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Generation uint64  `json:"generation"`
	Address    string  `json:"address"`
	RTT        float64 `json:"rtt_ms"`
}
