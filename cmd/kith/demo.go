package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/demo"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

type demoCmd struct {
	For time.Duration `help:"How long. As a rule until Ctrl-C." placeholder:"DURATION"`
}

func (demoCmd) Help() string {
	return "Three processes of this program with throwaway certificates and real sockets on loopback: they find each other, send traffic in all three port modes, one is killed and comes back. Two more meet in an open network, with nothing but their keys, and say foo and bar over RLPx. Nothing is left behind.\n\nExample:\n\n    kith demo\n    kith demo --for 20s"
}

func (c *demoCmd) Run(a *app) error {
	outliveReaders()
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	ctx := a.ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	d := &demo.Demo{Program: program, Out: a.out, Color: a.Color, MembersTable: demoTable(a.Color)}
	return exit.With(d.Run(ctx), exit.Failed, "please report what it said")
}

func (c demoCmd) Validate() error {
	if c.For < 0 {
		return fmt.Errorf("--for must not be less than 0")
	}
	return nil
}

// demoTable shows members without their generations, which are long and for
// later.
func demoTable(color bool) func([]admin.Member) string {
	return func(members []admin.Member) string {
		t := membersTable(members, time.Now())
		for i := range t.Columns {
			t.Columns[i].Wide = t.Columns[i].Wide || t.Columns[i].Name == "GEN"
		}
		var b strings.Builder
		p := &show.Printer{Out: &b, Notes: &b, Format: show.Tables, Color: color}
		if err := p.Print(nil, func() *show.Table { return t }); err != nil {
			return err.Error()
		}
		return b.String()
	}
}
