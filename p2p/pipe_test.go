package p2p_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"kith/p2p"
)

func TestMsgPipeCopiesAndKeepsOrder(t *testing.T) {
	a, b := p2p.MsgPipe()
	text := []byte("hello")
	for code := range uint64(3) {
		if err := a.WriteMsg(p2p.Msg{Code: code, Payload: text}); err != nil {
			t.Fatal(err)
		}
	}
	text[0] = 'j'
	for code := range uint64(3) {
		if m, err := b.ReadMsg(); err != nil || m.Code != code || string(m.Payload) != "hello" {
			t.Errorf("ReadMsg() = %d %q, %v; want %d hello", m.Code, m.Payload, err, code)
		}
	}
}

func TestMsgPipeMakesAWriterWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := p2p.MsgPipe()
		wrote := 0
		go func() {
			for b.WriteMsg(p2p.Msg{Payload: make([]byte, 1<<10-16)}) == nil {
				wrote++
			}
		}()
		synctest.Wait()
		if wrote != 256 {
			t.Errorf("%d messages of 1 KiB were written to nobody, want 256", wrote)
		}
		for range 10 {
			if _, err := a.ReadMsg(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if wrote != 266 {
			t.Errorf("%d after 10 were read, want 266", wrote)
		}
		a.Close()
		for range 256 { // what came before the end
			if _, err := a.ReadMsg(); err != nil {
				t.Fatalf("ReadMsg of what was written before Close = %v", err)
			}
		}
	})
}

// Whoever waits, on either end, returns.
func TestMsgPipeNeverHangsAfterClose(t *testing.T) {
	other := errors.New("other")
	for _, tt := range []struct {
		name  string
		close func(a, b *p2p.PipeEnd)
		want  error
	}{
		{"close", func(a, _ *p2p.PipeEnd) { a.Close() }, p2p.ErrPipeClosed},
		{"the other end", func(_, b *p2p.PipeEnd) { b.Close() }, p2p.ErrPipeClosed},
		{"with a reason", func(a, _ *p2p.PipeEnd) { a.CloseWithError(p2p.DiscQuitting) }, p2p.DiscQuitting},
		{"with none", func(a, _ *p2p.PipeEnd) { a.CloseWithError(nil) }, p2p.ErrPipeClosed},
		{"the first reason counts", func(a, b *p2p.PipeEnd) { b.CloseWithError(other); a.Close() }, other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := p2p.MsgPipe()
				if err := a.WriteMsg(p2p.Msg{Payload: make([]byte, 1<<20)}); err != nil {
					t.Fatal(err)
				}
				var all sync.WaitGroup
				all.Go(func() { // there is no room
					if err := a.WriteMsg(p2p.Msg{}); !errors.Is(err, tt.want) {
						t.Errorf("WriteMsg that waits = %v, want %v", err, tt.want)
					}
				})
				all.Go(func() { // nothing is there
					if _, err := a.ReadMsg(); !errors.Is(err, tt.want) {
						t.Errorf("ReadMsg that waits = %v, want %v", err, tt.want)
					}
				})
				synctest.Wait()
				tt.close(a, b)
				all.Wait()
				for _, end := range []*p2p.PipeEnd{a, b} {
					if err := end.WriteMsg(p2p.Msg{}); !errors.Is(err, tt.want) {
						t.Errorf("WriteMsg = %v, want %v", err, tt.want)
					}
				}
				if err := a.Close(); err != nil {
					t.Errorf("Close again = %v", err)
				}
			})
		})
	}
	if !errors.Is(p2p.ErrPipeClosed, net.ErrClosed) {
		t.Error("ErrPipeClosed is no net.ErrClosed")
	}
}
