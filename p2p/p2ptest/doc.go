// Package p2ptest is a network in memory, to test protocols on.
//
// Set the fields of a [Network], take a [Transport] of it for each host, and
// give that to a p2p.Server (or have [Pair] do both). Then let the network lose,
// delay and cut what it carries, and look whether your protocol holds. Inside
// testing/synctest hours of it pass in milliseconds.
//
// Every message is encoded to bytes by the sender and parsed by the receiver,
// so nothing is shared by accident. A writer appends a frame to its line (see
// line.go), which knows when the frame arrives; the receiving session's reader
// takes it from there and puts it into the queue of its channel, or hands it to
// deliver. To test a Run function alone there is p2p.MsgPipe.
//
// What happens to a frame is drawn from Network.Seed, the names of the two
// hosts, which of their sessions it is, and the channel: the same seed gives the
// same fate to the nth message, whatever else goes on. A whole run repeats
// itself if nothing in it happens at the same instant, so set Delay and Jitter.
package p2ptest
