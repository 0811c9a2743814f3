package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"kith/cluster"
	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/filter"
	"kith/cmd/kith/internal/live"
	"kith/gossip"
)

type upCmd struct {
	source
	Admin      string     `help:"Path of the admin socket. As a rule kith/<short id>.sock in $XDG_RUNTIME_DIR." placeholder:"PATH"`
	LogLevel   slog.Level `default:"warn" help:"What to log: debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat  string     `enum:"text,json" default:"text" help:"How to log: text or json." placeholder:"FORMAT"`
	WhileStdin bool       `hidden:"" help:"Leave when standard input ends."`
}

func (upCmd) Help() string {
	return "Runs a node until Ctrl-C, SIGTERM or kith leave: it lets calls finish, tells the other members, and ends with 0 within ten seconds. A second Ctrl-C ends it at once. What happens to members goes to standard output, a line each; the log goes to standard error, as a rule only what somebody should look at. It ends with 9 if a newer run with the same key is in the cluster, and with 3 if the configuration or the certificates are no good.\n\nExample:\n\n    kith up -c a.json\n    kith up -c a.json --set local_host=127.0.0.1:0 --admin /tmp/a.sock"
}

// How the ten seconds of a clean end are shared: calls have until drainWithin to
// finish, and whoever is not gone after endWithin is left behind.
const (
	drainWithin = 6 * time.Second
	endWithin   = 9500 * time.Millisecond
)

func (c *upCmd) Run(a *app) error {
	outliveReaders()
	conf, err := c.load(a)
	if err != nil {
		return err
	}
	warn(a, conf)
	if err := checkCertificates(conf); err != nil {
		return err
	}
	n, err := c.node(a, conf)
	if err != nil {
		return err
	}
	u := &running{app: a, node: n}
	if err := u.start(c, conf); err != nil {
		return err
	}
	return u.run(c.WhileStdin)
}

// node is the configured node, with its ports, not started yet.
func (c *upCmd) node(a *app, conf *cluster.Config) (*cluster.Node, error) {
	n := conf.Node()
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if n.Logger = slog.New(slog.NewTextHandler(a.err, options)); c.LogFormat == "json" {
		n.Logger = slog.New(slog.NewJSONHandler(a.err, options))
	}
	for i, s := range conf.Serve {
		command := filter.Command{Args: s.Command, Slots: filter.NewSlots(filter.Workers())}
		err := command.Check()
		if err == nil {
			err = n.Handle(s.Port, s.Name, s.Mode, command)
		}
		if err != nil {
			return nil, exit.Errorf(exit.Config, "kith config explain serve", "config: serve[%d]: %w", i, err)
		}
	}
	return n, nil
}

// A running node with what stands around it.
type running struct {
	app    *app
	node   *cluster.Node
	live   *live.Node
	server *admin.Server
	loops  sync.WaitGroup
}

// start starts the node, then the admin socket. If it fails nothing runs.
func (u *running) start(c *upCmd, conf *cluster.Config) error {
	started := time.Now()
	if err := u.node.Start(); err != nil {
		return startError(err, conf)
	}
	path := conf.Admin
	if c.Admin != "" {
		path = c.Admin
	}
	id := u.node.ID().ID
	listener, err := admin.Listen(path, id.String(), id.Short())
	if err != nil {
		u.node.Close()
		return exit.With(err, exit.Failed, "kith up --admin PATH chooses another path")
	}
	version, _, _ := build()
	u.live = live.New(u.node, live.About{Version: conf.Version, Kith: version, Seeds: conf.Seeds, Admin: listener.Addr().String(), Started: started})
	u.server = &admin.Server{Node: u.live, Listener: listener}
	u.server.Start()
	return nil
}

// run tells what happens until something ends the node.
func (u *running) run(whileStdin bool) error {
	ctx, cancel := context.WithCancel(u.app.ctx)
	defer cancel()
	events := u.live.Events(ctx)
	status := u.live.Status()
	// If nobody reads what we say, we run on.
	_ = u.app.Line(status, func() string { return upBlock(status) })
	u.loops.Go(func() {
		for e := range events {
			if e.Kind != gossip.Changed.String() { // kith events has those too
				_ = u.app.Line(e, func() string { return eventLine(e) })
			}
		}
	})
	var input <-chan struct{}
	if whileStdin {
		input = ended(u.app.in)
	}
	select {
	case <-ctx.Done():
		u.app.Note("kith: leaving")
	case <-u.live.Leaving():
	case <-input:
	case <-u.node.Done():
	}
	err := u.end()
	cancel()
	u.loops.Wait()
	return err
}

// ended is closed when r has no more to give.
func ended(r io.Reader) <-chan struct{} {
	done := make(chan struct{})
	go func() { // ends with the process at the latest
		_, _ = io.Copy(io.Discard, r)
		close(done)
	}()
	return done
}

// end lets calls finish, leaves and closes, all within ten seconds.
func (u *running) end() error {
	done := make(chan struct{})
	go func() { // waited for below, but not for ever
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
		defer cancel()
		if err := u.node.Drain(ctx); errors.Is(err, context.DeadlineExceeded) {
			u.app.Note("kith: warning: some calls have not finished within %v", drainWithin)
		}
		u.node.Close()
		u.live.Close()
		u.server.Close()
	}()
	select {
	case <-done:
	case <-time.After(endWithin):
		u.app.Note("kith: warning: the node has not ended within %v", endWithin)
		_ = u.server.Listener.Close() // at least its name is gone
	}
	if errors.Is(u.node.Err(), cluster.ErrSuperseded) {
		return exit.Errorf(exit.Superseded, "kith members, asked elsewhere, tells where the newer run is; one key is for one node", "%w", cluster.ErrSuperseded)
	}
	return nil
}

// upBlock is what people see when the node is ready.
func upBlock(s admin.Status) string {
	t := statusTable(s, time.Now())
	return t.String() + "ready"
}

// startError gives an error of Start its code.
func startError(err error, conf *cluster.Config) error {
	var bad *cluster.ConfigError
	var files *os.PathError
	switch {
	case errors.As(err, &bad), isCertError(err):
		return exit.With(err, exit.Config, fmt.Sprintf("kith certs verify --ca %s %s", conf.CA, conf.Cert))
	case errors.As(err, &files):
		return exit.With(err, exit.Config, "kith config check FILE")
	}
	return exit.With(err, exit.Failed, "is another program, or another run, listening at "+conf.ListenAddr+"? --set local_host=HOST:PORT chooses another address")
}
