package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

type statusCmd struct{}

func (statusCmd) Help() string {
	return "What the node says about itself, in the cluster, in the open network, or in both.\n\nExample:\n\n    kith status\n    kith --node /run/user/1000/kith/Vmvoecs9.sock status -o yaml"
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
	running := fmt.Sprintf("%s, process %d, kith %s", span(now.Sub(s.Started)), s.PID, s.Kith)
	if s.Network == admin.NetCluster {
		t.Row("id", s.ID+"/"+strconv.FormatUint(s.Generation, 10))
		t.Row("running", running)
		t.Row("listening", s.Listening)
		t.Row("advertised", orNone(s.Advertised))
		t.Row("seeds", orNone(s.Seeds))
		t.Row("certificate", fmt.Sprintf("until %s (%s)", s.Expires.Local().Format(time.DateTime), optional(s.DaysLeft, daysLeft)))
		t.Row("members", fmt.Sprintf("%d, %d alive", s.Members, s.Alive))
	} else {
		t.Row("running", running)
	}
	for _, p := range s.Ports {
		if p.Network == admin.NetCluster {
			t.Row("port", fmt.Sprintf("%d %q mode=%s", p.Number, p.Name, p.Mode))
		}
	}
	openRows(t, s)
	t.Row("admin", s.Admin)
	if s.Alarm != "" {
		t.Rows = append(t.Rows, []show.Cell{{Text: "alarm"}, {Text: s.Alarm, Tone: show.Bad}})
	}
	return t
}

// openRows are those about the open network.
func openRows(t *show.Table, s admin.Status) {
	o := s.Open
	if o == nil {
		return
	}
	t.Row("open id", o.ID)
	t.Row("open enode", o.Enode)
	t.Row("open name", o.Name)
	t.Row("open listening", cmp.Or(o.Listening, "nowhere"))
	t.Row("open protocols", orNone(o.Protocols))
	t.Row("open peers", fmt.Sprintf("%d of %d", o.Peers, o.MaxPeers))
	for _, p := range s.Ports {
		if p.Network == admin.NetOpen {
			t.Row("open port", fmt.Sprintf("%d %q mode=%s", p.Number, p.Name, p.Mode))
		}
	}
}

type leaveCmd struct{}

func (leaveCmd) Help() string {
	return "Tells the other members, which then show it as left, and the peers of the open network, and stops the node. Its kith up ends with 0.\n\nExample:\n\n    kith leave\n    kith --node c leave"
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
