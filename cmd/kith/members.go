package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

type membersCmd struct {
	Watch bool `short:"w" help:"Show them again after each change, until Ctrl-C."`
}

func (membersCmd) Help() string {
	return "The members as the node that is asked sees them, itself (*) included.\n\nExample:\n\n    kith members\n    kith members --watch\n    kith members -o json"
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
		return a.Print(doc, func() *show.Table { return membersTable(doc.Members, time.Now()) })
	}
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
	return append([]string{fmt.Sprintf("%s: %s.", plural(len(members), "member"), strings.Join(parts, ", "))}, why...)
}

type eventsCmd struct{}

func (eventsCmd) Help() string {
	return "What happens from now on, until Ctrl-C: who joins, is suspected, dies (and by whose votes), leaves.\n\nExample:\n\n    kith events\n    kith events -o json"
}

func (eventsCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	for e, err := range client.Events(a.ctx) {
		if err != nil {
			return err
		}
		if err := a.Line(e, func() string { return eventLine(e) }); err != nil {
			return err
		}
	}
	return nil
}

func eventLine(e admin.Event) string {
	line := e.Time.Local().Format("15:04:05.000") + "  " + e.Text
	if e.Missed > 0 {
		line += fmt.Sprintf("  (%s before that were missed)", plural(e.Missed, "event"))
	}
	return line
}

type portsCmd struct {
	Peer string `arg:"" optional:"" help:"Whose ports: self, a name, an id or the start of one. None means everybody's."`
}

func (portsCmd) Help() string {
	return "Example:\n\n    kith ports\n    kith ports b -o json"
}

func (c *portsCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	doc, err := client.Ports(a.ctx, c.Peer)
	if err != nil {
		return err
	}
	return a.Print(doc, func() *show.Table {
		t := &show.Table{Columns: []show.Column{{Name: "NODE"}, {Name: "PORT"}, {Name: "NAME"}, {Name: "MODE"}, {Name: "WHOLE ID", Wide: true}}}
		for _, p := range doc.Ports {
			t.Row(p.Node, strconv.Itoa(int(p.Number)), p.Name, p.Mode, p.ID)
		}
		if len(doc.Ports) == 0 {
			t.Notes = []string{"No ports. kith serve PORT -- COMMAND offers one"}
		}
		return t
	})
}

type statusCmd struct{}

func (statusCmd) Help() string {
	return "What the node says about itself.\n\nExample:\n\n    kith status\n    kith --node /run/user/1000/kith/Vmvoecs9.sock status -o yaml"
}

func (statusCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Status(a.ctx)
	if err != nil {
		return err
	}
	return a.Print(s, func() *show.Table { return statusTable(s, time.Now()) })
}

func statusTable(s admin.Status, now time.Time) *show.Table {
	t := new(show.Table)
	t.Row("node", s.Name)
	t.Row("id", s.ID+"/"+strconv.FormatUint(s.Generation, 10))
	t.Row("running", fmt.Sprintf("%s, process %d, kith %s", span(now.Sub(s.Started)), s.PID, s.Kith))
	t.Row("listening", s.Listening)
	t.Row("advertised", orNone(s.Advertised))
	t.Row("seeds", orNone(s.Seeds))
	t.Row("certificate", fmt.Sprintf("until %s (%s)", s.Expires.Local().Format(time.DateTime), daysLeft(s.DaysLeft)))
	t.Row("members", fmt.Sprintf("%d, %d alive", s.Members, s.Alive))
	for _, p := range s.Ports {
		t.Row("port", fmt.Sprintf("%d %q mode=%s", p.Number, p.Name, p.Mode))
	}
	t.Row("admin", s.Admin)
	if s.Alarm != "" {
		t.Rows = append(t.Rows, []show.Cell{{Text: "alarm"}, {Text: s.Alarm, Tone: show.Bad}})
	}
	return t
}

type leaveCmd struct{}

func (leaveCmd) Help() string {
	return "Tells the other members, which then show it as left, and stops the node. Its kith up ends with 0.\n\nExample:\n\n    kith leave\n    kith --node c leave"
}

func (leaveCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := client.Status(a.ctx)
	if err != nil {
		return err
	}
	if err := client.Leave(a.ctx); err != nil {
		return err
	}
	if err := awaitEnd(a, client, status); err != nil {
		return err
	}
	doc := struct {
		Schema int    `json:"schema"`
		ID     string `json:"id"`
		Name   string `json:"name"`
		Left   bool   `json:"left"`
	}{schema, status.ID, status.Name, true}
	return a.Line(doc, func() string { return status.Name + " has left" })
}

// awaitEnd waits until the process that has left is gone, so that its addresses
// are free.
func awaitEnd(a *app, client *admin.Client, left admin.Status) error {
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end); {
		now, err := client.Status(a.ctx)
		if exit.CodeOf(err) == exit.NoNode || err == nil && now.PID != left.PID {
			return nil
		}
		if !sleep(a, 20*time.Millisecond) {
			return a.ctx.Err()
		}
	}
	return exit.Errorf(exit.Partly, "kith status", "%s has left, but its process %d is still there", left.Name, left.PID)
}
