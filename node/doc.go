// Package node says who a node is and where it can be reached.
//
// An [ID] is the 32 bytes that a node proves to every peer: in a cluster by a
// certificate, in an open network by a secp256k1 key ([Scheme]). A [Ref] adds
// the generation, so that one run of a node can be told from the next. A [Node]
// is an ID with the addresses to dial, and a [Local] is the node that we are. In
// open networks a node says all that of itself in a signed [Record] (ENR).
//
// Start with [Parse] for what a person typed: kith://, enode:// or enr: text;
// [ParseRef] for an id with a generation. Data goes nowhere from here: this
// package opens no file and no socket.
package node
