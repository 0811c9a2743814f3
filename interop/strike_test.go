package interop

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

// The codes of the base protocol, and where the first other begins.
const (
	helloCode = iota
	discCode
	pingCode
	pongCode
	firstCode = 16
)

// A striker is a peer that says what a test wants it to.
type striker struct {
	*rlpx.Conn
	wire *wire
	key  *ecdsa.PrivateKey
}

// A hello is the first message, as geth encodes it.
type hello struct {
	Version    uint64
	Name       string
	Caps       []capability
	ListenPort uint64
	ID         []byte
	Rest       []rlp.RawValue `rlp:"tail"`
}

type capability struct {
	Name    string
	Version uint
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// strike connects to a node and proves a key.
func strike(t *testing.T, url string, key *ecdsa.PrivateKey) *striker {
	t.Helper()
	to, err := enode.ParseV4(url)
	if err != nil {
		t.Fatal(err)
	}
	s := &striker{wire: dialWire(t, url), key: key}
	s.Conn = rlpx.NewConn(s.wire, to.Pubkey())
	if _, err := s.Handshake(key); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return s
}

func dialWire(t *testing.T, url string) *wire {
	t.Helper()
	to, err := enode.ParseV4(url)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := to.TCPEndpoint()
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &wire{Conn: conn, cut: -1, flip: -1}
}

// ambush waits for a node to connect to it: the channel gives who came.
func ambush(t *testing.T) (url string, came <-chan *striker) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	key := newKey(t)
	ch := make(chan *striker)
	go func() {
		defer close(ch)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		s := &striker{wire: &wire{Conn: conn, cut: -1, flip: -1}, key: key}
		s.Conn = rlpx.NewConn(s.wire, nil)
		if _, err := s.Handshake(key); err != nil {
			t.Errorf("handshake: %v", err)
			return
		}
		ch <- s
	}()
	at := ln.Addr().(*net.TCPAddr)
	return enode.NewV4(&key.PublicKey, at.IP, at.Port, 0).URLv4(), ch
}

// honest is a hello of ours in which nothing is wrong.
func (s *striker) honest() hello {
	return hello{Version: 5, Name: "striker", Caps: []capability{{"MyProtocol", 1}}, ID: crypto.FromECDSAPub(&s.key.PublicKey)[1:]}
}

// greet exchanges hellos; snappy is used from then on if both versions have it.
func (s *striker) greet(t *testing.T, ours hello) hello {
	t.Helper()
	s.send(t, helloCode, encode(t, ours))
	code, data, _, err := s.Read()
	if err != nil || code != helloCode {
		t.Fatalf("instead of a hello: code %d, %x, %v", code, data, err)
	}
	var theirs hello
	if err := rlp.DecodeBytes(data, &theirs); err != nil {
		t.Fatalf("hello %x: %v", data, err)
	}
	s.SetSnappy(ours.Version >= 5 && theirs.Version >= 5)
	return theirs
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// send ignores that the connection may have ended: what we read tells why.
func (s *striker) send(t *testing.T, code uint64, data []byte) {
	t.Helper()
	if _, err := s.Write(code, data); err != nil {
		t.Logf("write of code %d: %v", code, err)
	}
}

// expect reads until a message with this code comes, and answers pings.
func (s *striker) expect(t *testing.T, want uint64) []byte {
	t.Helper()
	for {
		code, data, _, err := s.Read()
		switch {
		case err != nil:
			t.Fatalf("instead of code %d: %v", want, err)
		case code == want:
			return data
		case code == pingCode:
			s.send(t, pongCode, []byte{0xc0})
		case code == discCode:
			t.Fatalf("instead of code %d: disconnect %x", want, data)
		}
	}
}

// end is how a connection ended: the reason of a disconnect message, or silent if
// it was just closed.
const silent = -1

// end reads to the end.
func (s *striker) end(t *testing.T) int {
	t.Helper()
	for {
		code, data, _, err := s.Read()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("the connection is still open after %v", patience)
			}
			return silent
		}
		if code == discCode {
			return discReason(t, data)
		}
	}
}

// discReason reads a list of a number, or a bare one.
func discReason(t *testing.T, data []byte) int {
	t.Helper()
	var reasons []uint
	if err := rlp.DecodeBytes(data, &reasons); err == nil && len(reasons) == 1 {
		return int(reasons[0])
	}
	var bare uint
	if err := rlp.DecodeBytes(data, &bare); err != nil {
		t.Errorf("disconnect %x: %v", data, err)
	}
	return int(bare)
}

// A wire is a connection that can spoil what it is given to write.
type wire struct {
	net.Conn

	mu   sync.Mutex // guards what follows
	cut  int        // bytes of the next write that pass; the rest of it is lost. -1: all
	flip int        // the bit of the next write that is flipped. -1: none
}

// spoil is about the next write alone.
func (w *wire) spoil(cut, flip int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.flip = cut, flip
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	cut, flip := w.cut, w.flip
	w.cut, w.flip = -1, -1
	w.mu.Unlock()
	out := append([]byte(nil), b...)
	if flip >= 0 && flip/8 < len(out) {
		out[flip/8] ^= 1 << (flip % 8)
	}
	if cut >= 0 && cut < len(out) {
		out = out[:cut]
	}
	if _, err := w.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// drain reads what a raw connection still gives, and says whether it ended.
func (w *wire) drain() error {
	_, err := io.Copy(io.Discard, w.Conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("still open after %v", patience)
	}
	return nil
}
