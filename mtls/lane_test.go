package mtls

import (
	"encoding/hex"
	"testing"

	"kith/p2p"
)

// A sender that keeps to pace is never further ahead than what it is allowed by
// reports, whatever is lost on the way, and goes on when all reports are lost.
func TestPace(t *testing.T) {
	var from, to pace
	pack := make([]byte, packHeader+gramHeader)
	back := make([]byte, packHeader)
	for i := range 1000 {
		from.stamp(pack)
		if i%7 == 3 {
			continue // lost
		}
		if _, report := to.arrived(pack); report {
			to.stamp(back)
			if news, again := from.arrived(back); !news || again {
				t.Fatalf("pack %d: a report brought news: %v, and wants a report: %v", i, news, again)
			}
		}
		if from.ahead() > 2*reportEvery {
			t.Fatalf("pack %d: %d ahead, although reports arrive", i, from.ahead())
		}
	}
	for range 500 {
		from.stamp(pack)
	}
	if from.ahead() < 500 {
		t.Errorf("ahead() = %d, want 500 and more without reports", from.ahead())
	}
	from.forget()
	if from.ahead() != 0 {
		t.Errorf("ahead() = %d after all was given up", from.ahead())
	}
	// An old report, and one of what was never sent, are no news.
	to.stamp(back)
	if news, _ := from.arrived(back); news {
		t.Error("an old report is news")
	}
	to.seen = from.sent + 1
	to.stamp(back)
	if news, _ := from.arrived(back); news || from.ahead() < 0 {
		t.Error("a report of what was never sent is news")
	}
}

// The layout of packs, which is for good.
func TestGoldenPack(t *testing.T) {
	const golden = "00000008" + "00000003" + "01" + "0002" + "6869" + "02" + "0000"
	p := pace{sent: 7, seen: 3}
	b := make([]byte, packHeader)
	b = append(b, 1, 0, 2, 'h', 'i', 2, 0, 0)
	p.stamp(b)
	if got := hex.EncodeToString(b); got != golden {
		t.Errorf("pack %s, want %s", got, golden)
	}
	c, gram, rest, ok := nextGram(b[packHeader:])
	if !ok || c != 1 || string(gram) != "hi" {
		t.Errorf("nextGram() = %d, %q, %v", c, gram, ok)
	}
	if c, gram, rest, ok = nextGram(rest); !ok || c != 2 || len(gram) != 0 || len(rest) != 0 {
		t.Errorf("nextGram() = %d, %q, %v with %d left", c, gram, ok, len(rest))
	}
}

// Packs are filled up if little is missing and others wait, and what fills them
// is no datagram.
func TestPadding(t *testing.T) {
	for _, tt := range []struct{ size, room, slack, grams, want int }{
		{64, 1415, farSlack, 21, 1415},   // as many as fit leave nothing
		{100, 1415, farSlack, 13, 1415},  // or a little
		{1024, 1415, farSlack, 1, 1035},  // or too much
		{1024, 1415, nearSlack, 1, 1415}, // but for a path as short as this
		{1145, 1156, nearSlack, 1, 1156}, // nothing is missing
		{1143, 1156, nearSlack, 1, 1156}, // two bytes, which cannot be a datagram
		{1142, 1156, nearSlack, 1, 1156}, // three
		{1145, 1157, nearSlack, 1, 1157}, // one
	} {
		s := &session{}
		g := &s.grams
		g.init(s)
		g.lane, g.room, g.slack = newLane(nil), tt.room, tt.slack
		for len(g.packs) < 2 {
			if ok, _ := g.push(0, nil, make([]byte, tt.size)); !ok {
				t.Fatalf("%+v: push() = false", tt)
			}
		}
		p := g.packs[0]
		if len(p.b) != tt.want || p.grams != uint64(tt.grams) {
			t.Errorf("%+v: a pack of %d bytes with %d datagrams", tt, len(p.b), p.grams)
		}
		got := 0
		c := &channel{}
		c.OnDatagram(func(b []byte) {
			if got++; len(b) != tt.size {
				t.Errorf("%+v: a datagram of %d bytes", tt, len(b))
			}
		})
		g.channels.Store(&[]*channel{c})
		if g.unpack(p.b[packHeader:]); got != tt.grams || g.dropped.Load() != 0 {
			t.Errorf("%+v: %d datagrams came, %d were dropped", tt, got, g.dropped.Load())
		}
	}
}

// Packs get longer where QUIC finds that the path lets more through, so that
// several leave in one system call.
func TestPacksFillPackets(t *testing.T) {
	w := newWorld(t)
	dialled, _, as, bs := both(t, w.transport("a"), w.transport("b"))
	g := as[0].(p2p.Datagrams)
	if err := g.OpenDatagrams(t.Context()); err != nil {
		t.Fatal(err)
	}
	bs[0].(p2p.Datagrams).OnDatagram(func([]byte) {})
	grams := &dialled.(*session).grams
	waitFor(t, func() bool {
		for range 2 * measureEvery {
			g.SendDatagram(make([]byte, maxGram), nil)
		}
		grams.mu.Lock()
		defer grams.mu.Unlock()
		return grams.room > leastPack
	})
}
