package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// nextAddress is how long one address may be tried alone before the next is
// tried beside it.
const nextAddress = 250 * time.Millisecond

// maxAddresses is how many addresses of one node are tried at most.
const maxAddresses = 16

// Dial connects to the first address of n that answers as n.ID, or with SeedName
// if that is zero. Names are looked up each time. Each address is tried on TCP
// and then, if TCP does not get through, on QUIC. An address at which we
// ourselves answer is passed over.
//
// The peer may still refuse us: its words are then the error of Hello.
func (t *Transport) Dial(ctx context.Context, n *node.Node) (p2p.Session, error) {
	s, err := t.dial(ctx, n)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (t *Transport) dial(ctx context.Context, n *node.Node) (*session, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	if len(n.Hosts) == 0 {
		return nil, fmt.Errorf("mtls: dial %s: %w", n, p2p.ErrNoAddress)
	}
	if n.ID == t.ID() {
		return nil, fmt.Errorf("mtls: dial %s: %w", strings.Join(n.Hosts, ","), p2p.DiscSelf)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.dial)
	defer cancel()
	addrs, err := lookUp(ctx, n.Hosts, cfg.tcpWait)
	if len(addrs) == 0 {
		return nil, err
	}
	w := want{id: n.ID}
	if n.ID.IsZero() {
		w.name = cfg.seedName
	}
	s, dialErr := race(ctx, addrs, func(ctx context.Context, addr netip.AddrPort) (*session, error) {
		return t.try(ctx, cfg, addr, w)
	})
	switch {
	case s != nil:
		return s, nil
	case err != nil:
		return nil, failures{dialErr, err}
	}
	return nil, dialErr
}

// lookUp turns "host:port" into addresses, in order. It returns what it found,
// and what went wrong with the rest. A name gets as long as one address does to
// answer, so that a dead name server does not use up the time of all.
func lookUp(ctx context.Context, hosts []string, limit time.Duration) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	hosts, spare := split(hosts)
	found, problems := make([][]netip.AddrPort, len(hosts)), make([]error, len(hosts))
	var loops sync.WaitGroup
	for i, h := range hosts {
		loops.Go(func() { found[i], problems[i] = lookUpOne(ctx, h) })
	}
	loops.Wait()
	addrs, more := split(slices.Concat(found...))
	for _, a := range more {
		spare = append(spare, a.String())
	}
	failed := failures(slices.DeleteFunc(problems, func(err error) bool { return err == nil }))
	if len(spare) > 0 {
		failed = append(failed, fmt.Errorf("mtls: not tried, for there are more than %d addresses: %s", maxAddresses, strings.Join(spare, ", ")))
	}
	if len(failed) == 0 {
		return addrs, nil
	}
	return addrs, failed
}

// split takes off what is too much for one dial.
func split[T any](list []T) (some, spare []T) {
	n := min(len(list), maxAddresses)
	return list[:n:n], list[n:len(list):len(list)]
}

func lookUpOne(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("mtls: look up %s: %w", hostport, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("mtls: look up %s: port %q is not a number to 65535", hostport, portText)
	}
	ips, err := addresses(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("mtls: look up %s: %w", hostport, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

func addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// race tries the addresses, each a moment after the one before or as soon as
// that has failed. The first session wins, and the others are closed.
func race(ctx context.Context, addrs []netip.AddrPort, try func(context.Context, netip.AddrPort) (*session, error)) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		s   *session
		err error
	}
	results := make(chan result)
	begun, running := 0, 0
	begin := func() {
		addr := addrs[begun]
		begun++
		running++
		go func() { // ends before race does: every result is awaited
			s, err := try(ctx, addr)
			results <- result{s, err}
		}()
	}
	begin()
	timer := time.NewTimer(nextAddress)
	defer timer.Stop()
	var won *session
	var problems failures
	for running > 0 {
		select {
		case r := <-results:
			running--
			if r.s == nil {
				problems = append(problems, r.err)
			} else if won == nil {
				won = r.s
				cancel()
				continue
			} else {
				r.s.fail(context.Canceled)
				continue
			}
		case <-timer.C:
		}
		if won == nil && begun < len(addrs) {
			begin()
			timer.Reset(nextAddress)
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, problems
}

// failures are what went wrong at each address.
type failures []error

func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return f }

// try makes a session with whoever is at one address.
func (t *Transport) try(ctx context.Context, cfg *config, addr netip.AddrPort, w want) (s *session, err error) {
	through := false
	if !cfg.noTCP {
		s, through, err = t.tryTCP(ctx, cfg, addr, w)
	}
	if s == nil && !through && !cfg.noQUIC && ctx.Err() == nil {
		var quicErr error
		if s, quicErr = t.tryQUIC(ctx, cfg, addr, w); quicErr != nil && err != nil {
			quicErr = fmt.Errorf("%w; on QUIC: %w", err, quicErr)
		}
		err = quicErr
	}
	if err != nil {
		return nil, fmt.Errorf("mtls: dial %v: %w", addr, err)
	}
	return s, nil
}

// tryTCP tells besides whether TCP got through.
func (t *Transport) tryTCP(ctx context.Context, cfg *config, addr netip.AddrPort, w want) (s *session, through bool, err error) {
	dialer := net.Dialer{Timeout: cfg.tcpWait}
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the address is said already
		}
		return nil, false, err
	}
	s, err = t.greetTCP(ctx, cfg, conn, w)
	if err != nil {
		conn.Close()
		return nil, true, err
	}
	return s, true, nil
}

// greetTCP is the handshake of the side that dialled. It leaves conn to its
// caller if it fails.
func (t *Transport) greetTCP(ctx context.Context, cfg *config, conn net.Conn, w want) (*session, error) {
	c := newTCPCarrier(conn, true, clientTLS(cfg.credentials.Current(), w))
	if err := within(ctx, cfg.handshake, conn, c.Handshake); err != nil {
		c.lingerAfter(ctx, err)
		return nil, explain(err)
	}
	return t.newTCPSession(cfg, c, true)
}

// newTCPSession makes a session of a connection whose handshake is done and
// whose peer is believed.
func (t *Transport) newTCPSession(cfg *config, c *tcpCarrier, dialled bool) (*session, error) {
	state := c.ConnectionState()
	chain := state.PeerCertificates
	if state.NegotiatedProtocol != protocol {
		return nil, fmt.Errorf("peer does not speak %s", protocol)
	}
	id, err := cert.ID(chain[0].PublicKey)
	if err != nil {
		return nil, err
	}
	s := newSession(t, cfg, c, dialled, chain, id, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()))
	secret, err := state.ExportKeyingMaterial(exporterLabel, nil, len(s.secret))
	if err != nil {
		return nil, err
	}
	copy(s.secret[:], secret)
	return s, nil
}

// addrPort is the address in the form we use; zero if it is not one of IP.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
