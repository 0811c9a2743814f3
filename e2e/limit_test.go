package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"kith/cert"
	"kith/mtls"
	"kith/p2p"
	"kith/port"
)

// S6: a message over the limit is refused in words that name the limit, and the
// session serves the next request.
func TestS6TooLarge(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portEcho)
	_, err := c.Request(t.Context(), make([]byte, c.MaxMessage()+1))
	var large *port.TooLargeError
	if !errors.As(err, &large) || large.Limit != 16<<20 {
		t.Errorf("Request = %v, want a limit of %d", err, 16<<20)
	}
	echo(t, c, "next")
	if n := a.srv.Stats().Connected; n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// S6: a length that is only claimed costs nothing, and the session serves the
// next request. The frames are written by hand, see docs/WIRE.md.
func TestS6LyingLength(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	rw := raw(t, dir, "a", b)
	be := binary.BigEndian
	say := func(code uint64, head []byte, body string) {
		t.Helper()
		if err := rw.WriteMsg(p2p.Msg{Code: code, Payload: append(head, body...)}); err != nil {
			t.Fatalf("WriteMsg(%d) = %v", code, err)
		}
	}
	hear := func(code uint64, id uint32) []byte {
		t.Helper()
		for {
			m, err := rw.ReadMsg()
			if err != nil {
				t.Fatalf("ReadMsg = %v", err)
			}
			if m.Code == code && be.Uint32(m.Payload) == id {
				return m.Payload[4:]
			}
		}
	}
	const open, opened, request, first, reply, fail = 0, 1, 4, 5, 7, 10
	const tooLarge = 5
	head := be.AppendUint16(be.AppendUint32(nil, 1), portEcho)
	head = be.AppendUint64(be.AppendUint32(be.AppendUint32(head, 1<<20), 16<<20), 0)
	say(open, head, "")
	hear(opened, 1)
	before := b.ask(question{Do: "state"}).Allocated
	for id := range uint32(100) {
		head := be.AppendUint32(be.AppendUint32(nil, 100+id), 1)
		head = be.AppendUint32(be.AppendUint32(be.AppendUint32(head, 0), 0), 1<<32-1)
		say(first, head, "a little of it")
		if got := hear(fail, 100+id); got[0] != tooLarge || be.Uint64(got[1:]) != 16<<20 {
			t.Fatalf("answer to a claim of 4 GiB: %x, want code %d and the limit", got, tooLarge)
		}
	}
	say(request, be.AppendUint32(be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, 7), 1), 0), 0), "next")
	if got := hear(reply, 7); string(got[4:]) != "next" {
		t.Errorf("reply %q, want next", got[4:])
	}
	if grown := b.ask(question{Do: "state"}).Allocated - before; grown > 32<<20 {
		t.Errorf("allocated %d MiB for 100 claims of 4 GiB", grown>>20)
	}
}

// raw opens a session and gives what is under a Mux's feet: its channel.
func raw(t *testing.T, dir, name string, r *remote) p2p.MsgReadWriter {
	t.Helper()
	tr := &mtls.Transport{Credentials: snapshot(t, dir, name), NoQUIC: true}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	s, err := tr.Dial(ctx, r.node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(nil) })
	p := (&port.Mux{}).Protocol()
	ours := p2p.Hello{Name: name, Version: [3]uint16{0, 1, 0}, Caps: []p2p.Cap{p.Cap()}, Epoch: 1}
	if _, err := s.Hello(ctx, ours, func(p2p.Hello) error { return nil }); err != nil {
		t.Fatal(err)
	}
	rws, err := s.Open([]p2p.Channel{{Cap: p.Cap(), Length: p.Length, MaxMessage: p.MaxMessage}})
	if err != nil {
		t.Fatal(err)
	}
	return rws[0]
}

func snapshot(t testing.TB, dir, name string) *cert.Snapshot {
	t.Helper()
	d := cert.Dir{Path: dir}
	s, err := (&cert.Files{CA: d.CAPath(), Cert: d.CertPath(name), Key: d.KeyPath(name)}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// S6 below the ports: whoever holds a certificate and claims a message of 4 GiB,
// or sends noise, loses the connection and has cost nothing; others are served.
func TestS6LyingFrames(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b", "liar")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	c := a.connect(t, b.node, portEcho)
	noise := make([]byte, 64<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	// A claim that is allowed, and then a frame that ends the connection.
	allowed := []byte{7, 0, 0, 4, 0, 8, 1, 0, 0, 0, 1, 2, 3, 4, 6, 0, 0, 4, 0, 0}
	before := b.ask(question{Do: "state"}).Allocated
	for i, frames := range [][]byte{
		append(helloFrame(), 7, 0, 0, 4, 0, 8, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4), // the first of 4 GiB
		append(helloFrame(), allowed...),
		append(helloFrame(), allowed...),
		append(helloFrame(), 6, 0, 0, 4, 0xff, 0xff), // a message longer than a frame
		append(helloFrame(), 8, 0, 0, 4, 0, 1, 1),    // more of nothing
		append(helloFrame(), noise...),
		noise,
	} {
		if err := lie(t, dir, b, frames); err != nil {
			t.Errorf("lie %d: %v", i, err)
		}
		echo(t, c, fmt.Sprint("after ", i))
	}
	if grown := b.ask(question{Do: "state"}).Allocated - before; grown > 16<<20 {
		t.Errorf("allocated %d MiB for seven lies", grown>>20)
	}
}

// helloFrame is the smallest that offers the ports.
func helloFrame() []byte {
	payload := []byte("kith\x01\x01")
	payload = append(payload, 2, 0, 6, 0, 0, 0, 1, 0, 0) // version 0.1.0
	payload = append(payload, 3, 0, 8, 0, 0, 0, 1)       // capability port/1
	payload = append(payload, "port"...)
	payload = append(payload, 7, 0, 4, 1, 0, 0, 0) // messages of at most 16 MiB
	return append([]byte{1, 0, 0, 0, 0, byte(len(payload))}, payload...)
}

// lie sends frames in a connection of their own and waits for its end.
func lie(t *testing.T, dir string, r *remote, frames []byte) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: soon}, "tcp", r.node.Hosts[0], &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"kith/1"}, Certificates: []tls.Certificate{snapshot(t, dir, "liar").TLS},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	if _, err := conn.Write(frames); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the connection stays open")
	}
	return nil
}

// S7: a handler that stalls costs its own node little, and blocks its senders
// until their deadline.
func TestS7StalledHandler(t *testing.T) {
	t.Parallel()
	const senders = 4
	dir := authority(t, "a0", "a1", "a2", "a3", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	ended := make(chan error, senders)
	var clients []*port.Client
	for i := range senders {
		a, _ := startPeer(t, setting{Dir: dir, Name: fmt.Sprint("a", i)})
		clients = append(clients, a.connect(t, b.node, portStall))
	}
	before := b.ask(question{Do: "state"}).Heap
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	for _, c := range clients {
		go func() {
			for data := make([]byte, 64<<10); ; {
				if err := c.Send(ctx, data); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	most := watchHeap(b, before, func() bool { return len(ended) == senders })
	for range senders {
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send = %v, want its deadline", err)
		}
	}
	if most > senders*2<<20 {
		t.Errorf("%d KiB more in memory, want at most %d", most>>10, senders*2<<10)
	}
}

// watchHeap is the most by which a peer's heap has grown until stop.
func watchHeap(r *remote, before uint64, stop func() bool) (most int64) {
	for !stop() {
		most = max(most, int64(r.ask(question{Do: "state"}).Heap)-int64(before))
	}
	return most
}

// S7 below the ports: so it is with a protocol that does not read.
func TestS7StalledProtocol(t *testing.T) {
	t.Parallel()
	dir := authority(t, "a", "b")
	b := startRemote(t, nil, setting{Dir: dir, Name: "b"})
	a, _ := startPeer(t, setting{Dir: dir, Name: "a"})
	one := a.connect(t, b.node, portEcho)
	before := b.ask(question{Do: "state"}).Heap
	rw := <-a.lazy
	ended := make(chan int, 1)
	go func() {
		for n := 0; ; n += 16 << 10 {
			if err := rw.WriteMsg(p2p.Msg{Payload: make([]byte, 16<<10)}); err != nil {
				ended <- n
				return
			}
		}
	}()
	stop := time.Now().Add(2 * time.Second)
	most := watchHeap(b, before, func() bool { return time.Now().After(stop) })
	if most > 2<<20 {
		t.Errorf("%d KiB more in memory, want at most 2048", most>>10)
	}
	echo(t, one, "the ports are not held up")
	b.ask(question{Do: "release"})
	before = b.ask(question{Do: "state"}).Sessions[0].BytesIn
	eventually(t, soon, "what waited goes on", func() bool {
		return b.ask(question{Do: "state"}).Sessions[0].BytesIn > before+4<<20
	})
	a.srv.Peer(b.node.ID).Disconnect(nil)
	<-ended
}

// S8: an unreliable message that is too large is refused with the limit, and of
// all others every one is handled or counted as dropped, on both carriers.
func TestS8Datagrams(t *testing.T) {
	t.Parallel()
	for _, quic := range []bool{true, false} {
		t.Run(map[bool]string{true: "quic", false: "session"}[quic], func(t *testing.T) {
			t.Parallel()
			dir := authority(t, "a", "b")
			b := startRemote(t, nil, setting{Dir: dir, Name: "b", NoQUIC: !quic})
			a, _ := startPeer(t, setting{Dir: dir, Name: "a", NoQUIC: !quic})
			c := a.connect(t, b.node, portWall)
			if c.Datagrams() != quic {
				t.Fatalf("Datagrams() = %v, want %v", c.Datagrams(), quic)
			}
			err := c.Send(t.Context(), make([]byte, c.MaxMessage()+1))
			var large *port.TooLargeError
			if !errors.As(err, &large) || large.Limit != c.MaxMessage() || large.Limit < 1000 {
				t.Errorf("Send = %v, want the limit", err)
			}
			base := arrived(b)
			sent := uint64(0)
			// Each worker of the port takes 64 at a time, and 1,024 more wait.
			for range 150 {
				for range 100 { // so few that the system drops none
					if err := c.Send(t.Context(), numbered(int(sent), c.MaxMessage())); err != nil {
						t.Fatalf("Send = %v", err)
					}
					sent++
				}
				eventually(t, soon, "all arrive", func() bool { return arrived(b)-base+a.mux.Stats().Dropped >= sent })
			}
			if s := b.ask(question{Do: "look"}).Ports[portWall]; s.Dropped == 0 {
				t.Errorf("nothing dropped by a port that stands still: %+v", s)
			}
			b.ask(question{Do: "release"})
			eventually(t, soon, "all are accounted for", func() bool { return accounted(a, b) >= sent })
			if got := accounted(a, b); got != sent {
				t.Errorf("%d accounted for, want %d", got, sent)
			}
		})
	}
}

// arrived is how many messages and datagrams a peer has had in its one session.
func arrived(r *remote) uint64 {
	s := r.ask(question{Do: "look"}).Sessions[0]
	return s.MsgsIn + s.DatagramsIn + s.DatagramsDropped
}

// accounted is how many unreliable messages were handled or are counted as
// dropped.
func accounted(a *peer, b *remote) uint64 {
	state := b.ask(question{Do: "look"})
	wall := state.Ports[portWall]
	n := wall.Calls + wall.Dropped + state.Mux.Strays + a.mux.Stats().Dropped
	for _, s := range state.Sessions {
		n += s.DatagramsDropped
	}
	return n
}
