// Package rlpx makes encrypted sessions over TCP for open networks: RLPx with
// the handshake of EIP-8, and version 5 of devp2p's base protocol above it.
//
// Start with [Initiate] on the side that dialled, which must know the key of the
// other, and [Accept] on the other. Both make a [Conn], which takes messages: a
// number and bytes. [NewSession] makes a [Session] of it: it exchanges hellos,
// shares the connection among protocols, answers pings and tells why it ends.
//
// A message is appended, compressed, to the session's output by whoever writes
// it, who also encrypts and writes it if nobody else does; in a burst a goroutine
// writes for all, many frames in one system call. On the other side the session's
// reader, its only lasting goroutine, decrypts what one system call gave and hands
// the messages to the queues of their channels.
//
// All channels of a session share one stream. A channel whose queue is full, for
// nobody reads it, therefore holds up the others, until the peer's next write
// fails.
//
// # The bytes
//
// The specification is rlpx.md of ethereum/devp2p, with EIP-8 and EIP-706. A
// frame is
//
//	3 bytes   size of the data
//	13 bytes  c2 80 80, then zeros
//	16 bytes  MAC
//	data      the number of the message as an RLP integer, then its bytes,
//	          compressed with snappy; zeros fill up to a multiple of 16
//	16 bytes  MAC
//
// with header and data encrypted. The handshake that was in use before EIP-8
// (without a size in front) is not accepted.
//
// # What it does not protect
//
// A handshake gives both directions the same key and the same initial vector for
// AES in counter mode, so their keystreams are equal (CVE-2015-20112): who records
// both directions learns the XOR of what was sent at the same place in each. The
// first frames hold known text, so more can be guessed from that. The protocol
// leaves no way to mend it. Nor does the handshake protect what was recorded from
// who later steals the static key of the side that accepted: all that is sent
// stays secret, but not who sent it. The MACs are sound: nobody can change, drop
// or insert a byte unnoticed. Where secrecy matters use a transport with TLS.
package rlpx
