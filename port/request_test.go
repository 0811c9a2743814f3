package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestRequestsOfAllSizes(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		handle(t, m, 8080, Request, echo)
		c := connect(m, 8080)
		for _, n := range []int{0, 1, 64, small, small + 1, maxFragment - maxHead, maxFragment, firstWindow, firstWindow + 1, 1 << 20, 10 << 20, 16 << 20} {
			reply, err := c.Request(within(t), pattern(n, n))
			if err != nil {
				t.Fatalf("Request of %d bytes = %v", n, err)
			}
			equal(t, fmt.Sprint("reply to ", n), reply, pattern(n, n))
		}
	})
}

func TestManyRequestsAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		handle(t, m, 1, Request, echo)
		c := connect(m, 1)
		var callers sync.WaitGroup
		for i := range 64 {
			callers.Go(func() {
				for _, n := range []int{10, 5000, 100_000, 3, 40_000} {
					data := pattern(n+i, i)
					if reply, err := c.Request(within(t), data); err != nil {
						t.Errorf("Request of %d bytes = %v", n, err)
					} else {
						equal(t, "reply", reply, data)
					}
				}
			})
		}
		callers.Wait()
	})
}

func TestErrorsOfHandlersTravel(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			switch string(m.Data) {
			case "panic":
				panic("at the disco")
			case "long":
				return nil, errors.New(strings.Repeat("x", 5000))
			}
			return nil, errors.New("no such record")
		})
		c := connect(m, 1)
		for data, want := range map[string]string{
			"": "no such record", "panic": "panic: at the disco", "long": strings.Repeat("x", maxErrorText),
		} {
			_, err := c.Request(within(t), []byte(data))
			var remote *RemoteError
			if !errors.As(err, &remote) || remote.Message != want {
				t.Errorf("Request(%q) = %v, want a RemoteError %.30q", data, err, want)
			}
		}
	})
}

func TestAHandlerMayRefuse(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		answers := map[string]error{
			"busy": ErrBusy, "draining": ErrDraining, "another's": fmt.Errorf("port: request to 1 at c: %w", ErrBusy),
		}
		handle(t, m, 1, Request, func(_ context.Context, m *Message) ([]byte, error) {
			return nil, answers[string(m.Data)]
		})
		c := connect(m, 1)
		for _, name := range []string{"another's", "busy", "draining"} {
			want := answers[name]
			_, err := c.Request(within(t), []byte(name))
			var remote *RemoteError
			if errors.As(err, &remote) {
				if name != "another's" || remote.Message != want.Error() {
					t.Errorf("Request(%s) = %v", name, err)
				}
			} else if name == "another's" || !errors.Is(err, want) {
				t.Errorf("Request(%s) = %v, want %v", name, err, want)
			}
		}
	})
}

func TestSendsInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, connect func(*Mux, uint16) *Client) {
		m := new(Mux)
		sizes := []int{0, 1, 100, 20_000, 5, 300_000, 1, 2 << 20, 7, firstSendWindow, 9}
		got := make(chan []byte, 10*len(sizes))
		handle(t, m, 1, Send, func(_ context.Context, m *Message) ([]byte, error) {
			got <- bytes.Clone(m.Data)
			return []byte("ignored"), nil
		})
		c := connect(m, 1)
		for round := range 10 {
			for i, n := range sizes {
				data := pattern(n, i+round)
				if err := c.Send(within(t), data); err != nil {
					t.Fatalf("Send of %d bytes = %v", n, err)
				}
				clear(data) // ours again
			}
		}
		for round := range 10 {
			for i, n := range sizes {
				equal(t, fmt.Sprint("message ", i, " of round ", round), <-got, pattern(n, i+round))
			}
		}
	})
}
