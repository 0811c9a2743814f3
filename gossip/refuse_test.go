package gossip_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/gossip"
	"kith/p2p"
)

// A later version may have more kinds of message: they are skipped. What no
// version of the protocol has is a breach.
func TestALaterKindIsSkipped(t *testing.T) {
	inTime(t, 2, lan(), func(t *testing.T, r *rig) {
		var sent, ended error
		srv := r.stranger("later", func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			for _, code := range []uint64{15, 31} {
				sent = errors.Join(sent, rw.WriteMsg(p2p.Msg{Code: code, Payload: []byte("what is yet to come")}))
			}
			_, ended = rw.ReadMsg() // n0 asks who it is, for a heartbeat it has sent
			for ended == nil {
				_, ended = rw.ReadMsg()
			}
			return ended
		})
		defer srv.Close()
		time.Sleep(5 * time.Second)
		if synctest.Wait(); sent != nil || ended != nil {
			t.Errorf("WriteMsg = %v, the session ended with %v; want it to go on", sent, ended)
		}
	})
}

// lines is where a node's log goes.
func lines(to *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// newcomer starts n0, changed by seed, and a newcomer changed by late. It
// returns what the newcomer has logged after a minute.
func newcomer(t *testing.T, seed, late func(g *gossip.Gossip), look func(seed, late *gossip.Gossip)) string {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: lan(), shape: func(g *gossip.Gossip) {
			if g.Name == "n0" {
				seed(g)
				return
			}
			g.Logger = lines(&log)
			late(g)
		}}
		defer r.close()
		a, b := r.start("n0"), r.start("late")
		time.Sleep(time.Minute)
		look(a.g, b.g)
	})
	return log.String()
}

func TestAnotherMajorVersionIsToldThatItCannotJoin(t *testing.T) {
	log := newcomer(t,
		func(g *gossip.Gossip) { g.Version = [3]uint16{0, 1, 0} },
		func(g *gossip.Gossip) { g.Version = [3]uint16{1, 2, 3} },
		func(seed, late *gossip.Gossip) {
			if n := len(seed.Members()); n != 1 || late.Joined() {
				t.Errorf("the seed has %d members, the newcomer has joined: %v; want 1, false", n, late.Joined())
			}
			if n := seed.Stats().Foreign; n < 5 || n > 8 {
				t.Errorf("asked %d times in a minute, want once each 10 s", n)
			}
		})
	const want = "version 1.2.3 cannot join those of version 0.1.0"
	if n := strings.Count(log, "not let into the cluster"); n != 1 || !strings.Contains(log, want) {
		t.Errorf("the newcomer says so %d times, want once %q:\n%s", n, want, log)
	}
}

func TestAnotherMinorVersionJoins(t *testing.T) {
	log := newcomer(t,
		func(g *gossip.Gossip) { g.Version = [3]uint16{0, 1, 0} },
		func(g *gossip.Gossip) { g.Version = [3]uint16{0, 7, 3} },
		func(seed, late *gossip.Gossip) {
			if n := len(seed.Members()); n != 2 || !late.Joined() {
				t.Errorf("the seed has %d members, the newcomer has joined: %v; want 2, true", n, late.Joined())
			}
		})
	if strings.Contains(log, "not let") {
		t.Errorf("the newcomer says\n%s", log)
	}
}

// A cluster that is full says so on both sides.
func TestAFullTableIsToldToTheNewcomer(t *testing.T) { // M14
	var seeds bytes.Buffer
	log := newcomer(t,
		func(g *gossip.Gossip) { g.MaxTable, g.Logger = 1024, lines(&seeds) },
		func(g *gossip.Gossip) { g.Meta = map[string][]byte{"k": make([]byte, 1000)} },
		func(seed, late *gossip.Gossip) {
			if n := len(seed.Members()); n != 1 || late.Joined() || seed.Stats().Full == 0 {
				t.Errorf("the seed has %d members and refused %d times, the newcomer has joined: %v; want 1, some, false", n, seed.Stats().Full, late.Joined())
			}
		})
	if n := strings.Count(log, "not let into the cluster"); n != 1 || !strings.Contains(log, "gossip: no room for another member: 1 of 65536 members") {
		t.Errorf("the newcomer says so %d times, want once, with the reason:\n%s", n, log)
	}
	if n := strings.Count(seeds.String(), `level=WARN msg="no room for another member"`); n != 1 {
		t.Errorf("the seed says so %d times in a minute, want once:\n%s", n, seeds.String())
	}
}
