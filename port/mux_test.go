package port

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"kith/node"
	"kith/p2p/p2ptest"
)

func TestHandleRefuses(t *testing.T) {
	m := new(Mux)
	handle(t, m, 8080, Send, echo)
	for name, test := range map[string]struct {
		number uint16
		name   string
		mode   Mode
		h      Handler
		want   string
	}{
		"port 0":       {0, "x", Send, HandlerFunc(echo), "1 to 65535"},
		"a duplicate":  {8080, "x", Send, HandlerFunc(echo), `already in use by "port 8080"`},
		"no mode":      {1, "x", 0, HandlerFunc(echo), "mode 0: want send"},
		"mode 4":       {1, "x", 4, HandlerFunc(echo), "mode 4: want send"},
		"nil":          {1, "x", Send, nil, "no handler"},
		"a nil func":   {1, "x", Send, HandlerFunc(nil), "no handler"},
		"a long name":  {1, strings.Repeat("x", 256), Send, HandlerFunc(echo), "at most 255"},
		"nothing else": {1, strings.Repeat("x", 255), Send, HandlerFunc(echo), ""},
	} {
		err := m.Handle(test.number, test.name, test.mode, test.h)
		if err == nil && test.want == "" {
			continue
		}
		if err == nil || test.want == "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Handle = %v, want %q", name, err, test.want)
		}
	}
	if err := m.Handle(8080, "x", Send, HandlerFunc(echo)); !errors.Is(err, ErrInUse) {
		t.Errorf("a duplicate is %v, want ErrInUse", err)
	}
}

func TestPortsAndChanges(t *testing.T) {
	m := new(Mux)
	if got := m.Ports(); len(got) != 0 {
		t.Errorf("Ports() of a zero Mux = %v", got)
	}
	for i, change := range []func(){
		func() { handle(t, m, 9, Unreliable, echo) },
		func() { handle(t, m, 8, Request, echo) },
		func() { m.Unhandle(9) },
	} {
		changed := m.Changed()
		change()
		select {
		case <-changed:
		default:
			t.Errorf("change %d did not close Changed", i)
		}
	}
	changed := m.Changed()
	if m.Unhandle(9) {
		t.Error("Unhandle(9) twice = true")
	}
	select {
	case <-changed:
		t.Error("nothing changed, but Changed is closed")
	default:
	}
	if got := m.Ports(); len(got) != 1 || got[0].Number != 8 || got[0].Name != "port 8" || got[0].Mode != Request {
		t.Errorf("Ports() = %+v, want port 8 alone", got)
	}
}

func TestModeText(t *testing.T) {
	for _, m := range []Mode{Send, Request, Unreliable} {
		text, _ := m.MarshalText()
		var back Mode
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%v came back as %v, %v", m, back, err)
		}
	}
	if err := new(Mode).UnmarshalText([]byte("udp")); err == nil {
		t.Error("UnmarshalText(udp) = nil")
	}
}

// Any order of calls is safe.
func TestCallOrdersOfMux(t *testing.T) {
	self := &node.Node{ID: node.ID{7}}
	steps := map[string]func(m *Mux){
		"handle":   func(m *Mux) { m.Handle(1, "x", Send, HandlerFunc(echo)) },
		"unhandle": func(m *Mux) { m.Unhandle(1) },
		"ports":    func(m *Mux) { m.Ports(); m.Stats(); m.Changed() },
		"protocol": func(m *Mux) { m.Protocol() },
		"drain":    func(m *Mux) { m.Drain(context.Background()) },
		"close":    func(m *Mux) { m.Close() },
		"connect": func(m *Mux) {
			c, err := m.Connect(context.Background(), nil, self, 0, 1)
			if err == nil {
				c.Send(context.Background(), nil)
				c.Close()
				c.Close()
			}
		},
	}
	for first, a := range steps {
		for second, b := range steps {
			for third, c := range steps {
				m := &Mux{Self: node.Ref{ID: self.ID, Generation: 1}}
				a(m)
				b(m)
				c(m)
				if err := m.Close(); err != nil {
					t.Errorf("%s, %s, %s, then Close() = %v", first, second, third, err)
				}
				if err := m.Handle(2, "x", Send, HandlerFunc(echo)); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s, %s, %s, then Handle after Close = %v", first, second, third, err)
				}
				if _, err := m.Connect(context.Background(), nil, self, 0, 1); !errors.Is(err, ErrClosed) {
					t.Errorf("%s, %s, %s, then Connect after Close = %v", first, second, third, err)
				}
			}
		}
	}
}

func TestConnectSaysWhyNot(t *testing.T) {
	b := &Mux{Self: node.Ref{ID: p2ptest.ID("b"), Generation: 5}}
	r := newRig(t, new(p2ptest.Network), new(Mux), b)
	handle(t, b, 1, Request, echo)
	generation := r.srvB.Epoch
	for name, test := range map[string]struct {
		node       *node.Node
		generation uint64
		number     uint16
		want       error
	}{
		"no such port":     {r.nodeB, 0, 2, ErrNoPort},
		"port 0":           {r.nodeB, 0, 0, ErrNoPort},
		"stale by hello":   {r.nodeB, generation - 1, 1, ErrStale},
		"stale by itself":  {r.nodeB, generation, 1, ErrStale}, // the Mux says 5
		"nobody there":     {&node.Node{ID: node.ID{9}, Hosts: []string{"c:1"}}, 0, 1, nil},
		"nobody we know":   {&node.Node{ID: node.ID{9}}, 0, 1, nil},
		"a node too late":  {r.nodeB, 1 << 62, 1, ErrStale},
		"and one that can": {r.nodeB, 0, 1, nil},
	} {
		c, err := r.a.Connect(within(t), r.srvA, test.node, test.generation, test.number)
		if err == nil {
			c.Close()
		}
		if name == "and one that can" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: Connect = %v, want %v", name, err, test.want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "port: connect to ") {
			t.Errorf("%s: the error is %q", name, err)
		}
	}
}

// A Mux that does not know its generation leaves it to the session's hello.
func TestAnotherGenerationIsStale(t *testing.T) {
	r := newRig(t, new(p2ptest.Network), new(Mux), new(Mux))
	handle(t, r.b, 1, Request, echo)
	for _, generation := range []uint64{r.srvB.Epoch - 1, r.srvB.Epoch + 1} {
		if _, err := r.a.Connect(within(t), r.srvA, r.nodeB, generation, 1); !errors.Is(err, ErrStale) {
			t.Errorf("Connect to generation %d = %v, want ErrStale: %d is there", generation, err, r.srvB.Epoch)
		}
	}
	c, err := r.a.Connect(within(t), r.srvA, r.nodeB, r.srvB.Epoch, 1)
	if err != nil {
		t.Fatalf("Connect to the generation that is there = %v", err)
	}
	c.Close()
}
