package rlpx

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// The words of a peer that hangs up are heard even if our write fails first.
func TestLastWordsAreHeard(t *testing.T) {
	ca, cb := tcpPair(t)
	a, b, as, _ := openBoth(t, ca, cb)
	go b.Close(TooManyPeers)
	var err error
	for err == nil {
		err = as[0].WriteMsg(Msg{1, noise(1000)})
	}
	if !errors.Is(err, TooManyPeers) {
		t.Errorf("WriteMsg() = %v, want %v", err, TooManyPeers)
	}
	<-a.Done()
	if !errors.Is(a.Err(), TooManyPeers) {
		t.Errorf("Err() = %v, want %v", a.Err(), TooManyPeers)
	}
	closeBoth(a, b)
}

// Messages of many senders come whole and each sender's in order.
func TestManySenders(t *testing.T) {
	ca, cb := tcpPair(t)
	a, b, as, bs := openBoth(t, ca, cb)
	const senders, each = 32, 200
	for i := range senders {
		go func() {
			for n := range each {
				text := fmt.Sprintf("%d %d %s", i, n, bytes.Repeat([]byte{'.'}, n*n%5000))
				if err := as[0].WriteMsg(Msg{uint64(i % 8), []byte(text)}); err != nil {
					t.Errorf("WriteMsg() = %v", err)
					return
				}
			}
		}()
	}
	var next [senders]int
	for range senders * each {
		m, err := bs[0].ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		var i, n int
		if _, err := fmt.Sscan(string(m.Payload), &i, &n); err != nil || n != next[i] || m.Code != uint64(i%8) {
			t.Fatalf("message %d of %d has code %d and is number %d, want %d", n, i, m.Code, n, next[i])
		}
		next[i]++
	}
	if got := b.Stats().MsgsIn; got != senders*each {
		t.Errorf("MsgsIn = %d, want %d", got, senders*each)
	}
	if got := a.Stats().MsgsOut; got != senders*each {
		t.Errorf("MsgsOut = %d, want %d", got, senders*each)
	}
	closeBoth(a, b)
}

// What gathers while one write is under way goes with one more.
func TestWritesAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := pair(t)
		gate := &gated{Conn: ca.conn, open: make(chan bool, 1)}
		ca.conn = gate
		gate.open <- true
		a, b, as, bs := openBoth(t, ca, cb)
		<-gate.open
		before := gate.n.Load()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { as[0].WriteMsg(Msg{1, noise(i)}) })
		}
		synctest.Wait()
		gate.open <- true
		all.Wait()
		for range 100 {
			if _, err := bs[0].ReadMsg(); err != nil {
				t.Fatal(err)
			}
		}
		if n := gate.n.Load() - before; n > 2 {
			t.Errorf("%d writes for 100 messages, want 2 at most", n)
		}
		closeBoth(a, b)
	})
}

// gated writes while there is something in open.
type gated struct {
	net.Conn
	open chan bool
	n    atomic.Int64
}

func (g *gated) Write(b []byte) (int, error) {
	<-g.open
	g.open <- true
	g.n.Add(1)
	return g.Conn.Write(b)
}
