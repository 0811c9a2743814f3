package port

import (
	"context"

	"kith/node"
)

// A Handler does the work of a port. It is called by several goroutines: at a
// port of mode Send one at a time for each Client, at the others as many as the
// Mux has workers for.
//
// ctx carries the caller's deadline. It ends when the caller gives up, when the
// session ends, and when Handle returns.
//
// In mode Request the bytes are the reply and must not be changed afterwards;
// they may be m.Data. An error reaches the caller as a [*RemoteError] with its
// text, and so does a panic. ErrBusy and ErrDraining, returned as they are, reach
// it as such: they say that nothing was done. In the other modes the bytes are
// dropped and the error is counted.
type Handler interface {
	Handle(ctx context.Context, m *Message) ([]byte, error)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, m *Message) ([]byte, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, m *Message) ([]byte, error) { return f(ctx, m) }

// A Message is what a Handler is given. It is valid until the handler returns,
// and so is ctx.
type Message struct {
	// Data is what the caller sent. The handler may change it, and return it or
	// a part of it as the reply, but what is to be kept when Handle has returned
	// must be copied: the memory is used again.
	Data []byte
	// Index is the caller's own number for a request, as given to
	// [Client.RequestIndex]. It means nothing to this package.
	Index uint32
	// From is who sent it: the identity that the session has proved.
	From node.Ref
	// Port is the number it was sent to, and Mode the mode of that port.
	Port uint16
	Mode Mode
}
