package mtls

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"kith/p2p"
)

// Small datagrams share a QUIC datagram, each after
//
//	1 byte   channel
//	2 bytes  length
const (
	gramHeader = 3
	// maxPack is what fits in a QUIC datagram on any path that QUIC can use.
	maxPack = 1153
	// maxGram is the longest datagram of ours.
	maxGram = maxPack - gramHeader
	// maxPacks is how many packs may wait for the network. When it is full what
	// comes is dropped and counted.
	maxPacks = 256
)

const (
	exporterLabel = "EXPORTER-kith-attach"
	attachSecret  = 48 // 16 bytes name the session, 32 prove that one knows it
	attachSize    = 48
)

// An attachName finds the session that a carrier of datagrams belongs to.
type attachName [16]byte

func (s *session) attachName() attachName { return attachName(s.secret[:16]) }

// attachProof shows on one QUIC connection, and on no other, that its sender is
// an end of the session.
func (s *session) attachProof(state tls.ConnectionState) ([]byte, error) {
	bound, err := state.ExportKeyingMaterial(exporterLabel, nil, 32)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, s.secret[16:])
	mac.Write(bound)
	return mac.Sum(nil), nil
}

// expect lets a session that was accepted on TCP be found by its datagrams.
func (t *Transport) expect(s *session) {
	if _, tcp := s.conn.(*tcpCarrier); !tcp {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions == nil {
		t.sessions = make(map[attachName]*session)
	}
	t.sessions[s.attachName()] = s
}

func (t *Transport) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name := s.attachName(); t.sessions[name] == s {
		delete(t.sessions, name)
	}
}

var errAttach = errors.New("no such session to carry datagrams for")

// attached gives the QUIC connection of q to the session that its first frame
// names.
func (t *Transport) attached(q *session, payload []byte) error {
	carrier := q.conn.(*quicCarrier)
	t.mu.Lock()
	s := t.sessions[attachName(payload[:16])]
	t.mu.Unlock()
	if s == nil || s.remote != q.remote {
		return errAttach
	}
	proof, err := s.attachProof(carrier.conn.ConnectionState().TLS)
	if err != nil || !hmac.Equal(proof, payload[16:]) {
		return errAttach
	}
	if !s.grams.begin(carrier.conn, carrier.release) {
		return errAttach
	}
	carrier.Write(appendFrame(nil, kindAttached)) // if it fails the carrier is lost, which shows
	return nil
}

// datagrams are the datagrams of one session: their carrier, and what waits for
// it. The side that dialled the session dials the carrier too, since it knows an
// address that answers; the other side asks it to.
type datagrams struct {
	s     *session
	ctx   context.Context // until the session ends
	stopc context.CancelFunc
	loops sync.WaitGroup

	in, sent, dropped atomic.Uint64

	mu      sync.Mutex // guards what follows; never held while waiting
	conn    *quic.Conn // nil: none
	err     error      // why there is none; nil if none was asked for
	opening bool
	ended   bool
	again   time.Time     // when to try by ourselves; zero: never
	pause   time.Duration // until the try after that
	changed chan struct{} // closed and replaced when conn, err or opening change
	packs   [][]byte      // what waits; at most maxPacks
	spare   [][]byte
	writing bool          // the carrier's writer is awake, or has been called
	wake    chan struct{} // calls it
}

func (g *datagrams) init(s *session) {
	g.s = s
	g.ctx, g.stopc = context.WithCancel(context.Background())
	g.changed = make(chan struct{})
}

// changeLocked wakes who waits for a change.
func (g *datagrams) changeLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// begin takes a carrier and starts its loops. release is called when it is done
// with; nil if the connection is the session's own. It is false if the session
// has ended.
func (g *datagrams) begin(conn *quic.Conn, release func()) bool {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return false
	}
	old, wake := g.conn, make(chan struct{}, 1)
	g.conn, g.err, g.opening, g.again, g.pause = conn, nil, false, time.Time{}, 0
	g.packs, g.writing, g.wake = nil, false, wake
	g.changeLocked()
	g.loops.Go(func() {
		g.read(conn)
		if release != nil {
			conn.CloseWithError(0, "")
			release()
		}
	})
	g.loops.Go(func() { g.write(conn, wake) })
	g.mu.Unlock()
	if old != nil {
		old.CloseWithError(0, "")
	}
	return true
}

// stop ends the carrier and waits for its loops.
func (g *datagrams) stop() {
	g.mu.Lock()
	g.ended, g.conn, g.packs = true, nil, nil
	g.changeLocked()
	g.mu.Unlock()
	g.stopc()
	g.loops.Wait()
}

// lost notes that a carrier has ended.
func (g *datagrams) lost(conn *quic.Conn, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != conn || g.ended {
		return
	}
	g.conn, g.err = nil, fmt.Errorf("carrier lost: %w", explain(err))
	g.dropped.Add(uint64(len(g.packs)))
	g.packs = nil
	g.retryLocked()
	g.changeLocked()
	g.s.log.Info("datagrams have lost their carrier", "err", g.err)
}

const (
	firstRetry = 5 * time.Second
	lastRetry  = 2 * time.Minute
)

// retryLocked plans another try for a carrier that somebody has wanted.
func (g *datagrams) retryLocked() {
	g.pause = min(max(2*g.pause, firstRetry), lastRetry)
	g.again = time.Now().Add(g.pause)
}

// OpenDatagrams waits for a carrier. It does nothing if there is one.
func (c *channel) OpenDatagrams(ctx context.Context) error {
	if err := c.s.grams.open(ctx); err != nil {
		return fmt.Errorf("mtls: datagrams with %s: %w", c.s.remote.Short(), err)
	}
	return nil
}

func (g *datagrams) open(ctx context.Context) error {
	if g.s.cfg.noQUIC {
		return errNoQUIC
	}
	ctx, cancel := context.WithTimeout(ctx, g.s.cfg.handshake)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		g.startLocked()
	}
	for g.conn == nil && g.opening && !g.ended {
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			g.mu.Lock()
			return ctx.Err()
		}
		g.mu.Lock()
	}
	switch {
	case g.conn != nil:
		return nil
	case g.ended:
		return net.ErrClosed
	}
	return g.err
}

var errNoQUIC = errors.New("QUIC is off")

// startLocked dials, or asks the other side to, unless that is under way.
func (g *datagrams) startLocked() {
	if g.opening || g.ended {
		return
	}
	g.opening = true
	if g.s.dialled {
		g.loops.Go(g.dial)
		return
	}
	g.loops.Go(g.askFor)
}

// dial makes the carrier, on the side that dialled the session.
func (g *datagrams) dial() {
	ctx, cancel := context.WithTimeout(g.ctx, g.s.cfg.handshake)
	defer cancel()
	if err := g.s.attach(ctx); err != nil {
		g.failed(err)
		g.s.tell(func(o *out) { o.none = []byte(clip(err.Error())) })
	}
}

// askFor has the other side dial, and waits for what comes of it.
func (g *datagrams) askFor() {
	g.s.tell(func(o *out) { o.ask = true })
	t := time.NewTimer(g.s.cfg.handshake)
	defer t.Stop()
	for {
		g.mu.Lock()
		changed, over := g.changed, g.conn != nil || !g.opening || g.ended
		g.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-t.C:
			g.failed(errors.New("the peer did not dial"))
			return
		}
	}
}

// failed ends an attempt.
func (g *datagrams) failed(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil || g.ended || !g.opening {
		return
	}
	g.opening, g.err = false, err
	if g.s.dialled {
		g.retryLocked()
	}
	g.changeLocked()
	g.s.log.Debug("datagrams have no carrier", "err", err)
}

// asked is called by the reader when the other side wants a carrier.
func (g *datagrams) asked() error {
	if !g.s.dialled {
		return breach("asked to dial by the side that has dialled")
	}
	if g.s.cfg.noQUIC {
		g.s.tell(func(o *out) { o.none = []byte(errNoQUIC.Error()) })
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		g.startLocked()
	}
	return nil
}

// refused is called by the reader when the other side cannot dial.
func (g *datagrams) refused(text []byte) {
	if !g.s.dialled {
		g.failed(fmt.Errorf("peer said: %s", clean(text)))
	}
}

// beat tries again for a carrier that was lost; the session's timer calls it.
func (g *datagrams) beat(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil && !g.again.IsZero() && !now.Before(g.again) {
		g.startLocked()
	}
}

// attach dials QUIC where the session's TCP went, shows that it is we, and hands
// the connection over.
func (s *session) attach(ctx context.Context) error {
	ctx, stop := whileOpen(ctx, s.peer)
	defer stop()
	sock, err := s.t.socketFor(s.cfg, s.peer)
	if err != nil {
		return err
	}
	if err := s.attachOn(ctx, sock, net.UDPAddrFromAddrPort(s.peer)); err != nil {
		s.t.release(sock)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return err
	}
	return nil
}

// attachOn takes over the use of sock if it succeeds.
func (s *session) attachOn(ctx context.Context, sock *socket, addr net.Addr) error {
	conn, stream, err := openQUIC(ctx, s.cfg, sock, addr, want{id: s.remote})
	if err != nil {
		return err
	}
	err = within(ctx, s.cfg.handshake, stream, func() error {
		proof, err := s.attachProof(conn.ConnectionState().TLS)
		if err != nil {
			return err
		}
		name := s.attachName()
		if _, err := stream.Write(appendFrame(nil, kindAttach, name[:], proof)); err != nil {
			return err
		}
		in := buffer{buf: make([]byte, headerSize+maxControl)}
		h, _, err := in.frame(stream)
		if err == nil && h.kind != kindAttached {
			err = breach("frame of kind %d, want attached", h.kind)
		}
		return err
	})
	if err == nil && !s.grams.begin(conn, func() { s.t.release(sock) }) {
		err = net.ErrClosed
	}
	if err != nil {
		conn.CloseWithError(0, "")
		return explain(err)
	}
	return nil
}

// tell has the writer say something of the session's own.
func (s *session) tell(set func(o *out)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		set(&s.out)
		s.kickLocked()
	}
}

// HaveDatagrams tells whether there is a carrier now.
func (c *channel) HaveDatagrams() bool {
	g := &c.s.grams
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn != nil
}

// MaxDatagram is the same on every carrier.
func (c *channel) MaxDatagram() int { return maxGram }

// OnDatagram sets who gets the datagrams of this channel.
func (c *channel) OnDatagram(f func([]byte)) { c.gram.Store(&f) }

// SendDatagram puts a datagram in the last pack that waits, or in a new one.
func (c *channel) SendDatagram(head, body []byte) bool {
	g, n := &c.s.grams, len(head)+len(body)
	g.mu.Lock()
	defer g.mu.Unlock()
	last := len(g.packs) - 1
	fits := last >= 0 && len(g.packs[last])+gramHeader+n <= maxPack
	if g.conn == nil || n > maxGram || (!fits && len(g.packs) >= maxPacks) {
		g.dropped.Add(1)
		return false
	}
	if !fits {
		g.packs = append(g.packs, g.freshLocked())
		last++
	}
	b := append(g.packs[last], c.index, byte(n>>8), byte(n))
	b = append(b, head...)
	g.packs[last] = append(b, body...)
	g.sent.Add(1)
	if !g.writing {
		g.writing = true
		g.wake <- struct{}{} // never waits: only who sets writing sends
	}
	return true
}

func (g *datagrams) freshLocked() []byte {
	if n := len(g.spare); n > 0 {
		b := g.spare[n-1]
		g.spare = g.spare[:n-1]
		return b[:0]
	}
	return make([]byte, 0, maxPack)
}

// write sends packs until the carrier ends.
func (g *datagrams) write(conn *quic.Conn, wake <-chan struct{}) {
	var round [][]byte
	for {
		select {
		case <-wake:
		case <-conn.Context().Done():
			return
		}
		for more := true; more; {
			runtime.Gosched() // let others fill the pack
			round, more = g.take(conn, round)
			for _, b := range round {
				if conn.SendDatagram(b) != nil {
					g.dropped.Add(1)
				}
			}
		}
	}
}

// take gives what waits, in exchange for the slices of the last round.
func (g *datagrams) take(conn *quic.Conn, done [][]byte) (round [][]byte, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.spare)+len(done) <= maxPacks {
		g.spare = append(g.spare, done...)
	}
	clear(done)
	if g.conn != conn {
		return nil, false
	}
	if len(g.packs) == 0 {
		g.writing = false
		return done[:0], false
	}
	round, g.packs = g.packs, done[:0]
	return round, true
}

// read hands datagrams on until the carrier ends. QUIC keeps only a few for us:
// whoever gets them must not block.
func (g *datagrams) read(conn *quic.Conn) {
	for {
		pack, err := conn.ReceiveDatagram(g.ctx)
		if err != nil {
			g.lost(conn, err)
			return
		}
		g.unpack(pack)
	}
}

// unpack hands on what a peer has put in one QUIC datagram. What makes no sense
// is dropped, with what follows it.
func (g *datagrams) unpack(b []byte) {
	for len(b) > 0 {
		c, gram, rest, ok := nextGram(b)
		if !ok || int(c) >= len(g.s.channels) {
			g.dropped.Add(1)
			return
		}
		g.in.Add(1)
		if f := g.s.channels[c].gram.Load(); f != nil {
			(*f)(gram)
		} else {
			g.dropped.Add(1)
		}
		b = rest
	}
}

// nextGram splits off the first datagram of a pack, which is not empty.
func nextGram(b []byte) (channel uint8, gram, rest []byte, ok bool) {
	if len(b) < gramHeader {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if n > maxGram || len(b) < gramHeader+n {
		return 0, nil, nil, false
	}
	return b[0], b[gramHeader : gramHeader+n : gramHeader+n], b[gramHeader+n:], true
}

var _ p2p.Datagrams = (*channel)(nil)
