// Package cluster is a private cluster in one struct.
//
// Set the fields of a [Node], give it handlers and call Start: it then is a
// member of the cluster of those who hold a certificate of the same authority,
// and can be called by them. [FromJSON] reads the same from a configuration.
//
// A Node is a preset. Its p2p.Server connects on demand by mtls.Transport, finds
// members by gossip.Gossip, and runs that, a port.Mux and your own protocols on
// each session. A call goes from [Node.Connect] to the Mux, which asks the
// Server for a session, which asks the gossip for the addresses; from then on
// the Client and the Mux of the other side talk directly.
//
// It reads the certificate files, keeps one number beside the key file (see
// Node.StateFile), and listens where it is told to.
package cluster
