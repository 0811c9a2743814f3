// Package mtls makes sessions under mutual TLS 1.3, for clusters in which every
// node holds a certificate of one authority.
//
// Set the fields of a [Transport] and give it to a p2p.Server. A session's
// streams ride on TLS over TCP; datagrams have a QUIC connection of their own
// on the same port number, which somebody has to ask for; where TCP does not get
// through, QUIC carries everything.
//
// A message is appended to the session's output buffer by whoever sends it; the
// session's writer takes the whole buffer, adds chunks of long messages in turn
// and hands all of it to TLS at once. On the other side the session's reader
// parses what one read gave and hands the messages on: to the function of a
// protocol that does its own queueing, or to the queue of its channel, from
// which ReadMsg takes them.
//
// # Who is who
//
// A node's id is its key. Each side checks the other's certificate itself:
// chain, dates, usage, key, revocation, and the id if one was expected. The side
// that dialled refuses within the handshake, before it has shown its own
// certificate; the other learns of it by a TLS alert. The side that was dialled
// asks for any certificate, finishes the handshake and then says in words why it
// refuses, so the words come as the error of the dialler's Hello. A session is
// looked at again when the credentials change, and when its certificate ends; it
// goes on if the peer has shown a new one within the session.
package mtls
