package rlpx

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"kith/crypto"
	"kith/rlp"
)

// goodAuth is a packet that key 2 accepts from key 1.
func goodAuth(t testing.TB) []byte {
	t.Helper()
	return sealed(t, testKey(t, 2).Public(), authOf(t).append(nil))
}

func authOf(t testing.TB) *auth {
	t.Helper()
	a := &auth{key: testKey(t, 1).Public(), nonce: [32]byte{1, 2, 3}}
	a.sig = testKey(t, 3).Sign(signed(testKey(t, 1).Agree(testKey(t, 2).Public()), a.nonce))
	return a
}

func sealed(t testing.TB, to *crypto.PublicKey, list []byte) []byte {
	t.Helper()
	packet, err := sealPacket(to, list)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// say sends b to an Accept in a bubble and returns what it answered, when it
// closed the connection, and its error.
func say(t *testing.T, b []byte) (answer []byte, took time.Duration, err error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	start := time.Now()
	done := make(chan error)
	go func() {
		_, err := Accept(context.Background(), server, testKey(t, 2))
		done <- err
	}()
	go client.Write(b)
	answer, _ = io.ReadAll(client)
	took = time.Since(start)
	return answer, took, <-done
}

func TestR1MalformedAuth(t *testing.T) {
	good := goodAuth(t)
	list := authOf(t).append(nil)
	cases := map[string][]byte{
		"nothing":             {},
		"one byte":            good[:1],
		"size alone":          good[:2],
		"half":                good[:len(good)/2],
		"all but a byte":      good[:len(good)-1],
		"size zero":           {0, 0},
		"size of a mere head": append([]byte{0, eciesOverhead}, good[2:]...),
		"size over the limit": append([]byte{8, 1}, make([]byte, 4096)...),
		"largest size":        append([]byte{0xff, 0xff}, make([]byte, 4096)...),
		"zeros":               make([]byte, 4096),
		"HTTP":                []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" + string(make([]byte, 600))),
		"TLS":                 append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 600)...),
		"for another key":     sealed(t, testKey(t, 9).Public(), list),
		"of before EIP-8":     unhex(t, readVectors(t).RLPx.Auth1),
		"no list":             sealed(t, testKey(t, 2).Public(), []byte("\x83abc")),
		"list cut off":        sealed(t, testKey(t, 2).Public(), append([]byte{0xf9, 0xff, 0xff}, list[3:]...)),
		"empty list":          sealed(t, testKey(t, 2).Public(), []byte{0xc0}),
		"nested lists":        sealed(t, testKey(t, 2).Public(), bytes.Repeat([]byte{0xc1}, 300)),
		"short signature":     sealed(t, testKey(t, 2).Public(), appendList(nil, make([]byte, 64), make([]byte, 64), make([]byte, 32))),
		"zero signature":      sealed(t, testKey(t, 2).Public(), changed(t, func(a *auth) { a.sig = [65]byte{} })),
		"recovery of 255":     sealed(t, testKey(t, 2).Public(), changed(t, func(a *auth) { a.sig[64] = 255 })),
		"missing nonce":       sealed(t, testKey(t, 2).Public(), appendList(nil, make([]byte, 65), list[70:134])),
	}
	for name, packet := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer, took, err := say(t, packet)
				if err == nil || len(answer) > 0 {
					t.Errorf("Accept() = %v and %d bytes, want an error and none", err, len(answer))
				}
				if took > 5*time.Second {
					t.Errorf("closed after %v, want at most 5s", took)
				}
			})
		})
	}
}

// A changed auth is well-formed all the same.
func changed(t *testing.T, change func(*auth)) []byte {
	a := authOf(t)
	change(a)
	return a.append(nil)
}

// Whichever byte is changed, nothing comes back.
func TestR1FlippedAuth(t *testing.T) {
	good := goodAuth(t)
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 2; i < len(good); i += step {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		if _, err := openPacket(testKey(t, 2), b); err != ErrHandshake {
			t.Errorf("openPacket() with byte %d changed = %v, want %v", i, err, ErrHandshake)
		}
	}
	for i := range 2 { // the size is vouched for too
		b := bytes.Clone(good)
		b[i] ^= 1
		if _, err := openPacket(testKey(t, 2), b); err != ErrHandshake {
			t.Errorf("openPacket() with byte %d of the size changed = %v, want %v", i, err, ErrHandshake)
		}
	}
}

// input is a connection on which these bytes come.
type input struct {
	net.Conn
	io.Reader
}

func (i input) Read(b []byte) (int, error) { return i.Reader.Read(b) }

func (i input) RemoteAddr() net.Addr { return new(net.TCPAddr) }

func TestR1MemoryBeforeTheKeyIsProved(t *testing.T) {
	forged := make([]byte, 2+maxPacket)
	rand.Read(forged)
	binary.BigEndian.PutUint16(forged, maxPacket)
	point := testKey(t, 7).Public().Bytes()
	copy(forged[2:], append([]byte{4}, point[:]...))
	const runs = 100
	key := testKey(t, 2)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if _, err := accept(input{Reader: bytes.NewReader(forged)}, key); err != ErrHandshake {
			t.Fatalf("accept() = %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / runs; each >= 4<<10 {
		t.Errorf("a forged packet takes %d bytes of memory, want less than 4096", each)
	}
}

// What is wrong with the point of a packet, or with its length, cannot be told from
// a wrong tag.
func TestR2BadPoints(t *testing.T) {
	good := goodAuth(t)
	wrongTag := bytes.Clone(good)
	wrongTag[len(wrongTag)-1] ^= 1
	field := bytes.Repeat([]byte{0xff}, 32)
	edit := func(f func(point []byte)) []byte {
		b := bytes.Clone(good)
		f(b[2 : 2+pointSize])
		return b
	}
	cases := map[string][]byte{
		"wrong tag":            wrongTag,
		"off the curve":        edit(func(p []byte) { p[64] ^= 1 }),
		"zero":                 edit(func(p []byte) { clear(p[1:]) }),
		"x overflows":          edit(func(p []byte) { copy(p[1:], field) }),
		"y overflows":          edit(func(p []byte) { copy(p[33:], field) }),
		"at infinity":          edit(func(p []byte) { clear(p) }),
		"compressed":           edit(func(p []byte) { p[0] = 2 }),
		"hybrid":               edit(func(p []byte) { p[0] = 6 }),
		"no ciphertext":        resized(good, eciesOverhead),
		"a byte of ciphertext": resized(good, eciesOverhead+1),
		"less than a tag":      resized(good, pointSize+ivSize+tagSize-1),
		"less than a vector":   resized(good, pointSize+1),
		"a point and no more":  resized(good, pointSize),
		"less than a point":    resized(good, 3),
		"nothing but its size": resized(good, 0),
	}
	for name, packet := range cases {
		if _, err := openPacket(testKey(t, 2), packet); err != ErrHandshake {
			t.Errorf("openPacket() of a packet, %s: %v, want %v", name, err, ErrHandshake)
		}
		_, err := accept(input{Reader: bytes.NewReader(packet)}, testKey(t, 2))
		if err != ErrHandshake {
			t.Errorf("accept() of a packet, %s: %v, want %v", name, err, ErrHandshake)
		}
	}
	for name, xy := range map[string][]byte{"off the curve": append(make([]byte, 63), 1), "zero": make([]byte, 64), "overflowing": bytes.Repeat(field, 2)} {
		list := appendList(nil, make([]byte, 65), xy, make([]byte, 32))
		if _, err := parseAuth(list); err != ErrHandshake {
			t.Errorf("parseAuth() with a static key that is %s = %v, want %v", name, err, ErrHandshake)
		}
		if _, err := parseAck(appendList(nil, xy, make([]byte, 32))); err != ErrHandshake {
			t.Errorf("parseAck() with an ephemeral key that is %s = %v, want %v", name, err, ErrHandshake)
		}
	}
}

// resized is a packet with n bytes and their size in front.
func resized(packet []byte, n int) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(n)), packet[2:2+n]...)
}

func TestPacketsHideTheirSize(t *testing.T) {
	sizes := make(map[int]bool)
	for range 20 {
		n := len(goodAuth(t))
		if least := 2 + eciesOverhead + len(authOf(t).append(nil)) + minPad; n < least {
			t.Errorf("a packet has %d bytes, want %d at least", n, least)
		}
		sizes[n] = true
	}
	if len(sizes) < 5 {
		t.Errorf("20 packets have %d sizes", len(sizes))
	}
}

// What later versions may send is taken.
func TestAuthOfTheFuture(t *testing.T) {
	a := authOf(t)
	key := a.key.Bytes()
	start := []byte{}
	for _, item := range [][]byte{a.sig[:], key[:], a.nonce[:]} {
		start = rlp.AppendBytes(start, item)
	}
	for name, more := range map[string][]byte{
		"no version": {}, "version 77": {77}, "a list for a version": {0xc0}, "more elements": {77, 0xc2, 1, 2, 0x83, 'a', 'b', 'c'},
	} {
		list := rlp.WrapList(append(bytes.Clone(start), more...), 0)
		got, err := parseAuth(append(list, "and whatever follows"...))
		if err != nil || got.nonce != a.nonce || !got.key.Equal(a.key) || got.sig != a.sig {
			t.Errorf("parseAuth(), %s: %v", name, err)
		}
	}
}

func TestInitiateSaysWhyItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, serve := range map[string]func(net.Conn){
			"closed at once": func(c net.Conn) { c.Close() },
			"hung up on":     func(c net.Conn) { readPacket(c); c.Close() },
			"nonsense":       func(c net.Conn) { readPacket(c); c.Write(goodAuth(t)); io.Copy(io.Discard, c) },
			"silence":        func(c net.Conn) { io.Copy(io.Discard, c) },
		} {
			a, b := net.Pipe()
			go serve(b)
			start := time.Now()
			_, err := Initiate(context.Background(), a, testKey(t, 1), testKey(t, 2).Public())
			if err == nil {
				t.Errorf("%s: Initiate() = nil", name)
			}
			if name == "hung up on" && !errors.Is(err, io.EOF) {
				t.Errorf("%s: Initiate() = %v, want %v", name, err, io.EOF)
			}
			if took := time.Since(start); took > handshakeTime {
				t.Errorf("%s: failed after %v", name, took)
			}
			if _, err := a.Write([]byte{1}); err == nil {
				t.Errorf("%s: the connection is still open", name)
			}
			b.Close()
		}
	})
}

func TestHandshakesEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if _, err := Accept(ctx, a, testKey(t, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("Accept() = %v, want %v", err, context.Canceled)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}
