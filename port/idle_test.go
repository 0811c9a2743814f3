package port

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kith/p2p"
	"kith/p2p/p2ptest"
)

// A handler may take longer than idle sessions live. The side that serves it
// must not hang up on the caller, but let go once the Client has.
func TestALongCallKeepsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(Mux)
		handle(t, b, 1, Request, func(context.Context, *Message) ([]byte, error) {
			time.Sleep(5 * p2p.DefaultIdleTimeout)
			return []byte("done"), nil
		})
		r := newRig(t, new(p2ptest.Network), new(Mux), b)
		c := r.connect(t, 1)
		peer := r.srvB.Peers()[0]
		got, err := c.Request(t.Context(), nil)
		if err != nil || string(got) != "done" {
			t.Errorf("Request = %q, %v, want done", got, err)
		}
		c.Close()
		time.Sleep(2 * p2p.DefaultIdleTimeout)
		if err := peer.Err(); !errors.Is(err, p2p.DiscIdle) {
			t.Errorf("the session after Close: %v, want idle", err)
		}
	})
}
