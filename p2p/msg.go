package p2p

import "context"

// A Msg is one message of a protocol.
type Msg struct {
	// Code says what kind of message it is: from 0 to the protocol's Length - 1.
	Code uint64
	// Payload is the rest. What ReadMsg returns belongs to the caller for good.
	// What WriteMsg is given is copied before it returns.
	Payload []byte
}

// A MsgReader gives the messages of one protocol in the order they were sent.
type MsgReader interface {
	// ReadMsg waits for a message. Its error is final and says why the session
	// ended, often a *DisconnectError. Only one goroutine may read.
	ReadMsg() (Msg, error)
}

// A MsgWriter sends messages of one protocol.
type MsgWriter interface {
	// WriteMsg sends a message, or waits while the peer is too slow to take more.
	// It returns when the message is queued, not when it has arrived. ErrTooLarge
	// and ErrBadCode are about the message, and the session goes on; any other
	// error says why the session has ended. Several goroutines may call it.
	WriteMsg(Msg) error
}

// A MsgReadWriter is one protocol on one session. It ends with its session.
//
// It may also be a [Direct] and a [Datagrams]: find out by type assertion.
type MsgReadWriter interface {
	MsgReader
	MsgWriter
}

// Direct is what a MsgReadWriter may also offer to a protocol that does its own
// queueing, flow control and fairness: messages without a goroutine change and
// without a second copy. A protocol uses either this or ReadMsg and WriteMsg.
type Direct interface {
	// Attach is called once, before anything is read. From then on the session
	// calls deliver on its reader with the messages that arrived together, in
	// order; deliver must not block, and batch and its payloads are only valid
	// until it returns. When the session has ended deliver is called no more.
	//
	// The session calls fill on its writer whenever it has room after a Wake.
	// fill calls put for each message it wants to send now; put copies, and says
	// false when there is no room left (the message was not taken): fill returns
	// and will be called again without another Wake. fill must not block. What is
	// put may overtake what is posted meanwhile: where the order of two messages
	// matters, send both the same way.
	Attach(deliver func(batch []Msg), fill func(put func(code uint64, head, body []byte) bool))
	// Post queues one message whose payload is head followed by body, together
	// at most MaxPost bytes. Both are copied. It waits while too much is queued
	// and fails when the session ends.
	Post(code uint64, head, body []byte) error
	// TryPost is Post that never waits: false says that the queue is full or the
	// session has ended.
	TryPost(code uint64, head, body []byte) bool
	// Wake makes the writer call fill soon. It never waits.
	Wake()
	// MaxPost is the most that head and body of one message may have together,
	// in Post and in put. At least 8 KiB, but no more than the Protocol's MaxMessage.
	MaxPost() int
}

// Datagrams is what a MsgReadWriter may also offer: messages that may be lost,
// doubled or overtaken, and never hold up others.
type Datagrams interface {
	// OpenDatagrams makes sure that datagrams have a carrier of their own, and
	// dials it if need be. An error says why there is none; the session goes on.
	OpenDatagrams(ctx context.Context) error
	// HaveDatagrams tells whether a carrier of their own is there now.
	HaveDatagrams() bool
	// MaxDatagram is the most that head and body of a datagram may have together.
	// It is the same whether the carrier is there or not.
	MaxDatagram() int
	// SendDatagram queues head followed by body, both copied. It never waits; it
	// is false if the datagram was dropped at once, for want of a carrier or of
	// room.
	SendDatagram(head, body []byte) bool
	// OnDatagram is called once: from then on f is called for each datagram that
	// arrives, on the carrier's reader. It must not block, and b is only valid
	// until it returns. Datagrams that came before are lost.
	OnDatagram(f func(b []byte))
}
