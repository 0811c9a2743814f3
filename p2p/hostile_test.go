package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kith/crypto"
	"kith/node"
	"kith/rlp"
	"kith/rlpx"
)

// A doorstep is a listener in memory: what strangers do to RLPx, in virtual time.
type doorstep struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type doorAddr string

func (doorAddr) Network() string  { return "tcp" }
func (a doorAddr) String() string { return string(a) }

func (d *doorstep) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

func (d *doorstep) Addr() net.Addr { return doorAddr("door") }
func (d *doorstep) Close() error   { d.once.Do(func() { close(d.done) }); return nil }

type fromConn struct {
	net.Conn
	from netip.AddrPort
}

func (c fromConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }

// CloseWrite is here because TCP has it. The stranger pays no heed.
func (fromConn) CloseWrite() error { return nil }

// connect gives a stranger's end of a connection.
func (d *doorstep) connect(from string) net.Conn {
	mine, theirs := net.Pipe()
	select {
	case d.conns <- fromConn{theirs, netip.AddrPortFrom(netip.MustParseAddr(from), 4000)}:
	case <-d.done:
		mine.Close()
	}
	return mine
}

type doorTransport struct {
	*rlpxTransport
	d *doorstep
}

func (t doorTransport) Listen(context.Context, string) (Listener, error) {
	l := &rlpxListener{Listener: t.d, t: t.rlpxTransport}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

func doorKey(t testing.TB, n int) *crypto.PrivateKey {
	t.Helper()
	k, err := crypto.ParseKey(append(make([]byte, 30), byte(n>>8), byte(n)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// behind starts a server behind a doorstep; its key is number 1.
func behind(t testing.TB, edit func(*Server)) (*Server, *doorstep) {
	t.Helper()
	d := &doorstep{conns: make(chan net.Conn), done: make(chan struct{})}
	key := doorKey(t, 1)
	s := &Server{
		Transport:  doorTransport{newRLPx(key, func(netip.Addr) bool { return true }).(*rlpxTransport), d},
		ListenAddr: "door", Logger: slog.New(slog.DiscardHandler),
		Protocols: []Protocol{{Name: "foo", Version: 1, Length: 8, Run: func(_ *Peer, rw MsgReadWriter) error {
			for {
				if _, err := rw.ReadMsg(); err != nil {
					return err
				}
			}
		}}},
	}
	if edit != nil {
		edit(s)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, d
}

func strangersHello(name string, caps ...rlpx.Cap) rlpx.Hello {
	if caps == nil {
		caps = []rlpx.Cap{{Name: "foo", Version: 1}}
	}
	return rlpx.Hello{Name: name, Caps: caps}
}

// shake gets a stranger through the handshake.
func (d *doorstep) shake(t testing.TB, n int, from string) (*rlpx.Conn, error) {
	return rlpx.Initiate(t.Context(), d.connect(from), doorKey(t, n), doorKey(t, 1).Public())
}

// greet gets a stranger through the hello.
func (d *doorstep) greet(t testing.TB, n int, from string, h rlpx.Hello) (*rlpx.Session, error) {
	c, err := d.shake(t, n, from)
	if err != nil {
		return nil, err
	}
	s := rlpx.NewSession(c)
	_, err = s.Hello(t.Context(), h, func(rlpx.Hello) error { return nil })
	return s, err
}

// Whatever strangers and peers are doing, Close takes little more than a second.
func TestCloseWhateverStrangersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := behind(t, func(s *Server) {
			s.Protocols = append(s.Protocols, Protocol{Name: "push", Version: 1, Length: 1, Run: func(p *Peer, rw MsgReadWriter) error {
				for {
					if err := rw.WriteMsg(Msg{Payload: make([]byte, 100_000)}); err != nil {
						return err
					}
				}
			}})
		})
		var open []net.Conn
		keep := func(c net.Conn) { open = append(open, c) }
		for i := range 5 {
			from := fmt.Sprintf("10.0.0.%d", i+1)
			keep(d.connect(from)) // says nothing
			c, err := d.shake(t, 10+i, from)
			if err != nil {
				t.Fatal(err)
			}
			keep(c.NetConn()) // no hello
			p, err := d.greet(t, 20+i, from, strangersHello("reads nothing", rlpx.Cap{Name: "foo", Version: 1}, rlpx.Cap{Name: "push", Version: 1}))
			if err != nil {
				t.Fatal(err)
			}
			keep(p.Conn().NetConn())
			w, err := d.greet(t, 30+i, from, strangersHello("writes without end"))
			if err != nil {
				t.Fatal(err)
			}
			keep(w.Conn().NetConn())
			go func() {
				for {
					if err := w.Conn().WriteMsg(0x10, make([]byte, 1000)); err != nil {
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
		}
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		s.Close()
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("Close() took %v", took)
		}
		for _, c := range open {
			c.Close()
		}
		time.Sleep(time.Second)
	})
}

// Strangers that let themselves be refused and stay, as many as can be, keep out
// no friend.
func TestRefusedStrangersKeepOutNoFriend(t *testing.T) {
	for name, source := range map[string]func(i int) string{
		"one private address": func(int) string { return "10.9.9.9" },
		"many":                func(i int) string { return fmt.Sprintf("203.0.%d.%d", i>>8, i&255) },
	} {
		synctest.Test(t, func(t *testing.T) {
			const friend = 999
			s, d := behind(t, func(s *Server) {
				s.MaxPeers, s.MaxPendingPeers = 1, 5
				s.TrustedNodes = []node.ID{node.V4ID(doorKey(t, friend).Public())}
			})
			s.core.mu.Lock()
			s.core.befriendLocked("198.51.100.1:30303")
			s.core.mu.Unlock()
			if _, err := d.greet(t, 2, "198.51.100.2", strangersHello("full")); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var flood sync.WaitGroup
			flood.Go(func() {
				for i := 0; ; i++ {
					flood.Go(func() {
						c, err := d.shake(t, 3, source(i))
						if err != nil {
							return
						}
						h := strangersHello("flood")
						h.Version, h.Key = 5, doorKey(t, 3).Public().Bytes()
						c.WriteMsg(0, rlpxHello(h))
						go io.Copy(io.Discard, c.NetConn())
						<-stop
						c.Close()
					})
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
			})
			time.Sleep(3 * time.Second)
			failed, most := 0, 0
			for range 10 {
				p, err := d.greet(t, friend, "198.51.100.1", strangersHello("friend"))
				if err != nil {
					failed++
				} else {
					p.Close(rlpx.Quitting)
				}
				s.core.mu.Lock()
				most = max(most, s.core.handshakes)
				s.core.mu.Unlock()
				time.Sleep(317 * time.Millisecond)
			}
			if failed > 0 {
				t.Errorf("%s: %d of 10 connections of a friend's have failed", name, failed)
			}
			if most > 3*5 {
				t.Errorf("%s: %d handshakes at a time", name, most)
			}
			close(stop)
			flood.Wait()
			s.Close()
			time.Sleep(2 * time.Second)
		})
	}
}

// rlpxHello writes a hello by hand: the list [version, name, caps, port, key].
func rlpxHello(h rlpx.Hello) []byte {
	b, err := rlp.Marshal([]any{h.Version, h.Name, h.Caps, h.ListenPort, h.Key})
	if err != nil {
		panic(err)
	}
	return b
}

// What a peer calls itself and its protocols upsets no terminal.
func TestNamesOfStrangersAreTamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const evil = "\x1b]0;owned\x07\x9b31m\u202eevil\n"
		book := new(strings.Builder)
		s, d := behind(t, func(s *Server) {
			s.Logger = slog.New(slog.NewJSONHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		p, err := d.greet(t, 2, "10.0.0.1", strangersHello(evil+strings.Repeat("x", 1000), rlpx.Cap{Name: "foo", Version: 1}, rlpx.Cap{Name: evil, Version: 1}))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, info := range s.PeersInfo() {
			for _, text := range append(info.Caps, info.Name) {
				if strings.ContainsAny(text, "\x1b\x07\n\u202e") || strings.Contains(text, "\x9b") {
					t.Errorf("information for people has %q", text)
				}
			}
		}
		p.Close(nil)
		s.Close()
		if text := book.String(); strings.Contains(text, "\u202e") || strings.Contains(text, strings.Repeat("x", 100)) {
			t.Errorf("the log has\n%s", text)
		}
	})
}

// Who answers must be who was asked for, whoever said where it is and with what
// key.
func TestAnotherNodeThanWasAskedFor(t *testing.T) {
	asked, other := node.ID{1}, node.ID{2}
	c := testCore(node.ID{9}, func(s *Server) {
		s.Transport = dials{newStill(other)}
		s.Discovery = []Discovery{whereabouts{ID: other, Hosts: []string{"10.0.0.1:1"}}}
	})
	for _, tt := range []struct {
		n    *node.Node
		want error
	}{
		{&node.Node{ID: asked}, errOtherNode},
		{&node.Node{ID: asked, Hosts: []string{"10.0.0.1:1"}}, DiscUnexpectedIdentity},
	} {
		if p, _, err := c.connect(t.Context(), tt.n); !errors.Is(err, tt.want) {
			t.Errorf("connect() to %v = %v, %v; want %v", tt.n.Hosts, p, err, tt.want)
		}
	}
}

// dials is a Transport whose every dial gives one session.
type dials struct{ *still }

func (dials) ID() node.ID                                         { return node.ID{9} }
func (dials) Listen(context.Context, string) (Listener, error)    { return nil, net.ErrClosed }
func (d dials) Dial(context.Context, *node.Node) (Session, error) { return d, nil }
func (dials) Close(error) error                                   { return nil }
func (dials) Hello(context.Context, Hello, func(Hello) error) (Hello, error) {
	return Hello{}, errors.New("a hello was said")
}

// whereabouts is a Discovery that finds this node, whoever is asked for.
type whereabouts node.Node

func (whereabouts) Start(*node.Local) error                    { return nil }
func (whereabouts) Close() error                               { return nil }
func (whereabouts) Nodes(context.Context) iter.Seq[*node.Node] { return func(func(*node.Node) bool) {} }

func (w whereabouts) Resolve(context.Context, node.ID) (*node.Node, error) {
	n := node.Node(w)
	return &n, nil
}

// Wherever a stranger stops, or however slowly it goes on, its place is free again
// when the handshake's time and the goodbye's are over.
func TestStrangersAreGoneInSixSeconds(t *testing.T) {
	trickle := func(c net.Conn, b []byte) {
		for _, x := range b {
			if _, err := c.Write([]byte{x}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	after := func(then func(c net.Conn)) func(*testing.T, *doorstep) net.Conn {
		return func(t *testing.T, d *doorstep) net.Conn {
			c, err := d.shake(t, 2, "10.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			go then(c.NetConn())
			return c.NetConn()
		}
	}
	before := func(then func(c net.Conn)) func(*testing.T, *doorstep) net.Conn {
		return func(_ *testing.T, d *doorstep) net.Conn {
			c := d.connect("10.0.0.1")
			go then(c)
			return c
		}
	}
	packet := append([]byte{1, 0}, make([]byte, 256)...)
	for name, stranger := range map[string]func(*testing.T, *doorstep) net.Conn{
		"nothing":           before(func(net.Conn) {}),
		"a byte":            before(func(c net.Conn) { c.Write([]byte{1}) }),
		"a slow packet":     before(func(c net.Conn) { trickle(c, packet) }),
		"no hello":          after(func(net.Conn) {}),
		"a slow hello":      after(func(c net.Conn) { trickle(c, packet) }),
		"noise, no reading": after(func(c net.Conn) { c.Write(packet) }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := behind(t, nil)
				c := stranger(t, d)
				time.Sleep(DefaultHandshakeTimeout + time.Second + time.Millisecond)
				if n := s.Handshakes(); n != 0 || len(s.Peers()) != 0 {
					t.Errorf("%d handshakes, %d peers; want none", n, len(s.Peers()))
				}
				c.SetDeadline(time.Now().Add(time.Second))
				if _, err := c.Write(packet); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is open: %v", err)
				}
				c.Close()
				s.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}
