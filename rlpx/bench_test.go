package rlpx

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

var benchSizes = []int{256, 1 << 10, 16 << 10, 1 << 20}

// noise cannot be compressed.
func noise(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A loop gives back what is written, in its own memory.
type loop struct {
	net.Conn
	b []byte
}

func (l *loop) Write(b []byte) (int, error) {
	l.b = append(l.b, b...)
	return len(b), nil
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.b)
	l.b = append(l.b[:0], l.b[n:]...)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// loops are the two ends of a connection in memory: what a writes b reads.
func loops(t testing.TB) (a, b *Conn) {
	t.Helper()
	a, b = pair(t)
	l := new(loop)
	a.conn, b.conn = l, l
	return a, b
}

// BenchmarkFrame is a message from one end to the other, without system calls.
func BenchmarkFrame(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			x, y := loops(b)
			x.SetSnappy(true)
			y.SetSnappy(true)
			data := noise(size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := x.WriteMsg(16, data); err != nil {
					b.Fatal(err)
				}
				if _, _, err := y.ReadMsg(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// tcpPair is two connected ends on loopback.
func tcpPair(t testing.TB) (*Conn, *Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return shake(t, dialled, accepted)
}

// BenchmarkSession is messages from some senders to one reader over TCP.
func BenchmarkSession(b *testing.B) {
	for _, senders := range []int{1, 16} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%d/%d", senders, size), func(b *testing.B) {
				ca, cb := tcpPair(b)
				x, y, xs, ys := openBoth(b, ca, cb)
				data := noise(size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for i := range senders {
					all.Go(func() {
						for range (b.N + i) / senders {
							if err := xs[0].WriteMsg(Msg{1, data}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				for range b.N {
					if _, err := ys[0].ReadMsg(); err != nil {
						b.Fatal(err)
					}
				}
				all.Wait()
				b.StopTimer()
				closeBoth(x, y)
			})
		}
	}
}

// BenchmarkRoundTrip is 64 bytes there and back.
func BenchmarkRoundTrip(b *testing.B) {
	ca, cb := tcpPair(b)
	x, y, xs, ys := openBoth(b, ca, cb)
	go func() {
		for {
			m, err := ys[0].ReadMsg()
			if err != nil {
				return
			}
			ys[0].WriteMsg(m)
		}
	}()
	data := noise(64)
	b.ReportAllocs()
	for b.Loop() {
		xs[0].WriteMsg(Msg{1, data})
		if _, err := xs[0].ReadMsg(); err != nil {
			b.Fatal(err)
		}
	}
	closeBoth(x, y)
}

// BenchmarkHandshake is both sides of one.
func BenchmarkHandshake(b *testing.B) {
	dialler, server := testKey(b, 1), testKey(b, 2)
	b.ReportAllocs()
	for b.Loop() {
		x, y := net.Pipe()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := Accept(context.Background(), y, server); err != nil {
				b.Error(err)
			}
		})
		if _, err := Initiate(context.Background(), x, dialler, server.Public()); err != nil {
			b.Fatal(err)
		}
		all.Wait()
		x.Close()
		y.Close()
	}
}
