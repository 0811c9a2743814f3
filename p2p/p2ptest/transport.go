package p2ptest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"kith/node"
	"kith/p2p"
)

// Why something ended that nobody closed.
var (
	errNetworkClosed = fmt.Errorf("p2ptest: network closed: %w", net.ErrClosed)
	errKilled        = &p2p.DisconnectError{Reason: p2p.DiscNetworkError, Text: "this process was killed"}
	errNoUDP         = errors.New("datagrams have no way here")
)

// A Transport is one process on one host of a Network. Network.Transport makes
// it. The fields are read by each Listen, Dial and Handshake.
type Transport struct {
	// NoDirect and NoDatagrams take p2p.Direct and p2p.Datagrams from what
	// sessions offer here, to test a protocol's other path.
	NoDirect, NoDatagrams bool

	net     *Network
	host    *host
	key     ed25519.PrivateKey
	over    context.Context // ended by stop, with the cause
	stop    context.CancelCauseFunc
	crashed bool // guarded by net.mu
}

var _ p2p.Transport = (*Transport)(nil)

// Transport is what runs on the host of this name: the same one each time,
// until the host was killed or crashed. A name may be anything that can stand
// before the colon of an address, or an IP address. Its id and address depend on
// nothing but the name (two names with one address are told apart by who came
// first).
func (n *Network) Transport(name string) *Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.beginLocked()
	h := n.hostLocked(name)
	if h.current != nil {
		return h.current
	}
	t := &Transport{NoDirect: n.NoDirect, NoDatagrams: n.NoDatagrams, net: n, host: h, key: Key(name)}
	t.over, t.stop = context.WithCancelCause(context.Background())
	if n.closed {
		t.stop(errNetworkClosed)
	}
	h.current, h.off = t, false
	n.runs = append(n.runs, t)
	return t
}

// Key is the key of the host of this name. Its public half is the host's id.
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("p2ptest " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// ID is the id of the host of this name.
func ID(name string) node.ID { return node.ID(Key(name).Public().(ed25519.PublicKey)) }

// ID is what the host proves.
func (t *Transport) ID() node.ID { return node.ID(t.key.Public().(ed25519.PublicKey)) }

// Name is the host's.
func (t *Transport) Name() string { return t.host.name }

// Node is the host as others dial it on this port.
func (t *Transport) Node(port uint16) *node.Node {
	return &node.Node{ID: t.ID(), Hosts: []string{net.JoinHostPort(t.host.name, fmt.Sprint(port))}}
}

// Listen takes "name:port", where name is the host's own name or address, one
// that stands for any, or nothing.
func (t *Transport) Listen(ctx context.Context, addr string) (p2p.Listener, error) {
	l, err := t.listen(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("p2ptest: %s: listen on %s: %w", t.host.name, addr, err)
	}
	return l, nil
}

func (t *Transport) listen(ctx context.Context, addr string) (*listener, error) {
	name, port, err := split(addr)
	if err != nil {
		return nil, err
	}
	if err := t.host.ours(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	if t.host.current != t || t.over.Err() != nil {
		return nil, net.ErrClosed
	}
	if port == 0 {
		port = t.host.portLocked()
	} else if t.host.ports[port] != nil {
		return nil, syscall.EADDRINUSE
	}
	l := newListener(t, netip.AddrPortFrom(t.host.addr, port))
	t.host.ports[port] = l
	return l, nil
}

// Dial tries the hosts of nd in turn, each for 7 s at most.
func (t *Transport) Dial(ctx context.Context, nd *node.Node) (p2p.Session, error) {
	err := fmt.Errorf("p2ptest: %s: dial %s: %w", t.host.name, nd, p2p.ErrNoAddress)
	for i, hostport := range nd.Hosts {
		s, failed := t.dialHost(ctx, nd.ID, hostport)
		if failed == nil {
			return s, nil
		}
		failed = fmt.Errorf("p2ptest: %s: dial %s: %w", t.host.name, hostport, failed)
		if i == 0 {
			err = failed
		} else {
			err = fmt.Errorf("%w; %w", err, failed)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (t *Transport) dialHost(ctx context.Context, want node.ID, hostport string) (s *session, err error) {
	addrs, err := t.net.lookup(t.host, hostport)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		ctx, cancel := context.WithTimeoutCause(ctx, keepalive, os.ErrDeadlineExceeded)
		if s, err = t.connect(ctx, addr); err == nil {
			err = s.proveDialler(ctx, want)
		}
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// connect is what TCP does: one way there to the listener, and one back.
func (t *Transport) connect(ctx context.Context, addr netip.AddrPort) (*session, error) {
	began := time.Now()
	w := t.way(addr)
	if err := w.travel(ctx, false); err != nil {
		return nil, err
	}
	c, err := t.net.open(w)
	if err != nil {
		return nil, w.refused(ctx, err)
	}
	s := c.ends[0]
	if err := w.travel(ctx, true); err != nil {
		s.end(err, frame{kind: kindReset}.bytes(), true)
		return nil, err
	}
	s.rtt.Store(int64(time.Since(began)))
	return s, nil
}

// A way is what a dial takes.
type way struct {
	t      *Transport
	to     *host // nil: nobody has that address
	addr   netip.AddrPort
	number int // of this dial, from 0
	odds   chance
}

func (t *Transport) way(addr netip.AddrPort) *way {
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	number := t.host.dialled[addr]
	t.host.dialled[addr]++
	return &way{t, n.byAddr[addr.Addr()], addr, number, newChance(n.Seed, "dial", t.host.name, addr, number)}
}

// travel waits until a packet has come through, there or back, sent again as
// often as it is lost.
func (w *way) travel(ctx context.Context, back bool) error {
	slot := time.Now()
	for n := range tries {
		if err := w.t.sleep(ctx, time.Until(slot)); err != nil {
			return err
		}
		slot = slot.Add(rto << n)
		c, blocked := w.conditions(back)
		if w.odds.happens(c.loss) {
			continue
		}
		if !blocked {
			if err := w.t.sleep(ctx, w.odds.pass(c)); err != nil {
				return err
			}
			if _, blocked = w.conditions(back); !blocked {
				return nil
			}
		}
	}
	return w.t.sleep(ctx, 1<<62) // until it ends
}

func (w *way) conditions(back bool) (c conditions, blocked bool) {
	w.t.net.mu.Lock()
	defer w.t.net.mu.Unlock()
	if w.to == nil {
		return w.t.host.cond, true
	}
	from, to := w.t.host, w.to
	if back {
		from, to = to, from
	}
	return from.cond.worst(to.cond), w.t.crashed || w.to.off || w.t.net.apartLocked(from, to)
}

// refused is err after the time it takes to be told.
func (w *way) refused(ctx context.Context, err error) error {
	if errors.Is(err, errFull) {
		return w.t.sleep(ctx, 1<<62)
	}
	if failed := w.travel(ctx, true); failed != nil {
		return failed
	}
	return err
}

// sleep waits; an error says what ended it.
func (t *Transport) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 && ctx.Err() == nil && t.over.Err() == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-t.over.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return context.Cause(t.over)
}
