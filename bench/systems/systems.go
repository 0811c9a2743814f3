// Package systems holds the systems that are measured: Kith and its peers.
//
// [All] lists them in the order of the tables. Each runs with its own defaults,
// under mutual TLS 1.3 with ed25519 certificates, on loopback, as its
// documentation would have a user write it; where a default forbids a case
// (the size of a message, the number of streams) it is raised, and that line
// says so.
package systems

import (
	"crypto/rand"

	"kith/bench/load"
)

const loopback = "127.0.0.1:0"

// All is every system that is built into this module.
func All() []load.System {
	return []load.System{
		kithSystem{},
		kithSystem{quic: true},
		grpcSystem{},
		natsSystem{},
		quicStreams{},
		quicMux{},
		tlsMux{},
		openSystem{},
		tcpEcho{},
	}
}

// Named finds one of All, or nil.
func Named(name string) load.System {
	for _, s := range All() {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// bulk is what is pulled in mixed load. Nobody writes to it.
var bulk = func() []byte {
	b := make([]byte, load.BulkSize)
	rand.Read(b)
	return b
}()
