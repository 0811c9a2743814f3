// Package p2p runs your own protocols between nodes.
//
// Set the fields of a [Server], give it your [Protocol]s and a PrivateKey, and
// call Start. Every peer that shares a protocol with you then gets a goroutine
// in that protocol's Run. [Send], [SendItems] and [Msg.Decode] carry values in
// RLP, [MsgPipe] and package p2ptest test a protocol without a network.
//
// A PrivateKey makes a node of an open network, over RLPx. For a private cluster
// see package cluster, which gives the Server another [Transport].
//
// Three things around the server can be exchanged: the Transport says how two
// nodes talk in secret, a [Discovery] who is there to dial, and a [Protocol]
// what they say. None of them knows another.
//
// A message is read from the connection by its [Session], waits in the queue of
// its protocol and is handed out by ReadMsg; what WriteMsg is given goes the
// same way back. A node is found by a Discovery or given to [Server.Dial],
// dialled by the Transport, judged once by the server, and is a [Peer] from then
// until its session ends.
//
// What others can make us keep is bounded: peers and pending handshakes by fields
// of the Server, what is remembered of addresses and failures by constants, the
// size of a message and what waits in queues by the Transport. Errors name the
// limit.
package p2p
