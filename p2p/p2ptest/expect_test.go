package p2ptest

import (
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
)

// A deaf testing.TB notes that it was told of an error.
type deaf struct {
	testing.TB
	told bool
}

func (d *deaf) Helper()               {}
func (d *deaf) Errorf(string, ...any) { d.told = true }

func TestExpectMsgTells(t *testing.T) {
	a, b := p2p.MsgPipe()
	for _, m := range []p2p.Msg{{Code: 1, Payload: []byte("x")}, {Code: 2, Payload: []byte("y")}} {
		a.WriteMsg(m)
		d := &deaf{TB: t}
		if ExpectMsg(d, b, 1, []byte("y")) || !d.told {
			t.Errorf("ExpectMsg(1, y) took %d %s", m.Code, m.Payload)
		}
	}
	a.CloseWithError(p2p.DiscRequested)
	d := &deaf{TB: t}
	if ExpectMsg(d, b, 1, nil) || !d.told {
		t.Error("ExpectMsg took the end for a message")
	}
	d = &deaf{TB: t}
	if ExpectEnd(d, b, p2p.DiscQuitting) || !d.told {
		t.Error("ExpectEnd took any reason")
	}
}

func TestPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := make(chan string, 2)
		proto := func(text string) p2p.Protocol {
			return p2p.Protocol{Name: "greet", Version: 1, Length: 1, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
				if err := rw.WriteMsg(p2p.Msg{Payload: []byte(text)}); err != nil {
					return err
				}
				m, err := rw.ReadMsg()
				if err != nil {
					return err
				}
				said <- string(m.Payload)
				_, err = rw.ReadMsg()
				return err
			}}
		}
		net := &Network{Delay: 10 * ms}
		a, b := Pair(t, net, proto("I am a"), proto("I am b"))
		one, two := <-said, <-said
		if min(one, two) != "I am a" || max(one, two) != "I am b" {
			t.Errorf("they said %q and %q", one, two)
		}
		if a.Peer(ID("b")) == nil || b.Peer(ID("a")) == nil {
			t.Errorf("a's peers are %v, b's %v", a.Peers(), b.Peers())
		}
		net.Kill("b")
		time.Sleep(20 * ms)
		if n := len(a.Peers()); n != 0 {
			t.Errorf("after Kill a still has %d peers", n)
		}
	})
}
