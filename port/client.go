package port

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kith/node"
	"kith/p2p"
)

// connectWait bounds a Connect whose ctx has no deadline, and a redial.
const connectWait = 10 * time.Second

// A Client calls one port of one node. It keeps the session open, shares it with
// other Clients, and opens another by itself on the next call after it has
// ended. Calls that were in flight then fail with ErrClosed, for the peer may
// have run them; one that was certainly never sent is tried once more. It is
// safe for concurrent use.
type Client struct {
	mux        *Mux
	dialer     p2p.Dialer
	node       *node.Node
	generation uint64
	number     uint16

	current atomic.Pointer[attached]
	stop    context.CancelFunc
	ctx     context.Context // ends when the Client is closed

	mu     sync.Mutex // guards what follows; never held while waiting
	closed bool
	redial *redial // the one under way
	known  attached

	old []*attached // ended by the peer while requests were in flight on them; the redial's own
}

// attached is a stream with what keeps its session open.
type attached struct {
	*stream
	release func()
}

// A redial is an attempt that all calls share.
type redial struct {
	done chan struct{}
	err  error // set before done is closed
}

// Connect asks a node for a port, over a session that d dials or shares. n may be
// ourselves; then d may be nil. generation, if not 0, is the run of the node that
// must answer: another one is an ErrStale, now and at later redials. Other errors
// say why the node could not be reached, or are ErrNoPort, ErrDraining, ErrBusy
// or ctx's. Close the Client when it is no longer needed.
func (m *Mux) Connect(ctx context.Context, d p2p.Dialer, n *node.Node, generation uint64, number uint16) (*Client, error) {
	m.setUp()
	c := &Client{mux: m, dialer: d, node: n, generation: generation, number: number}
	c.ctx, c.stop = context.WithCancel(context.Background())
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.open[c] = struct{}{}
	}
	m.mu.Unlock()
	if closed {
		c.stop()
		return nil, c.explain("connect to", ErrClosed)
	}
	if _, err := c.stream(ctx); err != nil {
		c.Close()
		return nil, c.explain("connect to", err)
	}
	return c, nil
}

// Peer is who answers, with the generation that was there last.
func (c *Client) Peer() node.Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.link.peer
}

// Port is the number.
func (c *Client) Port() uint16 { return c.number }

// Mode is the port's.
func (c *Client) Mode() Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.mode
}

// Name is what the port is called.
func (c *Client) Name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.name
}

// MaxMessage is the most that the port takes in one message, in bytes.
func (c *Client) MaxMessage() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.limit()
}

// Datagrams tells whether messages of mode Unreliable travel as datagrams now.
// If not, they travel in the session, the oldest dropped when many wait.
func (c *Client) Datagrams() bool {
	a := c.current.Load()
	return a != nil && a.mode == Unreliable && a.link.datagrams()
}

// Send sends a message to a port of mode Send or Unreliable. At a port of mode
// Send it waits while the handler is behind, and returns when the session has
// taken the message, which the handler may then still miss if the session ends;
// messages of one goroutine are handled in order. At a port of mode Unreliable
// it never waits, and fails only if the message is too large or there is no
// session. data may be changed afterwards.
func (c *Client) Send(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return c.explain("send to", err)
	}
	for try := 0; ; try++ {
		a, err := c.stream(ctx)
		if err == nil {
			var sent bool
			if sent, err = a.sendMode(ctx, data); err == nil {
				c.mux.sent.count(&c.mux.sent.sends, len(data))
				return nil
			}
			if try == 0 && !sent && c.again(a, err) {
				continue
			}
		}
		c.mux.sent.errors.Add(1)
		return c.explain("send to", err)
	}
}

func (s *stream) sendMode(ctx context.Context, data []byte) (sent bool, err error) {
	switch s.mode {
	case Send:
		return s.send(ctx, data)
	case Unreliable:
		return false, s.sendUnreliable(data)
	}
	return false, &ModeError{s.mode}
}

// Request sends a request to a port of mode Request and waits for the reply,
// which belongs to the caller. data may be changed afterwards. The error is a
// *RemoteError if the handler failed.
func (c *Client) Request(ctx context.Context, data []byte) ([]byte, error) {
	return c.RequestIndex(ctx, 0, data)
}

// RequestIndex is Request with a number that the handler sees as Message.Index.
// Several requests in flight may have the same.
func (c *Client) RequestIndex(ctx context.Context, index uint32, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.explain("request to", err)
	}
	for try := 0; ; try++ {
		a, err := c.stream(ctx)
		if err == nil && a.mode != Request {
			err = &ModeError{a.mode}
		} else if err == nil {
			var reply []byte
			var sent bool
			if reply, sent, err = a.request(ctx, index, data); err == nil {
				c.mux.sent.count(&c.mux.sent.requests, len(data)+len(reply))
				return reply, nil
			}
			if try == 0 && !sent && c.again(a, err) {
				continue
			}
		}
		c.mux.sent.errors.Add(1)
		return nil, c.explain("request to", err)
	}
}

// again tells whether a call that was not sent may be tried once more: its
// session had ended, or its stream.
func (c *Client) again(a *attached, err error) bool {
	return c.ctx.Err() == nil && a.ended() && err == a.err
}

// explain says what was tried, and on whom.
func (c *Client) explain(act string, err error) error {
	who := c.node.Short()
	if c.node.ID.IsZero() && len(c.node.Hosts) > 0 {
		who = c.node.Hosts[0]
	}
	return fmt.Errorf("port: %s %d at %s: %w", act, c.number, who, err)
}

// Close ends the Client's calls in flight with ErrClosed and lets go of the
// session. It may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	redial := c.redial
	c.mu.Unlock()
	c.stop()
	if redial != nil {
		<-redial.done
	}
	if first {
		c.let(c.current.Swap(nil))
		for _, a := range c.old { // nobody else is there any more
			c.let(a)
		}
		c.mux.mu.Lock()
		delete(c.mux.open, c)
		c.mux.mu.Unlock()
	}
	return nil
}

// let goes of a stream and its session.
func (c *Client) let(a *attached) {
	if a != nil {
		a.leave()
		a.release()
	}
}

// leaveOld lets go of streams that the peer has ended, except those that it
// still owes answers on. Only the redial calls it.
func (c *Client) leaveOld(a *attached) {
	old := c.old
	if a != nil {
		old = append(old, a)
	}
	c.old = slices.DeleteFunc(old, func(a *attached) bool {
		done := a.link.ended() != nil || !a.link.slots.serves(a.id)
		if done {
			c.let(a)
		}
		return done
	})
}

// stream gives the stream to use, and opens one if there is none or it has
// ended.
func (c *Client) stream(ctx context.Context) (*attached, error) {
	for {
		a := c.current.Load()
		if a != nil && !a.ended() {
			return a, nil
		}
		r, err := c.share(a)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		select {
		case <-r.done:
			if r.err != nil {
				return nil, r.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// share begins a redial, or joins the one under way; nil if a is no longer the
// stream.
func (c *Client) share(a *attached) (*redial, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.redial != nil:
		return c.redial, nil
	case c.current.Load() != a:
		return nil, nil
	}
	r := &redial{done: make(chan struct{})}
	if !c.mux.spawn(func() { c.connect(r) }) {
		return nil, ErrClosed
	}
	c.redial = r
	return r, nil
}

// connect is a redial's goroutine.
func (c *Client) connect(r *redial) {
	ctx, cancel := context.WithTimeout(c.ctx, connectWait)
	defer cancel()
	c.leaveOld(c.current.Swap(nil))
	a, err := c.dial(ctx)
	if c.ctx.Err() != nil && err != nil {
		err = ErrClosed
	}
	c.mu.Lock()
	c.redial = nil
	if err == nil {
		c.known = *a
		c.current.Store(a)
	}
	c.mu.Unlock()
	r.err = err
	close(r.done)
}

// dial opens a session, unless it is there, and the port on it. A session that
// ends meanwhile is tried once more.
func (c *Client) dial(ctx context.Context) (*attached, error) {
	for try := 0; ; try++ {
		l, release, err := c.reach(ctx)
		if err != nil {
			return nil, err
		}
		s, err := l.open(ctx, c.number, c.generation)
		if err == nil && s.mode == Unreliable {
			l.carry(ctx)
		}
		if err == nil {
			return &attached{s, release}, nil
		}
		release()
		if try > 0 || !errors.Is(err, ErrClosed) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// reach gives the link with the node, and what to call to let go of it.
func (c *Client) reach(ctx context.Context) (*link, func(), error) {
	m := c.mux
	if !c.node.ID.IsZero() && c.node.ID == m.Self.ID {
		if c.generation != 0 && c.generation != m.Self.Generation {
			return nil, nil, refusal(codeStale, m.Self.Generation, "")
		}
		l, err := m.selfLink()
		return l, m.leaveSelf, err
	}
	if c.dialer == nil {
		return nil, nil, errors.New("no dialer")
	}
	lease, err := c.dialer.Dial(ctx, c.node)
	if err != nil {
		return nil, nil, err
	}
	peer := lease.Peer()
	if has := peer.Ref().Generation; c.generation != 0 && has != 0 && has != c.generation {
		lease.Release()
		return nil, nil, refusal(codeStale, has, "")
	}
	l, err := m.link(ctx, peer)
	if err != nil {
		lease.Release()
		return nil, nil, err
	}
	return l, lease.Release, nil
}
