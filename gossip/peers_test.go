package gossip_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/gossip"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

// stranger connects to n0 a node that is no member and runs run as gossip.
func (r *rig) stranger(name string, run func(*p2p.Peer, p2p.MsgReadWriter) error) *p2p.Server {
	r.t.Helper()
	g := gossip.Gossip{}
	proto := g.Protocol()
	proto.Run = run
	srv := r.net.Server(name, proto)
	if err := srv.Start(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := srv.Dial(r.t.Context(), r.net.Transport("n0").Node(p2ptest.Port)); err != nil {
		r.t.Fatal(err)
	}
	return srv
}

// M14: what no honest member says ends its session, in words, and changes nothing.
func TestBreachesEndTheSession(t *testing.T) {
	short := func(kind uint64, n int) p2p.Msg { return p2p.Msg{Code: kind, Payload: make([]byte, n)} }
	entry := func(kind byte, body []byte) p2p.Msg {
		return p2p.Msg{Code: 8, Payload: append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)}
	}
	for name, c := range map[string]struct {
		msg  p2p.Msg
		want string
	}{
		"a length that is not there":   {p2p.Msg{Code: 8, Payload: []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}}, "gossip: parse entries: entry 0 is cut off"},
		"a heartbeat cut short":        {short(0, 23), "gossip: parse heartbeat: too short"},
		"a vote cut short":             {short(5, 10), "gossip: parse vote: too short"},
		"a want that claims too much":  {p2p.Msg{Code: 9, Payload: []byte{0xff, 0xff}}, "gossip: parse want: too short"},
		"digests that claim too much":  {p2p.Msg{Code: 11, Payload: append(make([]byte, 8), 0xff, 0xff)}, "gossip: parse digests: too short"},
		"a message too large":          {short(8, 64<<10+1), "gossip: size of a news message is 65537, the limit is 65536"},
		"a record too large":           {entry(1, make([]byte, 16<<10+1)), "gossip: record size is 16385, the limit is 16384"},
		"a record of nothing":          {entry(1, nil), "gossip: parse record: no signature"},
		"a record without a signature": {entry(1, append(append([]byte{64}, make([]byte, 64)...), bytes.Repeat([]byte{1}, 45)...)), "cert: wrong signature"},
		"a record of nobody":           {entry(1, append(append([]byte{64}, make([]byte, 64)...), append([]byte{1}, make([]byte, 44)...)...)), "gossip: parse record: no id"},
		"an incarnation too high":      {entry(1, append(append([]byte{0, 1}, bytes.Repeat([]byte{1}, 40)...), 0xff, 0xff, 0xff, 0xff)), "gossip: incarnation is 4294967295, the limit is 1073741823"},
		"a verdict of too many votes":  {entry(3, append(make([]byte, 24), 17)), "gossip: number of votes is 17, the limit is 16"},
		"a claim of no status":         {entry(2, append(make([]byte, 24), 9, 0)), "gossip: parse claim: status 9 is neither alive nor left"},
	} {
		inTime(t, 2, lan(), func(t *testing.T, r *rig) {
			ended := make(chan error, 1)
			srv := r.stranger("evil", func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
				err := rw.WriteMsg(c.msg)
				for err == nil {
					_, err = rw.ReadMsg()
				}
				ended <- err
				return err
			})
			defer srv.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, p2p.DiscSubprotocolError) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: ended with %v, want a protocol error: %s", name, err, c.want)
				}
			case <-time.After(time.Second):
				t.Errorf("%s: the session goes on", name)
			}
			if got := len(r.nodes[0].g.Members()); got != 2 || !r.all(2)() {
				t.Errorf("%s: %d members, want 2", name, got)
			}
		})
	}
}

// A peer that does not read costs a bounded queue and holds up nobody.
func TestADeafPeer(t *testing.T) {
	inTime(t, 3, lan(), func(t *testing.T, r *rig) {
		srv := r.stranger("deaf", func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			want := make([]byte, 2+8*8000)
			want[0], want[1] = 8000>>8, 8000&0xff
			id := p2ptest.ID("n1")
			for i := range 8000 {
				copy(want[2+8*i:], id[:8])
			}
			for range 200 { // each asks for as many records as a message holds
				if err := rw.WriteMsg(p2p.Msg{Code: 9, Payload: want}); err != nil {
					return err
				}
			}
			<-p.Done()
			return nil
		})
		defer srv.Close()
		time.Sleep(30 * time.Second)
		if q := r.nodes[0].g.Stats().Queued; q > 64<<20 {
			t.Errorf("%d bytes queued, want <= 64 MiB", q)
		}
		if !r.all(3)() {
			t.Error("a deaf stranger has disturbed the members")
		}
		start := time.Now()
		r.nodes[0].srv.Close()
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("Close took %v behind a deaf peer", d)
		}
	})
}

func TestLoss(t *testing.T) {
	net := wan()
	net.Loss = 0.2
	inTime(t, 10, net, func(t *testing.T, r *rig) {
		for _, x := range r.nodes {
			events := x.watch(t)
			defer func() {
				synctest.Wait()
				for _, ev := range *events {
					if ev.Kind == gossip.Died {
						t.Errorf("%s: %v", x.name, ev)
					}
				}
			}()
		}
		time.Sleep(10 * time.Minute)
		r.start("late")
		t.Log(r.within(4*time.Second, "join", r.all(11)))
	})
}

func TestLongPartition(t *testing.T) {
	inTime(t, 5, wan(), func(t *testing.T, r *rig) {
		time.Sleep(20 * time.Second)
		r.net.Partition([]string{"n0", "n1"})
		time.Sleep(20 * time.Minute)
		r.net.Heal()
		t.Log(r.within(40*time.Second, "heal", r.all(5)))
	})
}

// Where datagrams have a carrier heartbeats take it.
func TestHeartbeatsAsDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan()}
		defer r.close()
		opener := p2p.Protocol{Name: "opener", Version: 1, Length: 1, Run: func(p *p2p.Peer, rw p2p.MsgReadWriter) error {
			if !p.Inbound() {
				if err := rw.(p2p.Datagrams).OpenDatagrams(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_, err := rw.ReadMsg()
			return err
		}}
		for _, name := range []string{"n0", "n1"} {
			x := r.make(name)
			x.srv.Protocols = append(x.srv.Protocols, opener)
			if err := x.srv.Start(); err != nil {
				t.Fatal(err)
			}
			r.nodes = append(r.nodes, x)
		}
		time.Sleep(time.Minute)
		if s := r.nodes[0].srv.Peers()[0].Stats(); s.DatagramsIn < 50 || s.DatagramsOut < 50 {
			t.Errorf("%d datagrams in and %d out in a minute, want a heartbeat a second", s.DatagramsIn, s.DatagramsOut)
		}
		if !r.all(2)() {
			t.Error("they do not see each other")
		}
	})
}
