package mtls

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"

	"kith/p2p"
)

// A gate is a network of UDP that carries nothing while it is shut.
type gate struct {
	simnet.PerfectRouter
	shut atomic.Bool
}

func (g *gate) SendPacket(p simnet.Packet) error {
	if g.shut.Load() {
		return nil
	}
	return g.PerfectRouter.SendPacket(p)
}

// A udpNet is a network of UDP in memory, on virtual time, with a millisecond
// each way.
type udpNet struct {
	t *testing.T
	*gate
	net simnet.Simnet
	n   byte
}

func newUDPNet(t *testing.T) *udpNet {
	u := &udpNet{t: t, gate: new(gate)}
	u.net.Router = u.gate
	return u
}

// socket gives a transport a port. The caller starts the network when all have
// theirs.
func (u *udpNet) socket(tr *Transport) *socket {
	u.n++
	conn := u.net.NewEndpoint(&net.UDPAddr{IP: net.IPv4(10, 0, 0, u.n).To4(), Port: 38080}, simnet.NodeBiDiLinkSettings{Latency: time.Millisecond})
	s := newSocket(conn, tr.Credentials.Current())
	s.users = 1
	tr.sockets = append(tr.sockets, s)
	return s
}

// serve accepts QUIC connections on a socket until the function it returns is
// called.
func (u *udpNet) serve(tr *Transport, sock *socket) (*listener, func()) {
	u.t.Helper()
	cfg := tr.mustConfig(u.t)
	ql, err := sock.listen(cfg)
	if err != nil {
		u.t.Fatal(err)
	}
	l := &listener{t: tr, cfg: cfg, socket: sock, quic: ql, slots: make(chan struct{}, maxSilent), conns: make(chan p2p.Pending)}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.loops.Go(l.acceptQUIC)
	return l, func() {
		l.stop()
		ql.Close()
		l.loops.Wait()
	}
}

// pair makes a session whose only carrier is QUIC, greeted on both sides.
func (u *udpNet) pair(a, b *Transport, from *socket, l *listener) (dialled, accepted *session) {
	u.t.Helper()
	dialled, err := a.dialQUIC(u.t.Context(), a.mustConfig(u.t), from, l.socket.conn.LocalAddr(), want{id: b.ID()})
	if err != nil {
		u.t.Fatal(err)
	}
	a.use(from)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := dialled.Hello(u.t.Context(), p2p.Hello{}, accept); err != nil {
			u.t.Errorf("Hello() = %v", err)
		}
	})
	p, err := (<-l.conns).Handshake(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	accepted = p.(*session)
	if _, err := accepted.Hello(u.t.Context(), p2p.Hello{}, accept); err != nil {
		u.t.Fatal(err)
	}
	wg.Wait()
	return dialled, accepted
}

func openPair(t *testing.T, a, b *session) (as, bs []p2p.MsgReadWriter) {
	t.Helper()
	as, err := a.Open(twoChannels)
	if err != nil {
		t.Fatal(err)
	}
	if bs, err = b.Open(twoChannels); err != nil {
		t.Fatal(err)
	}
	return as, bs
}

func TestQUICPeerIsDeadAfterSevenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.transport("a"), w.transport("b")
		u := newUDPNet(t)
		from, at := u.socket(a), u.socket(b)
		u.net.Start()
		l, stop := u.serve(b, at)
		x, y := u.pair(a, b, from, l)
		as, bs := openPair(t, x, y)
		time.Sleep(time.Minute)
		if x.Err() != nil || y.Err() != nil {
			t.Fatalf("Err() = %v and %v after an idle minute", x.Err(), y.Err())
		}
		u.shut.Store(true)
		start := time.Now()
		for i, rw := range []p2p.MsgReadWriter{as[0], bs[0]} {
			if _, err := rw.ReadMsg(); !errors.Is(err, p2p.DiscReadTimeout) {
				t.Errorf("side %d: ReadMsg() = %v, want %v", i, err, p2p.DiscReadTimeout)
			}
		}
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("dead after %v, want at most 7s after the last sign of life", took)
		}
		closeBoth(x, y)
		stop()
		a.release(from)
		b.release(at)
		u.net.Close()
	})
}

// attachedPair is a session over a wire whose datagrams are on u.
func attachedPair(t *testing.T, u *udpNet, a, b *Transport, from *socket, l *listener) (w *wire, x, y *session, as, bs []p2p.MsgReadWriter) {
	t.Helper()
	w, ca, cb := newWire()
	x, y = handshake(t, a, b, ca, cb)
	as, bs = openBoth(t, x, y, twoChannels)
	a.use(from)
	if err := x.attachOn(t.Context(), from, l.socket.conn.LocalAddr()); err != nil {
		t.Fatalf("attach = %v", err)
	}
	synctest.Wait()
	return w, x, y, as, bs
}

// UDP alone is cut: the session goes on, and both sides know within seven
// seconds that datagrams have no carrier.
func TestLossOfDatagramsIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.transport("a"), w.transport("b")
		u := newUDPNet(t)
		from, at := u.socket(a), u.socket(b)
		u.net.Start()
		l, stop := u.serve(b, at)
		_, x, y, as, bs := attachedPair(t, u, a, b, from, l)
		time.Sleep(time.Minute)
		for i, rw := range []p2p.MsgReadWriter{as[0], bs[0]} {
			if !rw.(p2p.Datagrams).HaveDatagrams() {
				t.Errorf("side %d has no datagrams after an idle minute", i)
			}
		}
		u.shut.Store(true)
		time.Sleep(7 * time.Second)
		for i, rw := range []p2p.MsgReadWriter{as[0], bs[0]} {
			if rw.(p2p.Datagrams).HaveDatagrams() {
				t.Errorf("side %d has datagrams 7s after UDP was cut", i)
			}
		}
		if x.Err() != nil || y.Err() != nil {
			t.Errorf("Err() = %v and %v, want the session to go on", x.Err(), y.Err())
		}
		closeBoth(x, y)
		stop()
		a.release(from)
		b.release(at)
		u.net.Close()
	})
}

// A node is restarted: its new run tells old peers with a stateless reset that
// their connection is gone.
func TestRestartResetsQUIC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.transport("a"), w.transport("b")
		u := newUDPNet(t)
		from, at := u.socket(a), u.socket(b)
		u.net.Start()
		l, stop := u.serve(b, at)
		x, y := u.pair(a, b, from, l)
		as, _ := openPair(t, x, y)
		// The first run of b dies without a word, and a second takes its address.
		u.shut.Store(true)
		y.fail(errors.New("killed"))
		<-y.Done()
		stop()
		b.release(at)
		u.shut.Store(false)
		conn := simnet.NewBlockingSimConn(at.conn.LocalAddr().(*net.UDPAddr), u.gate)
		u.AddNode(at.conn.LocalAddr(), conn)
		again := newSocket(conn, b.Credentials.Current())
		again.users = 1
		_, stop = u.serve(b, again)
		start := time.Now()
		if err := as[0].WriteMsg(p2p.Msg{Code: 1}); err != nil {
			t.Fatal(err)
		}
		_, err := as[0].ReadMsg()
		if took := time.Since(start); err == nil || took > time.Second {
			t.Errorf("ReadMsg() = %v after %v, want an error at once", err, took)
		}
		x.Close(nil)
		stop()
		a.release(from)
		b.release(again)
		u.net.Close()
	})
}

// T6: newcomers must show their address once many handshakes are under way.
func TestRetryUnderFlood(t *testing.T) {
	w := newWorld(t)
	tr := w.transport("a")
	s := newSocket(simnet.NewSimConn(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, new(gate)), tr.Credentials.Current())
	ctxs := make([]context.CancelFunc, 0, maxPending)
	for i := range maxPending {
		if got, want := s.quic.VerifySourceAddress(nil), i > retryAbove; got != want {
			t.Fatalf("with %d pending a Retry is sent: %v, want %v", i, got, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.newcomer(ctx, nil); err != nil {
			t.Fatalf("newcomer %d: %v", i, err)
		}
		ctxs = append(ctxs, cancel)
	}
	if _, err := s.newcomer(t.Context(), nil); err == nil {
		t.Errorf("newcomer %d was let in", maxPending)
	}
	for _, cancel := range ctxs {
		cancel()
	}
	waitFor(t, func() bool { return s.pending.Load() == 0 })
}
