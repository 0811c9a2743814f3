package live

import (
	"context"
	"fmt"
	"iter"
	"os"
	"sync"

	"kith/cmd/kith/internal/admin"
)

// Status is what the node says about itself.
func (n *Node) Status() admin.Status {
	s := admin.Status{
		Schema: admin.Schema, Kith: n.about.Kith, PID: os.Getpid(), Started: n.about.Started, Seeds: list(n.about.Seeds), Admin: n.about.Admin,
		Advertised: []string{}, Ports: []admin.Port{},
	}
	if n.open != nil {
		o := n.open.status()
		s.Open = &o
		s.Network, s.ID, s.Name, s.Listening = admin.NetOpen, o.ID, o.Name, o.Listening
	}
	if n.cluster != nil {
		s.Version = version(n.about.Version)
		n.cluster.status(&s)
	}
	if ports, err := n.Ports("", "self"); err == nil {
		s.Ports = ports
	}
	return s
}

// list is never null in JSON.
func list(all []string) []string { return append([]string{}, all...) }

func version(v [3]uint16) string {
	if v == [3]uint16{} {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}

// Members are all that the node knows in the cluster, itself included.
func (n *Node) Members() []admin.Member {
	if n.cluster == nil {
		return []admin.Member{}
	}
	return n.cluster.members(n.cluster.node.Members())
}

// Watch gives the members now and after each change.
func (n *Node) Watch(ctx context.Context) iter.Seq[[]admin.Member] {
	return func(yield func([]admin.Member) bool) {
		if n.cluster == nil {
			if yield([]admin.Member{}) {
				<-ctx.Done()
			}
			return
		}
		for members := range n.cluster.node.Watch(ctx) {
			if !yield(n.cluster.members(members)) {
				return
			}
		}
	}
}

// Events gives what happens from the call on, in both networks.
func (n *Node) Events(ctx context.Context) iter.Seq[admin.Event] {
	switch {
	case n.cluster == nil:
		return n.open.events(ctx)
	case n.open == nil:
		return n.cluster.events(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	return merged(stop, n.cluster.events(ctx), n.open.events(ctx))
}

// merged gives what all of them give. Those that are not taken wait at their
// sources, which have bounds. stop ends the sources.
func merged(stop func(), sources ...iter.Seq[admin.Event]) iter.Seq[admin.Event] {
	return func(yield func(admin.Event) bool) {
		news, done := make(chan admin.Event), make(chan struct{})
		var readers sync.WaitGroup
		defer readers.Wait()
		defer close(done)
		defer stop()
		for _, source := range sources {
			readers.Go(func() {
				for e := range source {
					select {
					case news <- e:
					case <-done:
						return
					}
				}
			})
		}
		ended := make(chan struct{})
		go func() { readers.Wait(); close(ended) }() // ends with them
		for {
			select {
			case e := <-news:
				if !yield(e) {
					return
				}
			case <-ended:
				return
			}
		}
	}
}
