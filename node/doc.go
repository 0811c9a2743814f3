// Package node says who a node is and where it can be reached.
//
// An [ID] is the 32 bytes that a node proves to every peer. A [Ref] adds the
// generation, so that one run of a node can be told from the next. A [Node] is
// an ID with the addresses to dial, and a [Local] is the node that we are.
//
// Start with [ParseRef] for what a person typed, [Parse] for a node with its
// addresses. Data goes nowhere from here: this package opens no file and no
// socket.
package node
