package gossip

import (
	"cmp"
	"context"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"kith/cert"
	"kith/gossip/internal/machine"
	"kith/gossip/internal/phi"
	"kith/gossip/internal/wire"
	"kith/node"
	"kith/p2p"
)

// What a zero field of a Gossip means: the fast profile.
const (
	DefaultHeartbeat   = time.Second
	DefaultInitial     = time.Second
	DefaultMaxInterval = 10 * time.Second
	DefaultWindow      = 1000
	DefaultPhi         = 8.0
	DefaultGrace       = 30 * time.Second
	DefaultCollect     = 30 * time.Second
	DefaultSync        = 5 * time.Second
	DefaultDialTimeout = 5 * time.Second
	DefaultMaxTable    = 64 << 20
)

// Errors that callers compare with.
var (
	ErrNotStarted = errors.New("gossip: not started")
	ErrClosed     = errors.New("gossip: closed")
	ErrUnknown    = errors.New("gossip: not a member")
)

// A LimitError says which limit of what a node may say about itself was passed.
type LimitError = wire.LimitError

// A Gossip is this node's membership of a cluster. Its fields are read by Start
// and never written. All methods are safe for concurrent use, in any order,
// before Start and after Close too.
type Gossip struct {
	// Key is the key of the certificate: it signs what we say about ourselves,
	// and our id is made of it. It must be set: ed25519, or ECDSA on P-256 or
	// P-384.
	Key crypto.Signer
	// Generation is when this run of the node began, in milliseconds since the
	// Unix epoch; the same as p2p.Server.Epoch. It must be set, and be higher
	// than that of every run before.
	Generation uint64
	// Dialer opens sessions to members: the p2p.Server. It must be set.
	Dialer p2p.Dialer
	// Seeds are "host:port" to begin with. None means that others come to us.
	// Our own address among them is ignored.
	Seeds []string

	// Name is the certificate's common name. Addresses are where others reach
	// us; nil means those of the node.Local that Start is given, and follows it.
	// Ports and Meta are what SetPorts and SetMeta change later.
	Name      string
	Version   [3]uint16
	Addresses []string
	Ports     []Port
	Meta      map[string][]byte

	// Heartbeat is how often we tell our observers that we live, Initial the
	// interval expected of a node not heard for long, MaxInterval the most that
	// one interval counts for, Window how many are remembered, Phi how many usual
	// intervals a silence may last. Grace is how long dead members are listed,
	// Collect how often that is looked at, Sync the limit of one comparison of
	// tables, DialTimeout that of one dial. Zero means the default of that name.
	// All members should have the same.
	Heartbeat, Initial, MaxInterval time.Duration
	Window                          int
	Phi                             float64
	Grace, Collect, Sync            time.Duration
	DialTimeout                     time.Duration
	// SeedAmount and NotSeedAmount are how many seeds and other members may be
	// greeted in a round beside the heartbeats. Both zero means one each.
	SeedAmount, NotSeedAmount int

	// MaxTable is about how many bytes of memory the members may take, living and
	// dead. Zero means DefaultMaxTable. Beyond it, or 65536 members, those dead for
	// longest are forgotten; if there are none, newcomers are refused, and told so.
	MaxTable int

	// Logger gets what the gossip has to say. Nil means slog.Default.
	Logger *slog.Logger

	mu     sync.Mutex // guards what follows; never held while waiting
	engine *engine
	closed bool
}

var (
	_ p2p.Discovery = (*Gossip)(nil)
	_ p2p.Resolver  = (*Gossip)(nil)
)

// Protocol is what a p2p.Server must run with every peer.
func (g *Gossip) Protocol() p2p.Protocol {
	return p2p.Protocol{Name: "gossip", Version: 1, Length: wire.Codes, Run: g.run}
}

// Start begins to gossip as self. A p2p.Server calls it. If it fails nothing
// is left running, and the caller may mend the fields and try again.
func (g *Gossip) Start(self *node.Local) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrClosed
	case g.engine != nil:
		return errors.New("gossip: already started")
	}
	moved := self.Changed()
	e, err := g.build(self)
	if err != nil {
		return err
	}
	g.engine = e
	e.loops.Go(func() { e.loop(self, moved) })
	return nil
}

// build makes an engine that does nothing yet.
func (g *Gossip) build(self *node.Local) (*engine, error) {
	cfg, err := g.config()
	if err != nil {
		return nil, err
	}
	id, spki, err := wire.Identify(g.Key.Public())
	if err != nil {
		return nil, err
	}
	if id != self.ID() {
		return nil, fmt.Errorf("gossip: start: the key is that of %s, the node is %s", id.Short(), self.ID().Short())
	}
	rec := wire.Record{
		ID: id, SPKI: spki, Generation: g.Generation, Name: g.Name, Version: g.Version, Heartbeat: cfg.Heartbeat,
		Addresses: slices.Clone(g.Addresses), Ports: sortedPorts(g.Ports), Meta: cloneMeta(g.Meta),
	}
	if g.Addresses == nil {
		rec.Addresses = self.Node().Hosts
	}
	e := &engine{
		self: id, dialer: g.Dialer, follow: g.Addresses == nil, dialTimeout: cmp.Or(g.DialTimeout, DefaultDialTimeout),
		began: time.Now(), log: cmp.Or(g.Logger, slog.Default()), wake: make(chan struct{}, 1),
		links: map[node.ID]*link{}, seeds: map[string]*seedLink{}, rivals: map[node.ID]bool{}, changed: make(chan struct{}), superseded: make(chan struct{}),
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(id[:]), g.Generation))
	e.m, err = machine.New(cfg, rec, g.Key.Public(), &notary{g.Key}, rng, 0)
	return e, err
}

// config is the machine's configuration with the defaults filled in.
func (g *Gossip) config() (machine.Config, error) {
	c := machine.Config{
		Rhythm: phi.Rhythm{
			Heartbeat: cmp.Or(g.Heartbeat, DefaultHeartbeat), Initial: cmp.Or(g.Initial, DefaultInitial),
			Max: cmp.Or(g.MaxInterval, DefaultMaxInterval), Samples: cmp.Or(g.Window, DefaultWindow),
		},
		Threshold: cmp.Or(g.Phi, DefaultPhi), Grace: cmp.Or(g.Grace, DefaultGrace),
		Collect: cmp.Or(g.Collect, DefaultCollect), SyncTimeout: cmp.Or(g.Sync, DefaultSync),
		Seeds: slices.Clone(g.Seeds), SeedAmount: g.SeedAmount, NotSeedAmount: g.NotSeedAmount,
		MaxTable: cmp.Or(g.MaxTable, DefaultMaxTable),
	}
	if c.SeedAmount == 0 && c.NotSeedAmount == 0 {
		c.SeedAmount, c.NotSeedAmount = 1, 1
	}
	switch {
	case g.Key == nil:
		return c, errors.New("gossip: start: no Key")
	case g.Dialer == nil:
		return c, errors.New("gossip: start: no Dialer")
	case g.Generation == 0:
		return c, errors.New("gossip: start: no Generation")
	case c.Heartbeat < 0 || c.Initial < 0 || c.Max < 0 || c.Samples < 0 || c.Threshold < 1 || c.Grace < 0 || c.Collect < 0 ||
		c.SyncTimeout < 0 || c.SeedAmount < 0 || c.NotSeedAmount < 0 || c.MaxTable < 0:
		return c, errors.New("gossip: start: a time or amount is negative, or Phi below 1")
	}
	if err := checkHosts(g.Seeds); err != nil {
		return c, fmt.Errorf("gossip: start: seed: %w", err)
	}
	if err := checkHosts(g.Addresses); err != nil {
		return c, fmt.Errorf("gossip: start: %w", err)
	}
	return c, nil
}

// Close says goodbye if Leave has not, for at most two seconds, and returns
// when the last goroutine of the gossip has ended. Members and the other
// methods that look keep showing what was there. It may be called at any time,
// more than once.
func (g *Gossip) Close() error {
	g.mu.Lock()
	e := g.engine
	g.closed = true
	g.mu.Unlock()
	if e == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = e.leave(ctx) // whoever did not hear it will notice
	e.close()
	return nil
}

const leaveTime = 2 * time.Second

// Leave tells the others that we go, and returns when that is on its way, or
// with ctx's error. We then are no member any more and say nothing.
func (g *Gossip) Leave(ctx context.Context) error {
	e, err := g.running()
	if err != nil {
		return err
	}
	return e.leave(ctx)
}

// Nodes gives nobody: a cluster connects on demand, and asks Resolve.
func (g *Gossip) Nodes(context.Context) iter.Seq[*node.Node] {
	return func(func(*node.Node) bool) {}
}

// Resolve says where a member can be dialled, even one held dead.
func (g *Gossip) Resolve(_ context.Context, id node.ID) (*node.Node, error) {
	e, err := g.running()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	rec := e.m.Lookup(id)
	e.mu.Unlock()
	if rec == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, id.Short())
	}
	return nodeOf(rec), nil
}

func nodeOf(rec *wire.Record) *node.Node {
	return &node.Node{ID: rec.ID, Hosts: slices.Clone(rec.Addresses)}
}

// running returns the engine, also after Close.
func (g *Gossip) running() (*engine, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.engine != nil:
		return g.engine, nil
	case g.closed:
		return nil, ErrClosed
	}
	return nil, ErrNotStarted
}

// A notary signs with our key and checks what others signed.
type notary struct{ key crypto.Signer }

func (n *notary) Sign(message []byte) ([]byte, error) { return cert.Sign(n.key, message) }

func (n *notary) Open(raw []byte) (*wire.Record, error) { return wire.OpenRecord(raw, wire.Verify) }

func (n *notary) Verify(pub crypto.PublicKey, message, signature []byte) bool {
	return wire.Verify(pub, message, signature)
}
