package p2p_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// What other implementations of devp2p have got wrong, or leave their users to
// find out, and the test that holds it here.
//
//	a program written down once must compile             house: TestTheSeedsProgramIsLight, which builds it
//	SendItems decoded into a plain variable              TestDecodeNamesTheSendItemsMistake
//	nobody says the first foo                            ExampleServer, examples/foobar
//	a UDP port is bound that nothing reads               TestAServerOpensNoUDPSocket
//	a zero MaxPeers connects nobody                      TestNoFieldButWhoWeAreIsNeeded
//	fields of the server are written by Start            TestStartWritesNoField
//	Peers before Start hangs, AddPeer panics             TestCallsInAnyOrder, TestAddPeer
//	a Start that fails keeps the TCP port                TestAFailedStartFreesThePort, TestAFailedStartLeavesNothingAndMayBeMended
//	a node on 127.0.0.2 says it is on 127.0.0.1          TestSelfIsWhereWeListen
//	a payload not read to its end spoils the next        Msg.Payload is a []byte
//	the name of a peer is cut                            TestInfoAsJSON
//	a reason past the table's end crashes the log        TestEveryReasonHasWords
//	a point off the curve leaks the key                  rlpx: TestR2BadPoints, crypto: TestBadPublicKeys
//	a short or crafted handshake packet crashes          rlpx: TestR1MalformedAuth, FuzzAuth
//	a handshake packet of any size is read               rlpx: TestR1MemoryBeforeTheKeyIsProved
//	16 MiB are read before hello                         rlpx: TestR4LimitOfHello
//	a message takes the memory that it claims            rlpx: TestR4ClaimsTakeNoMemory, TestR5SnappyBombs
//	a goroutine for each ping                            rlpx: TestR8AMillionPings
//	an unknown code closes without a word                rlpx: TestUnknownMessages
//	a disconnect in one form alone is understood         rlpx: TestReasonsInAllForms
//	a silent peer is left, though it is well             rlpx: TestIdleSessionsPing
//	an idle peer of four goroutines                      TestAnIdlePeerCostsOneGoroutineHere, and one of the session's
//	one keystream for both directions                    documented in rlpx; ExampleNode_protocols of cluster: the same protocol over TLS
//	slots that never churn, passive peers                TestChurnLetsOthersFindRoom, TestChurnFindsOthersToDial
//	dials wasted on other networks                       TestFilterIsAskedBeforeADial
//	static peers never redialled                         TestAStaticNodeIsRedialledAfterEverySession, TestBothKeepEachOther
//	one dead static node holds up the others             TestDeadStaticNodesHoldUpNobody
//	static dials limited by the dial ratio               TestStaticPeersTakeNoSlotOfTheRatio, TestPlacesAreKeptForStaticNodes
//	names of boot and static nodes looked up once        TestANameIsLookedUpAtEveryDial
//	only one of IPv4 and IPv6 is dialled                 TestEitherAddressIsDialled; node: TestEndpoints
//	nodes of one LAN or host never meet                  TestNodesOfOneHostMeet
//	the simulator was removed                            package p2ptest
//	lists nested without end                             rlp: TestDepth, TestReaderDepth
//	a flood keeps honest and trusted nodes out           TestR6SlowLoris, TestR7Flood

// The zero value of every field but PrivateKey and ListenAddr is a good one.
func TestNoFieldButWhoWeAreIsNeeded(t *testing.T) {
	a := &p2p.Server{PrivateKey: rlpxKey(t, 1)}
	b := &p2p.Server{PrivateKey: rlpxKey(t, 2), ListenAddr: "127.0.0.1:0"}
	for _, s := range []*p2p.Server{a, b} {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
	}
	if _, err := a.Dial(limited(t), b.Self()); err != nil {
		t.Errorf("Dial = %v", err)
	}
}

func TestStartWritesNoField(t *testing.T) {
	s := &p2p.Server{PrivateKey: rlpxKey(t, 1), ListenAddr: "127.0.0.1:0"}
	fields := func() (out []any) {
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Field(i).Comparable() {
				out = append(out, v.Field(i).Interface())
			}
		}
		return out
	}
	before := fields()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if after := fields(); !reflect.DeepEqual(before, after) || len(after) < 15 {
		t.Errorf("the fields were %v, and are %v", before, after)
	}
}

func TestAFailedStartFreesThePort(t *testing.T) {
	bad := &finder{startErr: errors.New("no UDP")}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	s := &p2p.Server{PrivateKey: rlpxKey(t, 1), ListenAddr: addr, Discovery: []p2p.Discovery{bad}, Logger: quiet()}
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Start on a port that is taken = %v", err)
	}
	ln.Close()
	if err := s.Start(); !errors.Is(err, bad.startErr) {
		t.Errorf("Start = %v, want %v", err, bad.startErr)
	}
	ln, err = net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port is not free after Start has failed: %v", err)
	}
	ln.Close()
	bad.startErr = nil
	if err := s.Start(); err != nil {
		t.Errorf("Start after mending = %v", err)
	}
	s.Close()
	if ln, err = net.Listen("tcp", addr); err != nil {
		t.Fatalf("the port is not free after Close: %v", err)
	}
	ln.Close()
}

func TestSelfIsWhereWeListen(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.2:0": "127.0.0.2", "[::1]:0": "::1", ":0": "127.0.0.1", "": ""} {
		if runtime.GOOS != "linux" && listen == "127.0.0.2:0" {
			continue // other systems have one address there
		}
		s := open(t, 1, func(s *p2p.Server) { s.ListenAddr = listen })
		self := s.Self()
		host := ""
		if len(self.Hosts) > 0 {
			host, _, _ = net.SplitHostPort(self.Hosts[0])
		}
		if host != want {
			t.Errorf("listening on %q we say %v, want %s", listen, self.Hosts, want)
		}
		again, err := node.Parse(self.String())
		if err != nil || again.ID != self.ID {
			t.Errorf("our own text %s = %v, %v", self, again, err)
		}
		if rec := self.Record; want != "" && (rec == nil || len(rec.TCP()) != 1 || rec.TCP()[0].Addr().String() != want) {
			t.Errorf("our record says %v, want %s", rec.TCP(), want)
		}
	}
}

// The program of an open network that names no discovery uses TCP alone.
func TestAServerOpensNoUDPSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // there is no /proc to look at
	}
	udp := func() (n int) {
		sockets := make(map[string]bool)
		for _, table := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
			text, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if f := strings.Fields(line); len(f) > 9 {
					sockets["socket:["+f[9]+"]"] = true
				}
			}
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && sockets[to] {
				n++
			}
		}
		return n
	}
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if udp() != 1 {
		t.Fatalf("the test sees %d UDP sockets, want the one that it has opened", udp())
	}
	probe.Close()
	a, b := open(t, 1, nil), open(t, 2, nil)
	if _, err := a.Dial(limited(t), b.Self()); err != nil {
		t.Fatal(err)
	}
	if n := udp(); n != 0 {
		t.Errorf("%d UDP sockets, want none", n)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for n := range 256 {
		r := p2p.DiscReason(n)
		text := r.Error()
		known := n <= 0x0b || n == 0x10 || n >= 0x20 && n <= 0x22 || n == 0xff
		if unknown := fmt.Sprintf("unknown reason 0x%02x", n); text == "" || (text == unknown) == known {
			t.Errorf("reason %d is %q, known: %v", n, text, known)
		}
		said := (&p2p.DisconnectError{Reason: r, Remote: true}).Error()
		if said != "peer said: "+text {
			t.Errorf("reason %d of a peer is %q", n, said)
		}
	}
}

func TestDeadStaticNodesHoldUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		var static []*node.Node
		for i := range 200 {
			static = append(static, at(nw, fmt.Sprintf("dead%d", i)))
			nw.Crash(fmt.Sprintf("dead%d", i))
		}
		b := server(t, nw, "b", fill)
		a := server(t, nw, "a", func(s *p2p.Server) {
			s.Policy, s.MaxPeers, s.MaxPendingPeers, s.StaticNodes = p2p.Fill, 5, 2, append(static, b.Self())
		})
		time.Sleep(time.Second)
		if a.Peer(b.Self().ID) == nil {
			t.Error("the one that lives is not connected")
		}
		nw.Kill("b")
		time.Sleep(time.Minute)
		b = server(t, nw, "b", fill)
		time.Sleep(31 * time.Second)
		if a.Peer(b.Self().ID) == nil {
			t.Error("half a minute after it came back it is not connected")
		}
	})
}

func TestANameIsLookedUpAtEveryDial(t *testing.T) {
	for name, edit := range map[string]func(*p2p.Server, *node.Node){
		"static": func(s *p2p.Server, n *node.Node) { s.StaticNodes = []*node.Node{n} },
		"boot":   func(s *p2p.Server, n *node.Node) { s.BootstrapNodes = []*node.Node{n} },
	} {
		bubble(t, func(t *testing.T, nw *p2ptest.Network) {
			named := &node.Node{ID: at(nw, "10.0.0.1").ID, Hosts: []string{"boot.example:1"}}
			a := server(t, nw, "a", func(s *p2p.Server) { s.Policy = p2p.Fill; edit(s, named) })
			time.Sleep(time.Minute) // the name stands for nothing yet
			nw.Alias("boot.example", "10.0.0.9")
			time.Sleep(time.Minute) // and now for where nobody is
			nw.Alias("boot.example", "10.0.0.1")
			first := server(t, nw, "10.0.0.1", fill)
			time.Sleep(time.Minute)
			if a.Peer(first.Self().ID) == nil {
				t.Errorf("%s: not connected a minute after the name was set", name)
			}
		})
	}
}

// A node that has two addresses is reached at the one that works.
func TestEitherAddressIsDialled(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := dead.Addr().String()
	dead.Close()
	dialler := byte(100)
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		b := open(t, 2, func(s *p2p.Server) { s.ListenAddr = listen })
		n := b.Self()
		for _, hosts := range [][]string{{closed, n.Hosts[0]}, {n.Hosts[0], closed}, {"nobody.invalid:1", closed, n.Hosts[0]}} {
			dialler++
			n.Hosts = hosts
			if _, err := open(t, dialler, nil).Dial(limited(t), n); err != nil {
				t.Errorf("Dial of %v = %v", hosts, err)
			}
		}
	}
}

// Many nodes behind one address that is private: none waits half a minute.
func TestNodesOfOneHostMeet(t *testing.T) {
	bubble(t, func(t *testing.T, nw *p2ptest.Network) {
		a := server(t, nw, "a", fill)
		for i := range 20 {
			l, err := server(t, nw, "b", fill).Dial(t.Context(), at(nw, "a"))
			if err != nil {
				t.Fatalf("the %dth from one private address: %v", i, err)
			}
			l.Peer().Disconnect(nil)
			nw.Kill("b")
			synctest.Wait()
		}
		if n := a.Stats().Throttled; n != 0 {
			t.Errorf("%d were throttled", n)
		}
	})
	const nodes = 20
	hub := open(t, 100, nil)
	for i := range byte(nodes) {
		if _, err := open(t, i+1, nil).Dial(limited(t), hub.Self()); err != nil {
			t.Errorf("node %d on loopback: %v", i, err)
		}
	}
}

func TestErrorsNameNodesOfOpenNetworksInHex(t *testing.T) {
	b := open(t, 2, func(s *p2p.Server) { s.MaxPeers = 1 })
	if _, err := open(t, 1, nil).Dial(limited(t), b.Self()); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, 3, nil).Dial(limited(t), b.Self())
	want := fmt.Sprintf("p2p: dial %.8s at %s: peer said: too many peers", b.Self().ID.Hex(), b.Self().Hosts[0])
	if err == nil || err.Error() != want {
		t.Errorf("Dial = %v\nwant %s", err, want)
	}
	for ctx := limited(t); len(b.Peers()) == 0 && ctx.Err() == nil; { // its place is taken before it is shown
		runtime.Gosched()
	}
	if text, want := b.Peers()[0].String(), node.V4ID(rlpxKey(t, 1).Public()).Hex()[:8]+" at 127.0.0.1:"; !strings.HasPrefix(text, want) {
		t.Errorf("a peer is %q, want %s…", text, want)
	}
}

// Two nodes that have each other as static nodes, over real sockets.
func TestBothKeepEachOtherOverRLPx(t *testing.T) {
	for n := range byte(10) {
		heard := make(chan word, 8)
		proto := myProtocol(func(w word) { heard <- w })
		edit := func(s *p2p.Server) { s.Protocols = []p2p.Protocol{proto} }
		a, b := open(t, 2*n+1, edit), open(t, 2*n+2, edit)
		for _, s := range [][2]*p2p.Server{{a, b}, {b, a}} {
			if err := s[0].AddPeer(s[1].Self()); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case w := <-heard:
			if w != "bar" {
				t.Errorf("heard %q, want bar", w)
			}
		case <-limited(t).Done():
			t.Fatalf("pair %d: nothing was heard", n)
		}
		l, err := a.Dial(limited(t), b.Self())
		if err != nil || l.Peer().Err() != nil || len(a.Peers()) != 1 {
			t.Errorf("pair %d: Dial = %v, want to share the one session", n, err)
		}
		a.Close()
		b.Close()
	}
}
