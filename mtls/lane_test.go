package mtls

import (
	"encoding/hex"
	"testing"
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
