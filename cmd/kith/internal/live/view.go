package live

import (
	"context"
	"crypto/x509"
	"fmt"
	"iter"
	"math"
	"os"
	"strings"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/admin"
	"kith/gossip"
	"kith/node"
	"kith/port"
)

// Status is what the node says about itself.
func (n *Node) Status() admin.Status {
	self := n.cluster.ID()
	s := admin.Status{
		Schema: admin.Schema, ID: self.ID.String(), Generation: self.Generation, Version: version(n.about.Version), Kith: n.about.Kith,
		PID: os.Getpid(), Started: n.about.Started, Listening: listening(n.cluster.Addr()), Seeds: list(n.about.Seeds), Admin: n.about.Admin,
		Advertised: []string{}, Ports: []admin.Port{},
	}
	for _, m := range n.Members() {
		s.Members++
		if m.State == gossip.Alive.String() {
			s.Alive++
		}
		if m.Self {
			s.Name, s.Advertised = m.Name, list(m.Addresses)
		}
	}
	for _, p := range n.cluster.Ports() {
		s.Ports = append(s.Ports, admin.Port{ID: s.ID, Node: s.Name, Number: p.Number, Name: p.Name, Mode: p.Mode.String()})
	}
	leaf, alarm := n.cluster.Certificate()
	if leaf != nil {
		info := cert.Inspect(leaf, time.Now())
		s.Expires, s.DaysLeft = info.NotAfter, info.DaysLeft
	}
	if alarm != nil {
		s.Alarm = alarm.Error()
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

// Members are all that the node knows, itself included.
func (n *Node) Members() []admin.Member { return n.members(n.cluster.Members()) }

// Watch gives the members now and after each change.
func (n *Node) Watch(ctx context.Context) iter.Seq[[]admin.Member] {
	return func(yield func([]admin.Member) bool) {
		for members := range n.cluster.Watch(ctx) {
			if !yield(n.members(members)) {
				return
			}
		}
	}
}

func (n *Node) members(members []gossip.Member) []admin.Member {
	rtts := n.rtts()
	all := make([]admin.Member, 0, len(members))
	for _, m := range members {
		one := admin.Member{
			ID: m.ID.String(), Name: m.Name, Generation: m.Generation, Addresses: list(m.Addresses),
			State: m.State.String(), Self: m.Self, Version: version(m.Version), Why: why(&m),
		}
		if len(m.Addresses) > 0 {
			one.Address = m.Addresses[0]
		} else if m.Self {
			one.Address = listening(n.cluster.Addr())
		}
		if !m.Self && !math.IsNaN(m.Phi) {
			phi := math.Round(m.Phi*100) / 100
			one.Phi = &phi
		}
		if !m.LastSeen.IsZero() {
			seen := m.LastSeen
			one.Seen = &seen
		}
		if rtt := rtts[m.Ref()]; rtt > 0 {
			ms := float64(rtt.Microseconds()) / 1000
			one.RTT = &ms
		}
		if leaf := n.certificate(&m); leaf != nil {
			days := cert.Inspect(leaf, time.Now()).DaysLeft
			one.DaysLeft = &days
		}
		all = append(all, one)
	}
	return all
}

// certificate is a member's, if we know it: ours, or one that was shown to us.
func (n *Node) certificate(m *gossip.Member) *x509.Certificate {
	if !m.Self {
		return n.cluster.PeerCertificate(m.ID)
	}
	leaf, _ := n.cluster.Certificate()
	return leaf
}

// rtts are the last round trips of the sessions that are open.
func (n *Node) rtts() map[node.Ref]time.Duration {
	all := make(map[node.Ref]time.Duration)
	if s := n.cluster.Server(); s != nil {
		for _, p := range s.Peers() {
			all[p.Ref()] = p.Stats().RTT
		}
	}
	return all
}

// why says in a few words what is wrong with a member.
func why(m *gossip.Member) string {
	if m.State != gossip.Suspect && m.State != gossip.Dead {
		return ""
	}
	text := "never heard by us"
	if !m.LastSeen.IsZero() {
		text = fmt.Sprintf("not heard for %.1f s", time.Since(m.LastSeen).Seconds())
	}
	if m.Mean > 0 {
		text += fmt.Sprintf(" (usual interval %.1f s)", m.Mean.Seconds())
	}
	var against, hear []string
	for _, v := range m.Votes {
		if v.Deny {
			hear = append(hear, v.Name)
		} else {
			against = append(against, v.Name)
		}
	}
	if len(against) > 0 {
		text += "; votes of " + strings.Join(against, ", ")
	}
	if len(hear) > 0 {
		text += "; heard by " + strings.Join(hear, ", ")
	}
	if m.Local {
		text += "; here only, perhaps it is us"
	}
	return text
}

// Ports are those of a peer; none given means everybody's who lives.
func (n *Node) Ports(peer string) ([]admin.Port, error) {
	ref := node.Ref{}
	if peer != "" {
		var err error
		if ref, err = n.resolve(peer); err != nil {
			return nil, err
		}
	}
	all := []admin.Port{}
	for _, m := range n.cluster.Members() {
		if peer == "" && m.State != gossip.Alive && m.State != gossip.Suspect || peer != "" && !ref.Matches(m.Ref()) {
			continue
		}
		for _, p := range m.Ports {
			all = append(all, admin.Port{ID: m.ID.String(), Node: m.Name, Number: p.Number, Name: p.Name, Mode: port.Mode(p.Mode).String()})
		}
	}
	return all, nil
}

// Events gives what happens from the call on.
func (n *Node) Events(ctx context.Context) iter.Seq[admin.Event] {
	events := n.cluster.Events(ctx)
	return func(yield func(admin.Event) bool) {
		for e := range events {
			if !yield(n.event(e)) {
				return
			}
		}
	}
}

func (n *Node) event(e gossip.Event) admin.Event {
	out := admin.Event{
		Schema: admin.Schema, Time: e.Time, Kind: e.Kind.String(), ID: e.ID.String(), Name: e.Name, Generation: e.Generation, Address: e.Address, Missed: e.Missed,
	}
	for _, v := range e.Votes {
		if !v.Deny {
			out.Votes = append(out.Votes, admin.Vote{ID: v.ID.String(), Name: v.Name, Phi: v.Phi, Hard: v.Hard})
		}
	}
	out.Text = sentence(e)
	return out
}

// sentence begins with what happened, so that a log is easy to search: "member
// dead c: 2 of 2 votes, …".
func sentence(e gossip.Event) string {
	who, kind := e.Name, e.Kind.String()
	if who == "" {
		who = e.ID.Short()
	}
	return "member " + kind + " " + who + strings.TrimPrefix(e.String(), who+" "+kind)
}
