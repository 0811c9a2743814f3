package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
)

type membersCmd struct {
	Watch bool `short:"w" help:"Show them again after each change, until Ctrl-C."`
}

func (membersCmd) Help() string {
	return "The members of the cluster as the node that is asked sees them, itself (*) included. Who is connected, in either network, is told by kith peers.\n\nExample:\n\n    kith members\n    kith members --watch\n    kith members -o json"
}

func (c *membersCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if !c.Watch {
		doc, err := client.Members(a.ctx)
		if err != nil {
			return err
		}
		return a.Print(doc, func() *show.Table {
			t := membersTable(doc.Members, time.Now())
			t.Notes = append(t.Notes, c.elsewhere(a, client, doc)...)
			return t
		})
	}
	return c.watch(a, client)
}

// elsewhere says where else to look, of a node in an open network.
func (membersCmd) elsewhere(a *app, client *admin.Client, doc admin.Members) []string {
	status, err := client.Status(a.ctx)
	switch {
	case err != nil || status.Open == nil:
		return nil
	case len(doc.Members) == 0:
		return []string{"This node is in no cluster. kith peers lists who is connected in the open network"}
	}
	return []string{fmt.Sprintf("In the open network: %s of %d; kith peers lists them", plural(status.Open.Peers, "peer"), status.Open.MaxPeers)}
}

func (c *membersCmd) watch(a *app, client *admin.Client) error {
	first := true
	for doc, err := range client.Watch(a.ctx) {
		if err != nil {
			return err
		}
		if a.ForPeople() && !first {
			fmt.Fprintln(a.out)
		}
		first = false
		if !a.ForPeople() {
			err = a.Line(doc, nil)
		} else {
			err = a.Print(doc, func() *show.Table { return membersTable(doc.Members, time.Now()) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var stateTones = map[string]show.Tone{"alive": show.Good, "suspect": show.Odd, "dead": show.Bad, "left": show.Faint}

func membersTable(members []admin.Member, now time.Time) *show.Table {
	t := &show.Table{Columns: []show.Column{
		{Name: "NODE"},
		{Name: "ID"},
		{Name: "GEN"},
		{Name: "ADDRESS"},
		{Name: "STATE"},
		{Name: "PHI"},
		{Name: "RTT"},
		{Name: "CERT"},
		{Name: "SEEN"},
		{Name: "VERSION", Wide: true},
		{Name: "ADDRESSES", Wide: true},
		{Name: "NETWORK", Wide: true},
		{Name: "WHOLE ID", Wide: true},
	}}
	for _, m := range members {
		name := m.Name
		if m.Self {
			name += " *"
		}
		t.Rows = append(t.Rows, []show.Cell{
			{Text: name},
			{Text: shortID(m.ID)},
			{Text: strconv.FormatUint(m.Generation, 10)},
			{Text: m.Address},
			{Text: m.State, Tone: stateTones[m.State]},
			{Text: optional(m.Phi, func(f float64) string { return fmt.Sprintf("%.1f", f) })},
			{Text: optional(m.RTT, func(ms float64) string { return millis(ms) })},
			{Text: optional(m.DaysLeft, func(n int) string { return strconv.Itoa(n) + "d" })},
			{Text: seen(m, now)},
			{Text: m.Version},
			{Text: strings.Join(m.Addresses, ",")},
			{Text: string(m.Network)},
			{Text: m.ID},
		})
	}
	t.Notes = membersNotes(members)
	return t
}

func optional[T any](v *T, text func(T) string) string {
	if v == nil {
		return ""
	}
	return text(*v)
}

func millis(ms float64) string {
	switch {
	case ms < 0.1:
		return fmt.Sprintf("%.3fms", ms)
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	}
	return fmt.Sprintf("%.0fms", ms)
}

func seen(m admin.Member, now time.Time) string {
	switch {
	case m.Self:
		return "now"
	case m.Seen == nil:
		return ""
	}
	return ago(now.Sub(*m.Seen))
}

// shortID is the beginning and the end of an id.
func shortID(id string) string {
	if len(id) <= 12 {
		return id
	}
	return id[:6] + "…" + id[len(id)-5:]
}

// membersNotes sums up, and says of each that is not alive why.
func membersNotes(members []admin.Member) []string {
	counts := make(map[string]int)
	var why []string
	for _, m := range members {
		counts[m.State]++
		if m.Why != "" {
			why = append(why, fmt.Sprintf("%s: %s.  Try: kith ping %s", m.Name, m.Why, m.Name))
		}
	}
	var parts []string
	for _, state := range []string{"alive", "suspect", "dead", "left"} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(members) == 0 {
		return nil
	}
	return append([]string{fmt.Sprintf("%s: %s.", plural(len(members), "member"), strings.Join(parts, ", "))}, why...)
}
