package foobar_test

import (
	"testing"
	"testing/synctest"
	"time"

	"kith/cmd/kith/internal/foobar"
	"kith/p2p"
)

// talk runs the protocol on one end of a pipe and gives the other.
func talk(t *testing.T, how *foobar.Talk) p2p.MsgReadWriter {
	ours, theirs := p2p.MsgPipe()
	done := make(chan error, 1)
	go func() { done <- how.Protocol().Run(nil, theirs) }()
	t.Cleanup(func() {
		ours.Close()
		if err := <-done; err == nil {
			t.Error("Run = nil, want why the session has ended")
		}
	})
	return ours
}

func TestFooIsAnsweredByBar(t *testing.T) {
	rw := talk(t, new(foobar.Talk))
	for _, words := range [][]any{{"foo"}, {"baz"}, {"bar"}, {"foo", "foo"}, {}, {uint(7)}, {"foo"}} { // two of them are answered
		if err := p2p.SendItems(rw, 0, words...); err != nil {
			t.Fatal(err)
		}
	}
	if err := p2p.Send(rw, 0, "foo"); err != nil { // a text, not a list
		t.Fatal(err)
	}
	for range 2 {
		if err := p2p.ExpectMsg(rw, 0, []string{"bar"}); err != nil {
			t.Error(err)
		}
	}
	if err := p2p.SendItems(rw, 0, "foo"); err != nil {
		t.Fatal(err)
	}
	if err := p2p.ExpectMsg(rw, 0, []string{"bar"}); err != nil { // and none was in between
		t.Error(err)
	}
}

func TestGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []time.Duration
		rw := talk(t, &foobar.Talk{Greet: true, Answered: func(_ *p2p.Peer, word string, took time.Duration) {
			if word != "bar" {
				t.Errorf("the answer is %q, want bar", word)
			}
			heard = append(heard, took)
		}})
		if err := p2p.ExpectMsg(rw, 0, []string{"foo"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for range 3 { // only one was asked for
			if err := p2p.SendItems(rw, 0, "bar"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(heard) != 1 || heard[0] != time.Second {
			t.Errorf("Answered was told %v, want [1s]", heard)
		}
	})
}
