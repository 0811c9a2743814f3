package p2ptest_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

// A pinger is a protocol of yours: each side sends a ping every second and
// counts those of the other side.
type pinger struct{ heard atomic.Int64 }

func (p *pinger) protocol() p2p.Protocol {
	return p2p.Protocol{Name: "ping", Version: 1, Length: 1, Run: p.run}
}

func (p *pinger) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for rw.WriteMsg(p2p.Msg{Payload: []byte("ping")}) == nil {
			select {
			case <-tick.C:
			case <-peer.Done():
			}
		}
	}()
	for {
		if _, err := rw.ReadMsg(); err != nil {
			return err
		}
		p.heard.Add(1)
	}
}

// testPing is a test of the protocol, over 78 seconds that pass at once.
func testPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &p2ptest.Network{Seed: 1, Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.2}
		var ping, pong pinger
		a, b := p2ptest.Pair(t, net, ping.protocol(), pong.protocol())

		time.Sleep(time.Minute) // a fifth of all frames is lost, and sent again
		if n := pong.heard.Load(); n < 55 {
			t.Errorf("b heard %d pings in a minute, want about 60", n)
		}

		net.Partition([]string{"a"}, []string{"b"})
		time.Sleep(8 * time.Second)
		if len(a.Peers())+len(b.Peers()) > 0 {
			t.Error("the peers did not notice the partition")
		}

		net.Heal()
		net.SetLoss(0)
		before := ping.heard.Load()
		if _, err := a.Dial(t.Context(), net.Transport("b").Node(p2ptest.Port)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := ping.heard.Load() - before; n < 9 {
			t.Errorf("after the partition a heard %d pings in ten seconds", n)
		}
	})
}

// A protocol is tested through loss and a partition.
func Example() {
	var t *testing.T // the one that your TestPing is given
	testPing(t)
}
