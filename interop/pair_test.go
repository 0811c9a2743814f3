package interop

import (
	"fmt"
	"testing"

	"kith/interop/puppet"
)

// A pair is who dials and who is dialled.
type pair struct{ dialer, target kind }

func (p pair) String() string { return fmt.Sprintf("%s dials %s", p.dialer, p.target) }

// ourPairs are those with us; pairs have those too that show that the test itself
// is right.
var (
	ourPairs = []pair{{ours, geth}, {geth, ours}, {ours, js}, {js, ours}, {ours, ours}}
	pairs    = append(ourPairs[:5:5], pair{geth, geth}, pair{geth, js}, pair{js, geth})
)

// connect has the first node of a dial the first of b and waits until both speak
// all three protocols.
func connect(a, b *process) {
	a.t.Helper()
	a.order(puppet.Order{Do: "dial", Enode: b.urls[0]})
	for _, proto := range []string{puppet.FooBar, puppet.Blob, puppet.Flood} {
		a.await("connection", puppet.Event{Event: puppet.Runs, Peer: b.ids[0], Proto: proto})
		b.await("connection", puppet.Event{Event: puppet.Runs, Peer: a.ids[0], Proto: proto})
	}
}

// TestTheyTalk takes a connection from its handshake to its end, with messages of
// every size both ways.
func TestTheyTalk(t *testing.T) {
	for _, p := range pairs {
		t.Run(p.String(), func(t *testing.T) {
			a, b := start(t, p.dialer, 1), start(t, p.target, 1)
			connect(a, b)
			foobar(t, a, b)
			foobar(t, b, a)
			for _, size := range []int{0, 1, 15, 16, 1 << 10, 1 << 16, 1 << 20} {
				blob(t, a, b, size, size%2 == 0)
				blob(t, b, a, size, size%2 == 0)
			}
			noisy := largest(5, true)
			if p.dialer == js || p.target == js {
				noisy = 4 << 20 // it takes seconds for the largest, and others have no patience
			}
			blob(t, a, b, largest(5, false), false)
			blob(t, b, a, largest(5, false), false)
			blob(t, a, b, noisy, true)
			blob(t, b, a, noisy, true)
			foobar(t, a, b)
			a.order(puppet.Order{Do: "drop", Peer: b.ids[0]})
			reason(t, b, a, 0)
		})
	}
}

// TestWithoutSnappy has ethereumjs speak version 4. For geth see TestVersions and
// TestPlainBig.
func TestWithoutSnappy(t *testing.T) {
	for _, p := range pairs {
		if (p.dialer == js) == (p.target == js) {
			continue
		}
		t.Run(p.String(), func(t *testing.T) {
			base := map[kind][]string{js: {"-base", "4"}}
			a, b := start(t, p.dialer, 1, base[p.dialer]...), start(t, p.target, 1, base[p.target]...)
			connect(a, b)
			foobar(t, a, b)
			foobar(t, b, a)
			for _, size := range []int{0, 1, 1 << 16, 1 << 20} {
				blob(t, a, b, size, true)
				blob(t, b, a, size, true)
			}
			a.order(puppet.Order{Do: "drop", Peer: b.ids[0]})
			if e := ending(b, a); e.Reason != 0 { // geth reads it too: it is not compressed, and should not be
				t.Errorf("%s saw reason %d (%s), want 0", b.kind, e.Reason, e.Why)
			}
		})
	}
}

// largest is how long a payload may be: with its code a frame holds 2^24-1 bytes,
// and so may a message when it is unpacked. Snappy adds 5 bytes to 64 KiB that it
// cannot compress, and the length.
func largest(base int, noise bool) int {
	switch {
	case base < 5:
		return 1<<24 - 2
	case noise:
		return 1<<24 - 2 - 5*256 - 4
	}
	return 1<<24 - 1
}

// foobar has a ask and b answer.
func foobar(t *testing.T, a, b *process) {
	t.Helper()
	a.order(puppet.Order{Do: "send", Peer: b.ids[0], Text: "foo"})
	b.await("foo", puppet.Event{Event: puppet.Got, Peer: a.ids[0], Proto: puppet.FooBar, Text: "foo"})
	a.await("bar", puppet.Event{Event: puppet.Got, Peer: b.ids[0], Proto: puppet.FooBar, Text: "bar"})
}

func blob(t *testing.T, a, b *process, size int, noise bool) {
	t.Helper()
	a.order(puppet.Order{Do: "blob", Peer: b.ids[0], Size: size, Noise: noise})
	sent := a.await("sending", puppet.Event{Event: puppet.Sent, Peer: b.ids[0]})
	got := b.await("blob", puppet.Event{Event: puppet.Got, Peer: a.ids[0], Proto: puppet.Blob})
	if got.Sum != sent.Sum || got.Size != size || got.Code != 1 {
		t.Errorf("%s got %d bytes %s with code %d, want %d bytes %s with code 1", b.kind, got.Size, got.Sum, got.Code, size, sent.Sum)
	}
}

// reason checks why p says that from has ended, or refused, their connection.
// After the hellos ethereumjs does not compress its disconnect messages, which it
// should: geth cannot read them, we can.
func reason(t *testing.T, p, from *process, want int) {
	t.Helper()
	e := ending(p, from)
	if p.kind == geth && from.kind == js {
		want = puppet.NoReason
	}
	if e.Reason != want {
		t.Errorf("%s saw reason %d (%s) from %s, want %d", p.kind, e.Reason, e.Why, from.kind, want)
	}
}

// ending waits for the end of p's connection with other.
func ending(p, other *process) puppet.Event {
	p.t.Helper()
	return p.awaitFunc("end", func(e puppet.Event) bool {
		return (e.Event == puppet.Down || e.Event == puppet.Failed) &&
			(e.Peer == other.ids[0] || e.Peer == "") // we do not say whom we refused
	})
}
