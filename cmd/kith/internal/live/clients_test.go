package live

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kith/node"
	"kith/port"
)

var self = node.Ref{ID: node.ID{1}, Generation: 7}

// ours are clients of our own ports.
type ours struct {
	clients
	mux  *port.Mux
	made int // clients
}

func onSelf(t *testing.T) (*port.Mux, *ours) {
	t.Helper()
	o := &ours{mux: &port.Mux{Self: self}}
	t.Cleanup(func() { o.close(); o.mux.Close() })
	return o.mux, o
}

func echo(_ context.Context, m *port.Message) ([]byte, error) { return m.Data, nil }

func request(ctx context.Context, o *ours, number uint16) error {
	connect := func() (*port.Client, error) {
		o.made++
		return o.mux.Connect(ctx, nil, &node.Node{ID: self.ID}, self.Generation, number)
	}
	return o.use(target{self, number}, connect, func(client *port.Client) error {
		_, err := client.Request(ctx, []byte("x"))
		return err
	})
}

func TestClientsAreKept(t *testing.T) {
	mux, c := onSelf(t)
	if err := mux.Handle(1, "echo", port.Request, port.HandlerFunc(echo)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := request(t.Context(), c, 1); err != nil {
			t.Error(err)
		}
	}
	if c.made != 1 {
		t.Errorf("%d clients were made, want 1", c.made)
	}
}

func TestAPortThatChangesIsAskedAgain(t *testing.T) {
	mux, c := onSelf(t)
	offer := func(mode port.Mode) {
		mux.Unhandle(1)
		if err := mux.Handle(1, "echo", mode, port.HandlerFunc(echo)); err != nil {
			t.Fatal(err)
		}
	}
	offer(port.Request)
	if err := request(t.Context(), c, 1); err != nil {
		t.Error(err)
	}
	offer(port.Send)
	if err := request(t.Context(), c, 1); !errors.Is(err, port.ErrWrongMode) {
		t.Errorf("a request to a port of mode send: %v", err)
	}
	offer(port.Request)
	if err := request(t.Context(), c, 1); err != nil {
		t.Errorf("after the mode has changed back: %v", err)
	}
	mux.Unhandle(1)
	if err := request(t.Context(), c, 1); !errors.Is(err, port.ErrNoPort) {
		t.Errorf("a port that is gone: %v", err)
	}
	if len(c.open) != 0 {
		t.Errorf("%d clients of nothing are kept after %d", len(c.open), c.made)
	}
}

func TestFewClientsAreKept(t *testing.T) {
	mux, c := onSelf(t)
	for number := range uint16(maxClients + 10) {
		if err := mux.Handle(number+1, "echo", port.Request, port.HandlerFunc(echo)); err != nil {
			t.Fatal(err)
		}
		if err := request(t.Context(), c, number+1); err != nil {
			t.Error(err)
		}
	}
	if n := mux.Stats().Clients; n != maxClients {
		t.Errorf("%d clients are open, want %d", n, maxClients)
	}
	if c.open[target{self, 1}] != nil || c.open[target{self, maxClients + 10}] == nil {
		t.Error("it is not the oldest that has made room")
	}
	c.close()
	if n := mux.Stats().Clients; n != 0 {
		t.Errorf("%d clients are open after close, want 0", n)
	}
}

func TestIdleClientsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, c := onSelf(t)
		if err := mux.Handle(1, "echo", port.Request, port.HandlerFunc(echo)); err != nil {
			t.Fatal(err)
		}
		use := func() {
			if err := request(t.Context(), c, 1); err != nil {
				t.Error(err)
			}
		}
		use()
		time.Sleep(idleClient / 2)
		use()
		time.Sleep(idleClient * 3 / 4) // the first use is long ago, the second is not
		synctest.Wait()
		if n := mux.Stats().Clients; n != 1 {
			t.Errorf("%d clients are open, want 1", n)
		}
		time.Sleep(idleClient)
		synctest.Wait()
		if n := mux.Stats().Clients; n != 0 {
			t.Errorf("%d idle clients are open, want 0", n)
		}
		c.close()
		mux.Close()
	})
}
