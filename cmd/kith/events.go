package main

import (
	"fmt"

	"kith/cmd/kith/internal/admin"
)

type eventsCmd struct{}

func (eventsCmd) Help() string {
	return "What happens from now on, until Ctrl-C: members of the cluster that join, are suspected, die (and by whose votes), leave; peers of the open network that are connected or gone.\n\nExample:\n\n    kith events\n    kith events -o json"
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
