package gossip_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"kith/gossip"
	"kith/p2p"
	"kith/p2p/p2ptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a cluster on a network in memory. The first node is the seed.
type rig struct {
	t     *testing.T
	net   *p2ptest.Network
	nodes []*member
	shape func(g *gossip.Gossip) // changes the fields of each before it starts
}

type member struct {
	name string
	g    *gossip.Gossip
	srv  *p2p.Server
}

// inTime runs f on virtual time with n nodes that know each other.
func inTime(t *testing.T, n int, net *p2ptest.Network, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, net: net}
		defer r.close()
		for i := range n {
			r.start(fmt.Sprintf("n%d", i))
		}
		r.within(5*time.Second, "start", r.all(n))
		f(t, r)
	})
}

func (r *rig) close() {
	for _, x := range r.nodes {
		x.srv.Close()
	}
	r.net.Close()
}

func (r *rig) make(name string) *member {
	srv := r.net.Server(name)
	srv.Policy = p2p.OnDemand
	g := &gossip.Gossip{
		Key: p2ptest.Key(name), Generation: srv.Epoch, Dialer: srv, Name: name,
		Logger: slog.New(slog.DiscardHandler),
	}
	if name != "n0" {
		g.Seeds = []string{"n0:30303"}
	}
	if r.shape != nil {
		r.shape(g)
	}
	srv.Protocols = append(srv.Protocols, g.Protocol())
	srv.Discovery = []p2p.Discovery{g}
	return &member{name, g, srv}
}

// start adds a node, or a new run of one.
func (r *rig) start(name string) *member {
	r.t.Helper()
	x := r.make(name)
	if err := x.srv.Start(); err != nil {
		r.t.Fatal(err)
	}
	for i, old := range r.nodes {
		if old.name == name {
			r.nodes[i] = x
			return x
		}
	}
	r.nodes = append(r.nodes, x)
	return x
}

func (r *rig) node(name string) *member {
	for _, x := range r.nodes {
		if x.name == name {
			return x
		}
	}
	return nil
}

// states lists what x holds of the others, by name.
func (x *member) states() map[string]gossip.State {
	m := map[string]gossip.State{}
	for _, v := range x.g.Members() {
		m[v.Name] = v.State
	}
	return m
}

// within lets time pass until done, and returns how much did.
func (r *rig) within(limit time.Duration, what string, done func() bool) time.Duration {
	r.t.Helper()
	start := time.Now()
	for !done() {
		if time.Since(start) > limit {
			r.t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

// all tells whether everybody holds n nodes alive.
func (r *rig) all(n int) func() bool {
	return func() bool {
		for _, x := range r.nodes {
			alive := 0
			for _, s := range x.states() {
				if s == gossip.Alive {
					alive++
				}
			}
			if alive != n {
				return false
			}
		}
		return true
	}
}

// hold tells whether everybody but name itself holds it in this state.
func (r *rig) hold(name string, want gossip.State) func() bool {
	return func() bool {
		for _, x := range r.nodes {
			if s, ok := x.states()[name]; x.name != name && (!ok || s != want) {
				return false
			}
		}
		return true
	}
}

// watch gathers the events of x until the test ends.
func (x *member) watch(t *testing.T) *[]gossip.Event {
	list := new([]gossip.Event)
	events := x.g.Events(t.Context())
	go func() {
		for ev := range events {
			*list = append(*list, ev)
		}
	}()
	return list
}

func kinds(list []gossip.Event, name string) (out []gossip.EventKind) {
	synctest.Wait()
	for _, ev := range list {
		if ev.Name == name {
			out = append(out, ev.Kind)
		}
	}
	return out
}

func lan() *p2ptest.Network {
	return &p2ptest.Network{Seed: 1, Delay: time.Millisecond, Jitter: 4 * time.Millisecond}
}

func wan() *p2ptest.Network {
	return &p2ptest.Network{Seed: 1, Delay: time.Millisecond, Jitter: 99 * time.Millisecond}
}
