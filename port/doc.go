// Package port offers services under numbers to the nodes of a network.
//
// Give a [Mux] your handlers, its Protocol to a p2p.Server, and call a port of
// another node with [Mux.Connect]. A port has one of three modes: [Send] takes
// messages and answers nothing, [Request] answers each, [Unreliable] takes
// messages that may be lost.
//
// A message is cut into fragments by the caller's link and written through the
// session; the link of the other side puts it together and queues it at its
// port, a worker hands it to the [Handler], and the reply travels back the same
// way. The link does its own flow control, so a slow handler or a large message
// holds up only its own callers, on every transport alike. The bytes of each
// frame are drawn in frame.go.
package port
