package port

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"kith/p2p/p2ptest"
)

// However a window grows and shrinks, what the peer may send, what is on its way
// or unread, and what is owed make up its size, and the peer can always go on.
func TestAWindowLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var w window
		w.init(leastWindow, firstWindow, 1<<20, kindCredit)
		now := time.Unix(0, 0)
		rtt := time.Duration(rapid.IntRange(0, 10).Draw(rt, "rtt")) * time.Millisecond
		unread := 0
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			if n := rapid.IntRange(1, maxFragment).Draw(rt, "sent"); int64(n) <= w.left.Load() {
				w.take(n)
				unread += n
			} else if unread == 0 {
				rt.Fatalf("the peer may send %d, wants %d, and nothing is unread: it waits for ever", w.left.Load(), n)
			}
			n := min(unread, rapid.IntRange(0, 4*maxFragment).Draw(rt, "eaten"))
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "took")) * time.Millisecond)
			flag := func(name string) bool { return rapid.Bool().Draw(rt, name) }
			w.due(n, now, line{rtt, flag("full"), flag("crowded"), flag("alone")})
			unread -= n
			if got := int(w.left.Load()) + unread + w.owed; got != w.size {
				rt.Fatalf("left %d + unread %d + owed %d = %d, want the size %d", w.left.Load(), unread, w.owed, got, w.size)
			}
			if w.size < w.least || w.size > w.most || w.left.Load() < 0 {
				rt.Fatalf("size %d of %d to %d, left %d", w.size, w.least, w.most, w.left.Load())
			}
		}
	})
}

func TestAWindowGrowsAndShrinks(t *testing.T) {
	const rtt = time.Millisecond
	for name, test := range map[string]struct {
		took    time.Duration
		full    bool
		crowded bool
		alone   bool
		want    int
	}{
		"too small for the line": {rtt, false, false, false, maxWindow},
		"too small, and crowded": {rtt, false, true, false, maxWindow},
		"small, but a full line": {rtt, true, false, false, firstWindow},
		"as large as it must be": {3 * rtt, false, true, false, firstWindow},
		"a queue for itself":     {9 * rtt, true, false, false, firstWindow},
		"a queue for others":     {9 * rtt, true, true, false, leastWindow},
		"alone, and quick":       {4 * rtt, true, false, true, aloneWindow},
		"alone, but slow":        {5 * rtt, true, false, true, firstWindow},
	} {
		var w window
		w.init(leastWindow, firstWindow, maxWindow, kindCredit)
		now := time.Unix(0, 0)
		for range 100 {
			w.due(w.size/2, now, line{rtt, test.full, test.crowded, test.alone})
			now = now.Add(test.took)
		}
		if w.size != test.want {
			t.Errorf("%s: %d bytes, want %d", name, w.size, test.want)
		}
	}
}

// Who is alone is told from what comes: a window that has grown for it is in the
// way of others, and stays so for a while after the last of them.
func TestWhoIsAlone(t *testing.T) {
	var l link
	var bulk, other window
	for _, w := range []*window{&bulk, &other} {
		w.init(leastWindow, firstWindow, maxWindow, kindCredit)
	}
	now := time.Unix(0, 0)
	// due is what the line is for bulk when this has come and some is given back.
	due := func(after time.Duration, came ...*window) line {
		for _, w := range came {
			l.heard(w)
		}
		now = now.Add(after)
		on := l.lineLocked(&bulk, now)
		l.lastWindow, bulk.last = &bulk, now
		return on
	}
	l.heard(&other) // long ago
	for _, step := range []struct {
		what    string
		after   time.Duration
		came    []*window
		size    int
		alone   bool
		crowded bool
	}{
		{"it begins", time.Millisecond, []*window{&bulk, &bulk}, firstWindow, true, false},
		{"it goes on", time.Millisecond, []*window{&bulk}, firstWindow, true, false},
		{"another between", time.Millisecond, []*window{&other, &bulk}, firstWindow, false, false},
		{"the same, the window being large", time.Millisecond, []*window{&bulk, &other, &bulk}, 2 * firstWindow, false, true},
		{"a small request", time.Millisecond, []*window{nil, &bulk}, 2 * firstWindow, false, true},
		{"not long after", aloneAfter - time.Millisecond, []*window{&bulk}, 2 * firstWindow, false, true},
		{"long after", time.Millisecond, []*window{&bulk}, 2 * firstWindow, true, false},
	} {
		bulk.size = step.size
		if on := due(step.after, step.came...); on.alone != step.alone || on.crowded != step.crowded {
			t.Errorf("%s: alone %v, crowded %v, want %v, %v", step.what, on.alone, on.crowded, step.alone, step.crowded)
		}
	}
}

// Over a long line a megabyte does not take sixteen round trips each time.
func TestTheWindowFitsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &p2ptest.Network{Delay: 10 * time.Millisecond}, new(Mux), new(Mux))
		handle(t, r.b, 1, Request, echo)
		handle(t, r.b, 2, Send, echo)
		c, s := r.connect(t, 1), r.connect(t, 2)
		data := make([]byte, 1<<20)
		var last time.Duration
		for range 30 {
			began := time.Now()
			if _, err := c.Request(t.Context(), data); err != nil {
				t.Fatal(err)
			}
			last = time.Since(began)
		}
		// With the first window it would take 600 ms. Less than 80 the network
		// does not allow: it has 256 KiB on their way.
		if last > 100*time.Millisecond {
			t.Errorf("the last request took %v, want at most 100ms", last)
		}
		began := time.Now()
		for range 1000 {
			if err := s.Send(t.Context(), data[:10_000]); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("10 MB one way took %v, want at most 500ms", took)
		}
	})
}

// However many streams a peer opens, what they may hold together is bounded, and
// each still works.
func TestManyStreamsShareTheRoom(t *testing.T) {
	m := new(Mux)
	release := make(chan struct{})
	handle(t, m, 1, Send, stuck(release))
	p := newPair(t, new(Mux), m, 0, 0)
	var clients []*Client
	for range maxStreams {
		clients = append(clients, p.connect(t, 1))
	}
	if _, err := p.a.open(within(t), 1, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("one stream more = %v, want ErrBusy", err)
	}
	total := 0
	p.b.mu.Lock()
	for _, in := range p.b.inbounds {
		total += in.window.size
	}
	p.b.mu.Unlock()
	if most := sendRoom + maxStreams*leastSendWindow; total > most {
		t.Errorf("%d bytes of windows, want at most %d", total, most)
	}
	close(release)
	for _, c := range clients[maxStreams-3:] {
		for _, n := range []int{10, 300_000, 16_000, 100_000} {
			if err := c.Send(within(t), make([]byte, n)); err != nil {
				t.Errorf("Send of %d bytes = %v", n, err)
			}
		}
	}
	for _, c := range clients {
		c.Close()
	}
	p.until(t, "all streams are left and their room is free", func() bool {
		p.b.mu.Lock()
		defer p.b.mu.Unlock()
		return p.b.sendRoom == sendRoom && len(p.b.inbounds) == 0
	})
}

func TestTheRoundTrip(t *testing.T) {
	var r roundTrip
	now := time.Unix(0, 0)
	answer := func(took time.Duration) {
		now = now.Add(pingEvery)
		token, ok := r.ping(now)
		if _, again := r.ping(now); !ok || again {
			t.Errorf("ping = %v, and again %v, want one at a time", ok, again)
		}
		r.pong(token-1, now)
		r.pong(token, now.Add(took))
		r.pong(token, now)
	}
	if r.length() != 0 || r.full() {
		t.Errorf("at first: %v, full %v", r.length(), r.full())
	}
	answer(9 * time.Millisecond)
	answer(2 * time.Millisecond)
	answer(7 * time.Millisecond)
	if r.length() != 2*time.Millisecond || !r.full() {
		t.Errorf("length %v, full %v, want 2ms of a full line", r.length(), r.full())
	}
	now = now.Add(leastSpan)
	answer(7 * time.Millisecond)
	if r.length() != 2*time.Millisecond {
		t.Errorf("length %v after five minutes, want 2ms still", r.length())
	}
	now = now.Add(leastSpan)
	answer(8 * time.Millisecond)
	if r.length() != 7*time.Millisecond || r.full() {
		t.Errorf("length %v after ten minutes, full %v, want 7ms of another line", r.length(), r.full())
	}
}
