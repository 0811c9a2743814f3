package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kith/crypto"
	"kith/node"
)

// A Server connects this node to others and runs its protocols with them. Set
// its fields, then call Start; they are read by Start and never written. All
// methods are safe for concurrent use, in any order, before Start and after
// Close too.
type Server struct {
	// Name is what peers are told we are. Empty means "kith".
	Name string
	// Version travels in the hello of transports of ours, which refuse another
	// first number. All zero means 0.1.0.
	Version [3]uint16
	// PrivateKey is who we are in an open network, and makes the Transport: RLPx
	// over TCP. It or Transport must be set, not both.
	PrivateKey *crypto.PrivateKey
	// Transport says who we are and how to connect, where it is not RLPx.
	Transport Transport
	// ListenAddr is where to accept connections, "host:port" with port 0 for any.
	// Empty means nowhere.
	ListenAddr string
	// Protocols are what we run. With none we take every peer and say nothing.
	Protocols []Protocol
	// Policy says whom to be connected to.
	Policy Policy
	// Epoch is when this run of the node began, in milliseconds since the Unix
	// epoch. Of two sessions with one node the higher epoch wins. Zero is fine
	// where the transport does not carry it.
	Epoch uint64
	// Discovery finds nodes. The Server starts and closes it.
	Discovery []Discovery
	// Filter says whether a node that was found shall be dialled, such as by what
	// its Record tells of its network. It must not block. Nil: all of them.
	Filter func(*node.Node) bool
	// StaticNodes are kept connected, redialled when they go. One may be an
	// address alone. Places of MaxPeers are kept for them.
	StaticNodes []*node.Node
	// BootstrapNodes are where to begin: with Policy Fill they are dialled in turn
	// while we have fewer than three peers.
	BootstrapNodes []*node.Node
	// NetRestrict is where peers may be: others are neither dialled nor accepted.
	// Empty means anywhere.
	NetRestrict []netip.Prefix
	// NoDial makes a Server that only accepts: it dials nobody, not even when it
	// is asked to, and StaticNodes must be empty.
	NoDial bool
	// TrustedNodes do not count against MaxPeers.
	TrustedNodes []node.ID
	// MaxPeers is how many peers there may be. Zero means DefaultMaxPeers, or
	// DefaultMaxPeersOnDemand with that Policy. The next is told "too many peers".
	MaxPeers int
	// MaxPendingPeers is how many accepted connections may be in their handshake,
	// and how many dials of a Discovery's nodes under way. Zero means
	// DefaultMaxPendingPeers. Then the oldest of the address that has the most
	// is given up, or the newcomer is closed if it comes from there too.
	MaxPendingPeers int
	// DialRatio r keeps 1/r of MaxPeers for nodes that a Discovery finds, with
	// Policy Fill. Zero means DefaultDialRatio. The others, one at least, are for
	// those who dial us.
	DialRatio int
	// ChurnInterval makes room for others: each time it has passed, if there is
	// no place for somebody who dials us, or for whom the Discovery finds, the
	// peer of that kind with the fewest messages since the last time has to leave.
	// Static and trusted peers stay, and those that hold a lease or are newer than
	// that. With Policy Fill; zero means never.
	ChurnInterval time.Duration
	// DialTimeout bounds a dial with its handshake and hello, HandshakeTimeout
	// the same for a connection that we accept. Zero means DefaultDialTimeout
	// and DefaultHandshakeTimeout.
	DialTimeout, HandshakeTimeout time.Duration
	// IdleTimeout is how long a session without lease and traffic stays, with
	// Policy OnDemand. Zero means DefaultIdleTimeout.
	IdleTimeout time.Duration
	// EnableMsgEvents adds MsgSent and MsgReceived to Events. It costs a little
	// for each message while somebody reads them.
	EnableMsgEvents bool
	// Logger gets what the server has to say. Nil means slog.Default.
	Logger *slog.Logger

	mu      sync.Mutex // guards what follows; never held while waiting
	state   state
	core    *core // set while running, and kept after Close for what it counted
	closing chan struct{}
}

type state uint8

const (
	idle state = iota
	starting
	running
	closed
)

// A core is what exists from Start to Close.
type core struct {
	cfg   config
	local *node.Local
	ln    Listener // nil if we do not listen
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	scheme    node.Scheme
	listening atomic.Int32 // how many read Events

	mu       sync.Mutex // guards what follows; never held while waiting
	conns    map[node.ID]*conn
	dials    map[target]*dialing
	backOff  backOff
	throttle throttle
	static   map[target]*kept
	trusted  map[node.ID]bool
	pending  map[*handshake]bool // accepted; at most MaxPendingPeers
	filling  int                 // dials begun for a source
	recent   recent              // whom the sources gave, and when they were dialled
	rested   recent              // who had to make room for others, and when
	friends  map[netip.Addr]bool // where static and trusted nodes are
	quitting bool
	runs     map[string]int // how many Runs of a protocol have not returned
	changed  chan struct{}  // closed and replaced when conns or filling change
	feed     feed
	count    counters

	handshakes int // of pending, and those given up that have not ended
}

// Start listens, starts the Discovery and returns. If it fails nothing is left
// open, and the caller may mend the fields and try again. After Close, or if
// Close is called meanwhile, it returns ErrClosed.
func (s *Server) Start() error {
	s.mu.Lock()
	switch s.state {
	case closed:
		s.mu.Unlock()
		return ErrClosed
	case starting, running:
		s.mu.Unlock()
		return errors.New("p2p: already started")
	}
	s.state, s.closing = starting, make(chan struct{})
	ready := s.closing
	s.mu.Unlock()

	c, err := start(s.config())

	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(ready) // whoever called Close meanwhile goes on
	if err != nil {
		if s.state == starting {
			s.state = idle
		}
		return err
	}
	s.core = c
	if s.state == closed {
		return ErrClosed
	}
	s.state = running
	return nil
}

func start(cfg config) (*core, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.identify()
	c := &core{
		cfg: cfg, local: cfg.local(),
		conns: make(map[node.ID]*conn), dials: make(map[target]*dialing), pending: make(map[*handshake]bool), runs: make(map[string]int),
		static: make(map[target]*kept), trusted: make(map[node.ID]bool), changed: make(chan struct{}),
		throttle: throttle{wide: cfg.Policy == Fill}, recent: make(recent), rested: make(recent), friends: make(map[netip.Addr]bool),
	}
	c.scheme = c.local.Node().Scheme
	c.ctx, c.stop = context.WithCancel(context.Background())
	for _, id := range cfg.TrustedNodes {
		c.trusted[id] = true
	}
	if err := c.describe(); err != nil {
		c.stop()
		return nil, err
	}
	if err := c.listen(); err != nil {
		c.stop()
		return nil, err
	}
	for i, d := range cfg.Discovery {
		if err := d.Start(c.local); err != nil {
			c.closeDiscovery(cfg.Discovery[:i])
			c.closeListener()
			c.stop()
			return nil, fmt.Errorf("p2p: start discovery: %w", err)
		}
	}
	c.run()
	return c, nil
}

func (c *core) listen() error {
	if c.cfg.ListenAddr == "" {
		return nil
	}
	ln, err := c.cfg.Transport.Listen(c.ctx, c.cfg.ListenAddr)
	if err != nil {
		return fmt.Errorf("p2p: listen on %s: %w", c.cfg.ListenAddr, err)
	}
	c.ln = ln
	c.advertise()
	return nil
}

func (c *core) run() {
	if c.ln != nil {
		c.loops.Go(c.acceptLoop)
	}
	if c.cfg.Policy == OnDemand {
		c.loops.Go(c.sweepLoop)
	}
	for _, s := range c.sources() {
		c.loops.Go(func() { c.fillLoop(s) })
	}
	if c.cfg.ChurnInterval > 0 && c.cfg.Policy == Fill {
		c.loops.Go(c.churnLoop)
	}
	for _, n := range c.cfg.StaticNodes {
		c.keep(n)
	}
}

// Close ends everything and returns when the last goroutine has: it stops
// listening and dialling, closes the Discovery while the peers are still there,
// tells the peers that we are shutting down, and waits for every Run to return;
// after five seconds it logs for which.
// It may be called at any time, more than once, but not from within a Run.
func (s *Server) Close() error {
	s.mu.Lock()
	started := s.state == starting
	s.state = closed
	ready := s.closing
	s.mu.Unlock()
	if started {
		<-ready
	}
	s.mu.Lock()
	c := s.core
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
	return nil
}

// stuckTime is how long Close waits until it says for whom.
const stuckTime = 5 * time.Second

func (c *core) close() {
	c.mu.Lock()
	c.quitting = true
	for _, d := range c.dials {
		d.stop()
	}
	c.mu.Unlock()
	c.closeListener()
	c.closeDiscovery(c.cfg.Discovery)
	c.stop()
	var ending sync.WaitGroup
	for _, p := range c.peers() {
		ending.Go(func() { c.drop(p, DiscQuitting) })
	}
	ending.Wait()
	stuck := time.AfterFunc(stuckTime, c.sayStuck)
	defer stuck.Stop()
	c.loops.Wait()
	c.mu.Lock()
	c.feed.close()
	c.mu.Unlock()
}

func (c *core) closeListener() {
	if c.ln != nil {
		c.ln.Close()
	}
}

func (c *core) closeDiscovery(ds []Discovery) {
	for _, d := range slices.Backward(ds) {
		if err := d.Close(); err != nil {
			c.cfg.log.Warn("discovery did not close cleanly", "err", err)
		}
	}
}

// running returns the core, or why there is none.
func (s *Server) running() (*core, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case running:
		return s.core, nil
	case closed:
		return nil, ErrClosed
	}
	return nil, ErrNotRunning
}
