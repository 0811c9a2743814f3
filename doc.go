// Package kith is the root of a peer-to-peer library and command. It holds no
// code: start with [kith/p2p] for protocols of your own, with [kith/cluster] for
// a private cluster in one struct, and with the command kith for neither.
//
// ARCHITECTURE.md draws the house: who may import whom, what a message passes
// through, who owns which goroutine.
package kith
