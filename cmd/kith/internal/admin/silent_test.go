package admin_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"kith/cmd/kith/internal/admin"
)

// given hands out the connections of a channel, until Close.
type given struct {
	conns chan net.Conn
	done  chan struct{}
}

func (g given) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

func (g given) Close() error {
	select {
	case <-g.done:
	default:
		close(g.done)
	}
	return nil
}

func (g given) Addr() net.Addr { return &net.UnixAddr{Name: "given", Net: "unix"} }

func TestCloseDoesNotWaitForTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := given{make(chan net.Conn), make(chan struct{})}
		s := &admin.Server{Node: newLoner("a"), Listener: l}
		s.Start()
		ours, theirs := net.Pipe()
		defer ours.Close()
		l.conns <- theirs
		synctest.Wait()
		start := time.Now()
		s.Close()
		if took := time.Since(start); took > 100*time.Millisecond { // virtual; Shutdown looks again and again
			t.Errorf("Close took %v", took)
		}
	})
}
