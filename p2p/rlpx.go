package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"kith/crypto"
	"kith/node"
	"kith/rlpx"
)

// rlpxTransport is the Transport of open networks, which PrivateKey makes.
type rlpxTransport struct {
	key    *crypto.PrivateKey
	id     node.ID
	permit func(netip.Addr) bool // whether we may connect there
}

func newRLPx(key *crypto.PrivateKey, permit func(netip.Addr) bool) Transport {
	return &rlpxTransport{key: key, id: node.V4ID(key.Public()), permit: permit}
}

func (t *rlpxTransport) ID() node.ID { return t.id }

// rlpxConfig leaves out keepalives: RLPx has pings of its own.
var rlpxConfig = net.ListenConfig{KeepAlive: -1}

func (t *rlpxTransport) Listen(ctx context.Context, addr string) (Listener, error) {
	ln, err := rlpxConfig.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rlpx: %w", err)
	}
	l := &rlpxListener{Listener: ln, t: t}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// errNoKey is the error of a dial to a node of which only an address or an ID is
// known: the handshake begins with its key.
var errNoKey = errors.New("its public key is not known: an enode URL or a record has it")

// nextHost is how long one host may be tried alone before the next is tried
// beside it.
const nextHost = 250 * time.Millisecond

// Dial connects to the first of n's hosts that answers as n. Names are looked up
// each time; all addresses of one are tried.
func (t *rlpxTransport) Dial(ctx context.Context, n *node.Node) (Session, error) {
	hosts := n.TCPHosts()
	switch {
	case n.Key == nil || n.Scheme != node.V4:
		return nil, fmt.Errorf("rlpx: %w", errNoKey)
	case n.ID == t.id:
		return nil, DiscSelf
	case len(hosts) == 0:
		return nil, ErrNoAddress
	}
	return rlpxRace(ctx, hosts, func(ctx context.Context, host string) (Session, error) {
		return t.try(ctx, host, n.Key)
	})
}

func (t *rlpxTransport) try(ctx context.Context, host string, remote *crypto.PublicKey) (Session, error) {
	d := net.Dialer{KeepAlive: -1, Control: func(_, addr string, _ syscall.RawConn) error {
		if ap, err := netip.ParseAddrPort(addr); err != nil || !t.permit(ap.Addr()) {
			return ErrRestricted
		}
		return nil
	}}
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	c, err := rlpx.Initiate(ctx, conn, t.key, remote)
	if err != nil {
		return nil, fmt.Errorf("%w, at %s", err, host)
	}
	return newRLPxSession(c), nil
}

// rlpxRace tries the hosts, each a moment after the one before or as soon as that
// has failed. The first session wins, and the others are closed.
func rlpxRace(ctx context.Context, hosts []string, try func(context.Context, string) (Session, error)) (Session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		s   Session
		err error
	}
	results := make(chan result)
	begun, running := 0, 0
	begin := func() {
		host := hosts[begun]
		begun++
		running++
		go func() { // ends before rlpxRace does: every result is awaited
			s, err := try(ctx, host)
			results <- result{s, err}
		}()
	}
	begin()
	timer := time.NewTimer(nextHost)
	defer timer.Stop()
	var won Session
	var problems rlpxFailures
	for running > 0 {
		select {
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				problems = append(problems, r.err)
			case won == nil:
				won = r.s
				cancel()
			default:
				r.s.Close(nil)
			}
		case <-timer.C:
		}
		if won == nil && begun < len(hosts) {
			begin()
			timer.Reset(nextHost)
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, problems
}

// rlpxFailures are what went wrong at each host.
type rlpxFailures []error

func (f rlpxFailures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (f rlpxFailures) Unwrap() []error { return f }

type rlpxListener struct {
	net.Listener
	t    *rlpxTransport
	ctx  context.Context // until Close
	stop context.CancelFunc
}

// Accept waits a little and tries again when the system has no more descriptors.
func (l *rlpxListener) Accept() (Pending, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := l.Listener.Accept()
		if err == nil {
			return &rlpxPending{l.t, conn}, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-l.ctx.Done():
		}
	}
}

func (l *rlpxListener) Close() error {
	l.stop()
	return l.Listener.Close()
}

// An rlpxPending is a connection and nothing else.
type rlpxPending struct {
	t    *rlpxTransport
	conn net.Conn
}

func (p *rlpxPending) RemoteAddr() netip.AddrPort { return addrPort(p.conn.RemoteAddr()) }

func (p *rlpxPending) Close() error { return p.conn.Close() }

func (p *rlpxPending) Handshake(ctx context.Context) (Session, error) {
	c, err := rlpx.Accept(ctx, p.conn, p.t.key)
	if err != nil {
		return nil, fmt.Errorf("%w, from %v", err, p.RemoteAddr())
	}
	return newRLPxSession(c), nil
}

// addrPort is the address in the form we use; zero if it is not one of TCP.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// An rlpxSession is an rlpx.Session in the words of this package.
type rlpxSession struct {
	s      *rlpx.Session
	remote node.ID
}

func newRLPxSession(c *rlpx.Conn) *rlpxSession {
	return &rlpxSession{rlpx.NewSession(c), node.V4ID(c.Remote())}
}

func (s *rlpxSession) Remote() node.ID              { return s.remote }
func (s *rlpxSession) RemoteKey() *crypto.PublicKey { return s.s.Conn().Remote() }
func (s *rlpxSession) LocalAddr() netip.AddrPort    { return addrPort(s.s.Conn().NetConn().LocalAddr()) }

func (s *rlpxSession) RemoteAddr() netip.AddrPort { return addrPort(s.s.Conn().NetConn().RemoteAddr()) }
func (s *rlpxSession) Done() <-chan struct{}      { return s.s.Done() }
func (s *rlpxSession) Err() error                 { return fromRLPx(s.s.Err()) }
func (s *rlpxSession) Close(reason error) error   { return s.s.Close(toRLPx(reason)) }

func (s *rlpxSession) Hello(ctx context.Context, ours Hello, decide func(theirs Hello) error) (Hello, error) {
	var refusal error
	var said *rlpx.DisconnectError
	theirs, err := s.s.Hello(ctx, rlpxHelloOf(ours), func(theirs rlpx.Hello) error {
		if refusal = decide(helloOf(theirs)); refusal != nil {
			return toRLPx(refusal)
		}
		return nil
	})
	switch {
	case refusal != nil:
		return Hello{}, refusal
	case errors.As(err, &said) && said.Remote:
		return Hello{}, disconnectErrorOf(said)
	case err != nil:
		return Hello{}, fromRLPx(err)
	}
	return helloOf(theirs), nil
}

func rlpxHelloOf(h Hello) rlpx.Hello {
	out := rlpx.Hello{Name: h.Name, ListenPort: uint64(h.ListenPort)}
	for _, c := range h.Caps {
		out.Caps = append(out.Caps, rlpx.Cap{Name: c.Name, Version: uint64(c.Version)})
	}
	return out
}

func helloOf(h rlpx.Hello) Hello {
	out := Hello{Name: h.Name}
	if h.ListenPort <= 65535 {
		out.ListenPort = uint16(h.ListenPort)
	}
	for _, c := range h.Caps {
		if v := uint(c.Version); uint64(v) == c.Version { // else it is none of ours
			out.Caps = append(out.Caps, Cap{c.Name, v})
		}
	}
	return out
}

func (s *rlpxSession) Open(channels []Channel) ([]MsgReadWriter, error) {
	protocols := make([]rlpx.Protocol, len(channels))
	for i, c := range channels {
		protocols[i] = rlpx.Protocol{Length: c.Length, MaxMessage: c.MaxMessage}
	}
	opened, err := s.s.Open(protocols)
	if err != nil {
		return nil, fromRLPx(err)
	}
	rws := make([]MsgReadWriter, len(opened))
	for i, c := range opened {
		rws[i] = &rlpxChannel{c}
	}
	return rws, nil
}

func (s *rlpxSession) Stats() SessionStats {
	st := s.s.Stats()
	return SessionStats{
		BytesIn: st.BytesIn, BytesOut: st.BytesOut, MsgsIn: st.MsgsIn, MsgsOut: st.MsgsOut,
		RTT: st.RTT, Carrier: "tcp",
	}
}

// An rlpxChannel is one protocol on an rlpxSession.
type rlpxChannel struct{ c *rlpx.Channel }

func (c *rlpxChannel) ReadMsg() (Msg, error) {
	m, err := c.c.ReadMsg()
	if err != nil {
		return Msg{}, fromRLPx(err)
	}
	return Msg{Code: m.Code, Payload: m.Payload}, nil
}

func (c *rlpxChannel) WriteMsg(m Msg) error {
	return fromRLPx(c.c.WriteMsg(rlpx.Msg{Code: m.Code, Payload: m.Payload}))
}

// toRLPx says what to end a session with. Reasons that only we know are told to
// the peer as rlpx tells them.
func toRLPx(reason error) error {
	code, text := Disconnection(reason)
	return &rlpx.DisconnectError{Reason: rlpx.Reason(code), Text: text}
}

// fromRLPx gives an error the types of this package.
func fromRLPx(err error) error {
	if err == nil {
		return nil
	}
	if d, ok := err.(*rlpx.DisconnectError); ok {
		return disconnectErrorOf(d)
	}
	if d, ok := errors.AsType[*rlpx.DisconnectError](err); ok {
		return &rlpxError{err, disconnectErrorOf(d)}
	}
	if r, ok := errors.AsType[rlpx.Reason](err); ok {
		return &rlpxError{err, DiscReason(r)}
	}
	switch {
	case errors.Is(err, rlpx.ErrTooLarge):
		return &rlpxError{err, ErrTooLarge}
	case errors.Is(err, rlpx.ErrBadCode):
		return &rlpxError{err, ErrBadCode}
	}
	return err
}

func disconnectErrorOf(d *rlpx.DisconnectError) *DisconnectError {
	out := &DisconnectError{Reason: DiscReason(d.Reason), Text: d.Text, Remote: d.Remote}
	if _, known := discText[out.Reason]; known && d.Text != "" && out.Reason < DiscIdle {
		out.Text = d.Error()
	}
	return out
}

// An rlpxError is an error of rlpx that is also one of this package.
type rlpxError struct {
	error
	as error
}

func (e *rlpxError) Unwrap() []error { return []error{e.error, e.as} }
