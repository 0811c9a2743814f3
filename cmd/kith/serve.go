package main

import (
	"context"
	"fmt"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/filter"
	"kith/port"
)

type serveCmd struct {
	Port    portNumber `arg:"" help:"Number of the port, 1 to 65535."`
	Command []string   `arg:"" help:"The program and its arguments, after --."`
	Mode    string     `enum:"send,request,unreliable" default:"request" help:"What the port takes: send, request or unreliable." placeholder:"MODE"`
	Name    string     `help:"What people call the port. As a rule the name of the program." placeholder:"NAME"`
	Net     netFlag    `help:"Whose messages: cluster, open or both. As a rule the cluster's, or those of the open network if the node is in no cluster." placeholder:"NETWORK"`
	Workers int        `help:"How many commands run at once. As a rule four for each processor." placeholder:"N"`
}

func (serveCmd) Help() string {
	return "Runs the command for each message that comes to this port of the running node: the data is its standard input, what it prints is the reply. If it fails, the caller gets the last line of its standard error. The port is served until Ctrl-C. $KITH_FROM tells the command who sent the message, $KITH_NETWORK from where. In an open network anybody may be a peer, so anybody can call.\n\nExample:\n\n    kith serve 8080 --name upper -- tr a-z A-Z\n    kith serve 8081 --mode send -- logger -t kith\n    kith serve 8082 --net both -- date"
}

func (c *serveCmd) Validate() error {
	if c.Workers < 0 {
		return fmt.Errorf("--workers must not be less than 0")
	}
	return nil
}

func (c *serveCmd) Run(a *app) error {
	command := filter.Command{Args: c.Command}
	if err := command.Check(); err != nil {
		return exit.Errorf(exit.Usage, "kith serve --help", "serve: %w", err)
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	var mode port.Mode
	if err := mode.UnmarshalText([]byte(c.Mode)); err != nil {
		return err
	}
	service := admin.Service{Network: c.Net.network(), Port: uint16(c.Port), Name: c.Name, Mode: mode, Workers: c.Workers}
	service.Handle = func(ctx context.Context, net admin.Network, m *port.Message) ([]byte, error) {
		one := command
		one.Network = string(net)
		return one.Handle(ctx, m)
	}
	if service.Name == "" {
		service.Name = c.Command[0]
	}
	if service.Workers == 0 {
		service.Workers = filter.Workers()
	}
	service.Ready = func() {
		where := ""
		if c.Net != "" {
			where = " network=" + string(c.Net)
		}
		a.Note("port %d %q mode=%s%s command=%q; Ctrl-C ends it", c.Port, service.Name, mode, where, c.Command)
	}
	err = client.Serve(a.ctx, service)
	if a.ctx.Err() != nil {
		return nil // that is how one ends it
	}
	return err
}
