package live

import (
	"context"
	"crypto/x509"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/admin"
	"kith/gossip"
	"kith/node"
	"kith/port"
)

func (c *member) members(members []gossip.Member) []admin.Member {
	rtts := c.rtts()
	all := make([]admin.Member, 0, len(members))
	for _, m := range members {
		one := admin.Member{
			Network: admin.NetCluster,
			ID:      m.ID.String(), Name: m.Name, Generation: m.Generation, Addresses: list(m.Addresses),
			State: m.State.String(), Self: m.Self, Version: version(m.Version), Why: trouble(&m),
		}
		if len(m.Addresses) > 0 {
			one.Address = m.Addresses[0]
		} else if m.Self {
			one.Address = listening(c.node.Addr())
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
		if leaf := c.certificate(&m); leaf != nil {
			days := cert.Inspect(leaf, time.Now()).DaysLeft
			one.DaysLeft = &days
		}
		all = append(all, one)
	}
	return all
}

// certificate is a member's, if we know it: ours, or one that was shown to us.
func (c *member) certificate(m *gossip.Member) *x509.Certificate {
	if !m.Self {
		return c.node.PeerCertificate(m.ID)
	}
	leaf, _ := c.node.Certificate()
	return leaf
}

// rtts are the last round trips of the sessions that are open.
func (c *member) rtts() map[node.Ref]time.Duration {
	all := make(map[node.Ref]time.Duration)
	if s := c.node.Server(); s != nil {
		for _, p := range s.Peers() {
			all[p.Ref()] = p.Stats().RTT
		}
	}
	return all
}

// trouble says in a few words what is wrong with a member.
func trouble(m *gossip.Member) string {
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

// ports are those of a peer; none given means everybody's who lives.
func (c *member) ports(peer string) ([]admin.Port, error) {
	ref := node.Ref{}
	if peer != "" {
		var err error
		if ref, err = c.resolve(peer); err != nil {
			return nil, err
		}
	}
	all := []admin.Port{}
	for _, m := range c.node.Members() {
		if peer == "" && m.State != gossip.Alive && m.State != gossip.Suspect || peer != "" && !ref.Matches(m.Ref()) {
			continue
		}
		for _, p := range m.Ports {
			all = append(all, admin.Port{Network: admin.NetCluster, ID: m.ID.String(), Node: m.Name, Number: p.Number, Name: p.Name, Mode: port.Mode(p.Mode).String()})
		}
	}
	return all, nil
}

func (c *member) events(ctx context.Context) iter.Seq[admin.Event] {
	events := c.node.Events(ctx)
	return func(yield func(admin.Event) bool) {
		for e := range events {
			if !yield(newsOfMember(e)) {
				return
			}
		}
	}
}

func newsOfMember(e gossip.Event) admin.Event {
	out := admin.Event{
		Schema: admin.Schema, Network: admin.NetCluster, Time: e.Time, Kind: e.Kind.String(), ID: e.ID.String(), Name: e.Name, Generation: e.Generation, Address: e.Address, Missed: e.Missed,
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
