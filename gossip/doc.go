// Package gossip knows who is in the cluster.
//
// Set the fields of a [Gossip], give its Protocol to a p2p.Server and itself to
// that server's Discovery, and start the server. From then on Members, Watch and
// Events tell who is there, who is in doubt and who is gone, and the server
// finds the addresses of every member.
//
// What decides is a state machine in internal/machine, without clock or socket.
// A message that a peer sends comes through Run to the machine; what the machine
// wants to say goes into the outbox of the node it is for, and from there, by a
// sender that runs while there is something to send, over the session to that
// node, which is opened if need be. Nothing is written to disk.
package gossip
