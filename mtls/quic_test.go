package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// both makes a session over loopback, with two protocols on each side.
func both(t testing.TB, a, b *Transport) (dialled, accepted p2p.Session, as, bs []p2p.MsgReadWriter) {
	t.Helper()
	n, sessions := listen(t, b)
	dialled = dialTo(t, a, n)
	accepted = nextSession(t, sessions)
	t.Cleanup(func() { closeBoth(dialled, accepted) })
	as, bs = openBoth(t, dialled, accepted, twoChannels)
	return dialled, accepted, as, bs
}

// nextSession waits for an accepted session.
func nextSession(t testing.TB, sessions <-chan p2p.Session) p2p.Session {
	t.Helper()
	select {
	case s := <-sessions:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("no session was accepted")
		return nil
	}
}

// exchange sends datagrams from one end until one has arrived at the other.
func exchange(t *testing.T, from, to p2p.MsgReadWriter, text string) {
	t.Helper()
	got := make(chan string, 64)
	to.(p2p.Datagrams).OnDatagram(func(b []byte) {
		select {
		case got <- string(b):
		default:
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		from.(p2p.Datagrams).SendDatagram([]byte(text[:1]), []byte(text[1:]))
		select {
		case s := <-got:
			if s != text {
				t.Errorf("datagram %q, want %q", s, text)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Errorf("no datagram arrived")
}

func TestDatagrams(t *testing.T) {
	for _, asker := range []string{"dialler", "acceptor"} {
		t.Run(asker+" asks", func(t *testing.T) {
			w := newWorld(t)
			dialled, accepted, as, bs := both(t, w.transport("a"), w.transport("b"))
			opener := as[0]
			if asker == "acceptor" {
				opener = bs[0]
			}
			g := opener.(p2p.Datagrams)
			if g.HaveDatagrams() || g.SendDatagram([]byte("x"), nil) {
				t.Error("there are datagrams before anybody asked")
			}
			if err := g.OpenDatagrams(t.Context()); err != nil {
				t.Fatalf("OpenDatagrams() = %v", err)
			}
			if !g.HaveDatagrams() {
				t.Error("HaveDatagrams() = false after OpenDatagrams")
			}
			exchange(t, as[0], bs[0], "there")
			exchange(t, bs[0], as[0], "back")
			exchange(t, as[1], bs[1], "on the other channel")
			if !as[0].(p2p.Datagrams).SendDatagram(nil, make([]byte, g.MaxDatagram())) {
				t.Error("a datagram of MaxDatagram was not taken")
			}
			if as[0].(p2p.Datagrams).SendDatagram(make([]byte, 1), make([]byte, g.MaxDatagram())) {
				t.Error("a datagram over MaxDatagram was taken")
			}
			for _, s := range []p2p.Session{dialled, accepted} {
				waitFor(t, func() bool { return s.Stats().DatagramsOut > 0 })
				if st := s.Stats(); st.DatagramCarrier != "quic" || st.Carrier != "tcp" || st.DatagramsIn == 0 || st.DatagramsOut == 0 {
					t.Errorf("Stats() = %+v, want datagrams on quic", st)
				}
			}
		})
	}
}

// Every datagram is counted once, as sent or as dropped, and so are the bytes of
// the packs they are in; a new carrier drops what waited for the old one.
func TestEveryDatagramIsCounted(t *testing.T) {
	w := newWorld(t)
	dialled, accepted, as, bs := both(t, w.transport("a"), w.transport("b"))
	from, to := as[0].(p2p.Datagrams), bs[0].(p2p.Datagrams)
	if err := from.OpenDatagrams(t.Context()); err != nil {
		t.Fatal(err)
	}
	to.OnDatagram(func([]byte) {})
	const n, size = 20_000, 64
	before := dialled.Stats()
	for i := range n {
		from.SendDatagram(make([]byte, size), nil)
		if i == n/2 {
			if err := dialled.(*session).attach(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var st p2p.SessionStats
	waitFor(t, func() bool {
		st = dialled.Stats()
		return st.DatagramsOut+st.DatagramsDropped >= n
	})
	if st.DatagramsOut+st.DatagramsDropped != n || st.DatagramsOut == 0 {
		t.Errorf("Stats() = %+v, want %d sent and dropped together", st, n)
	}
	if out := st.BytesOut - before.BytesOut; out < size*st.DatagramsOut {
		t.Errorf("%d bytes out with %d datagrams of %d", out, st.DatagramsOut, size)
	}
	waitFor(t, func() bool { return accepted.Stats().DatagramsIn > 0 })
	if st := accepted.Stats(); st.DatagramsIn > n || st.BytesIn < size*st.DatagramsIn {
		t.Errorf("Stats() = %+v for %d datagrams of %d", st, n, size)
	}
}

// The end of the TCP session ends its datagrams; the loss of the datagrams does
// not end the session.
func TestCarriersEnd(t *testing.T) {
	w := newWorld(t)
	_, accepted, as, bs := both(t, w.transport("a"), w.transport("b"))
	g := as[0].(p2p.Datagrams)
	if err := g.OpenDatagrams(t.Context()); err != nil {
		t.Fatal(err)
	}
	exchange(t, as[0], bs[0], "before")
	grams := &accepted.(*session).grams
	grams.mu.Lock()
	conn := grams.lane.conn
	grams.mu.Unlock()
	conn.CloseWithError(0, "")
	waitFor(t, func() bool { return !g.HaveDatagrams() && !bs[0].(p2p.Datagrams).HaveDatagrams() })
	if st := accepted.Stats(); st.DatagramCarrier != "" || !strings.Contains(st.DatagramCarrierLost, "carrier lost") {
		t.Errorf("Stats() = %+v, want that the carrier was lost", st)
	}
	if err := as[0].WriteMsg(p2p.Msg{Code: 1}); err != nil {
		t.Errorf("WriteMsg() = %v after the datagrams were lost", err)
	}
	if _, err := bs[0].ReadMsg(); err != nil {
		t.Errorf("ReadMsg() = %v after the datagrams were lost", err)
	}
	if err := g.OpenDatagrams(t.Context()); err != nil {
		t.Errorf("OpenDatagrams() again = %v", err)
	}
	exchange(t, as[0], bs[0], "after")
	accepted.Close(nil)
	waitFor(t, func() bool { return !g.HaveDatagrams() || !g.SendDatagram(nil, nil) })
	if err := g.OpenDatagrams(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("OpenDatagrams() on a closed session = %v", err)
	}
}

// However often a peer asks for datagrams, it makes us dial once in askedEvery.
func TestAskedAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, accepted := pipe(t, w.transport("a"), w.transport("b"))
		s.grams.opening = true // a dial is under way: no other begins
		answer := func() string {
			t.Helper()
			if err := s.grams.asked(); err != nil {
				t.Errorf("asked() = %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			none := string(s.none)
			s.none = nil
			return none
		}
		for range 2 {
			if got := answer(); got != "" {
				t.Errorf("the first to ask is told %q", got)
			}
			for range 3 {
				time.Sleep(askedEvery / 4)
				if got := answer(); got != errJustTried.Error() {
					t.Errorf("who asks again at once is told %q, want %q", got, errJustTried)
				}
			}
			time.Sleep(askedEvery / 4)
		}
		if err := accepted.grams.asked(); err == nil {
			t.Error("the side that was dialled is asked to dial, and does not mind")
		}
		var wg sync.WaitGroup
		wg.Go(func() { s.Close(nil) })
		accepted.Close(nil)
		wg.Wait()
	})
}

// waitFor waits for something that must come about by itself.
func waitFor(t testing.TB, what func() bool) {
	t.Helper()
	for range 1000 {
		if what() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it did not come about")
}

// A carrier must prove that it belongs to the session, and to the same node.
func TestAttachNeedsProof(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.transport("a"), w.transport("b"), w.transport("c")
	dialled, accepted, _, _ := both(t, a, b)
	secret := dialled.(*session).secret
	for _, tt := range []struct {
		name  string
		by    *Transport
		spoil int // byte of the secret; -1: none
	}{{"another node that knows the secret", c, -1}, {"wrong name", a, 0}, {"wrong proof", a, 20}} {
		cfg := tt.by.mustConfig(t)
		fake := newSession(tt.by, cfg, dialled.(*session).conn, true, nil, b.ID(), netipAddr, dialled.RemoteAddr())
		fake.secret = secret
		if tt.spoil >= 0 {
			fake.secret[tt.spoil] ^= 1
		}
		err := fake.attach(t.Context())
		if d, ok := errors.AsType[*p2p.DisconnectError](err); !ok || !d.Remote || !strings.Contains(d.Text, "no such session") {
			t.Errorf("%s: attach() = %v, want to be refused", tt.name, err)
		}
	}
	if accepted.(*session).grams.lane != nil {
		t.Error("a carrier without proof was taken")
	}
}

var netipAddr = addrPort(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})

// Where TCP is shut QUIC carries all, and where we are told to leave TCP alone.
func TestQUICCarriesAll(t *testing.T) {
	w := newWorld(t)
	t.Run("TCP is shut", func(t *testing.T) {
		b := w.transport("b")
		n, sessions := listenQUICOnly(t, b)
		testQUICCarriesAll(t, w.transport("a"), n, sessions)
	})
	t.Run("NoTCP", func(t *testing.T) {
		a, b := w.transport("a"), w.transport("b")
		a.NoTCP, b.NoTCP = true, true
		n, sessions := listen(t, b)
		testQUICCarriesAll(t, a, n, sessions)
	})
}

func testQUICCarriesAll(t *testing.T, a *Transport, n *node.Node, sessions <-chan p2p.Session) {
	dialled := dialTo(t, a, n)
	greeting := make(chan p2p.Session)
	go func() { greeting <- nextSession(t, sessions) }()
	// The acceptor learns of the session by its hello.
	var accepted p2p.Session
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := dialled.Hello(t.Context(), p2p.Hello{Name: "a"}, accept); err != nil {
			t.Errorf("Hello() = %v", err)
		}
	})
	if accepted = <-greeting; accepted == nil {
		t.FailNow()
	}
	if _, err := accepted.Hello(t.Context(), p2p.Hello{Name: "b"}, accept); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	defer closeBoth(dialled, accepted)
	as, err := dialled.Open(twoChannels)
	if err != nil {
		t.Fatal(err)
	}
	bs, err := accepted.Open(twoChannels)
	if err != nil {
		t.Fatal(err)
	}
	testTraffic(t, as, bs)
	if err := as[0].(p2p.Datagrams).OpenDatagrams(t.Context()); err != nil {
		t.Errorf("OpenDatagrams() = %v", err)
	}
	exchange(t, as[0], bs[0], "datagram")
	if st := dialled.Stats(); st.Carrier != "quic" || st.DatagramCarrier != "quic" {
		t.Errorf("Stats() = %+v, want all on quic", st)
	}
	dialled.Close(p2p.DiscIdle)
	<-accepted.Done()
	if err := accepted.Err(); !errors.Is(err, p2p.DiscIdle) {
		t.Errorf("Err() = %v, want the reason that was given", err)
	}
}

// listenQUICOnly is listen at an address where TCP is shut.
func listenQUICOnly(t testing.TB, tr *Transport) (*node.Node, <-chan p2p.Session) {
	t.Helper()
	n, sessions := listen(t, tr)
	// The node is dialled at 127.0.0.2, where its UDP port is served by a relay.
	return relayUDP(t, n), sessions
}

// relayUDP gives n an address that only UDP answers at.
func relayUDP(t testing.TB, n *node.Node) *node.Node {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", n.Hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var client net.Addr
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			k, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			if k < 20 {
				continue // not QUIC
			}
			mu.Lock()
			client = from
			mu.Unlock()
			back.Write(buf[:k])
		}
	})
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			k, err := back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			mu.Lock()
			to := client
			mu.Unlock()
			if err == nil && to != nil {
				front.WriteTo(buf[:k], to)
			}
		}
	})
	t.Cleanup(func() {
		front.Close()
		back.Close()
		wg.Wait()
	})
	return &node.Node{ID: n.ID, Hosts: []string{front.LocalAddr().String()}}
}

// A node that is gone is known to be so at once, not when QUIC gives up.
func TestDialOfDeadNodeFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	ln, err := b.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	start := time.Now()
	_, err = a.Dial(t.Context(), &node.Node{ID: b.ID(), Hosts: []string{addr}})
	if err == nil || !strings.Contains(err.Error(), "connection refused; on QUIC: udp: connection refused") {
		t.Errorf("Dial() = %v, want refused on both", err)
	}
	if took := time.Since(start); took > defaultDial/2 {
		t.Errorf("Dial() took %v", took)
	}
}

func TestQUICRefusesInWords(t *testing.T) {
	f := &forger{world: newWorld(t)}
	good := f.good()
	other := newWorld(t).transport("stranger")
	n, _ := listenQUICOnly(t, good)
	n.ID = node.ID{}
	// The server is refused by the client.
	if _, err := other.Dial(t.Context(), n); cert.ReasonOf(err) != cert.UnknownAuthority {
		t.Errorf("Dial() by a stranger = %v, want %v", err, cert.UnknownAuthority)
	}
	// The client is refused by the server.
	bad := &Transport{Credentials: f.spoilt(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), Logger: quiet()}
	s, err := bad.Dial(t.Context(), n)
	if err == nil { // the words come with Hello, unless they are faster
		_, err = s.Hello(t.Context(), p2p.Hello{}, accept)
	}
	if d, ok := errors.AsType[*p2p.DisconnectError](err); !ok || !d.Remote || d.Reason != p2p.DiscRefused || !strings.Contains(d.Text, "extendedKeyUsage") {
		t.Errorf("Hello() = %v, want a refusal in words", err)
	}
}

func TestNoQUIC(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	b.NoQUIC = true
	_, _, as, bs := both(t, a, b)
	for _, rw := range []p2p.MsgReadWriter{as[0], bs[0]} {
		if err := rw.(p2p.Datagrams).OpenDatagrams(t.Context()); err == nil {
			t.Error("OpenDatagrams() = nil without QUIC")
		} else {
			t.Log(err)
		}
	}
	if len(b.sockets) != 0 {
		t.Error("NoQUIC has opened a socket")
	}
}

// Sockets are closed with their last user.
func TestSocketsAreClosed(t *testing.T) {
	w := newWorld(t)
	a, b := w.transport("a"), w.transport("b")
	ln, err := b.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted p2p.Session
	var wg sync.WaitGroup
	wg.Go(func() {
		p, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		accepted, _ = p.Handshake(context.Background())
	})
	dialled := dialTo(t, a, &node.Node{ID: b.ID(), Hosts: []string{ln.Addr().String()}})
	wg.Wait()
	as, bs := openBoth(t, dialled, accepted, twoChannels)
	if err := as[0].(p2p.Datagrams).OpenDatagrams(t.Context()); err != nil {
		t.Fatal(err)
	}
	exchange(t, as[0], bs[0], "x")
	ln.Close()
	exchange(t, as[0], bs[0], "sessions go on")
	if ln, err = b.Listen(context.Background(), ln.Addr().String()); err != nil {
		t.Errorf("Listen() on the same port again = %v", err)
	} else {
		ln.Close()
	}
	closeBoth(dialled, accepted)
	if len(a.sockets) != 0 || len(b.sockets) != 0 {
		t.Errorf("%d and %d sockets are left", len(a.sockets), len(b.sockets))
	}
}
