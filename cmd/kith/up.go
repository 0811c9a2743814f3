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
	"kith/cmd/kith/internal/opennet"
	"kith/crypto"
	"kith/gossip"
	"kith/port"
)

type upCmd struct {
	source
	Admin      string     `help:"Path of the admin socket. As a rule kith/<short id>.sock in $XDG_RUNTIME_DIR." placeholder:"PATH"`
	LogLevel   slog.Level `default:"warn" help:"What to log: debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat  string     `enum:"text,json" default:"text" help:"How to log: text or json." placeholder:"FORMAT"`
	WhileStdin bool       `hidden:"" help:"Leave when standard input ends."`
}

func (upCmd) Help() string {
	return "Runs a node until Ctrl-C, SIGTERM or kith leave: of a private cluster, of an open network, or of both, as the configuration says. At its end it lets calls finish, tells the others, and is gone with 0 within ten seconds. A second Ctrl-C ends it at once. What happens to members and to peers of the open network goes to standard output, a line each; the log goes to standard error, as a rule only what somebody should look at. It ends with 9 if a newer run with the same key is in the cluster, and with 3 if the configuration or the certificates are no good.\n\nExample:\n\n    kith up -c a.json\n    kith up -c a.json --set local_host=127.0.0.1:0 --admin /tmp/a.sock\n    kith up -c open.json --set open.listen=127.0.0.1:0"
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
	if err := checkFiles(conf); err != nil {
		return err
	}
	u := &running{app: a, log: c.logger(a)}
	if err := u.prepare(conf); err != nil {
		return err
	}
	if err := u.start(c, conf); err != nil {
		return err
	}
	return u.run(c.WhileStdin)
}

func (c *upCmd) logger(a *app) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.err, options))
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}

// A running node with what stands around it.
type running struct {
	app     *app
	log     *slog.Logger
	cluster *cluster.Node // nil: in no cluster
	open    *opennet.Node // nil: in no open network
	live    *live.Node
	server  *admin.Server
	loops   sync.WaitGroup
}

// prepare makes the configured nodes, with their ports, not started yet.
func (u *running) prepare(conf *cluster.Config) error {
	if conf.InCluster() {
		u.cluster = conf.Node()
		u.cluster.Logger = u.log
		if err := offer(conf.Serve, "serve", admin.NetCluster, u.cluster.Handle); err != nil {
			return err
		}
	}
	if conf.Open == nil {
		return nil
	}
	key, err := openKey(u.app, conf.Open.KeyFile)
	if err != nil {
		return err
	}
	if u.open, err = opennet.New(conf.Open, key, u.log); err != nil {
		return exit.With(err, exit.Config, "kith config explain open.protocols")
	}
	return offer(conf.Open.Serve, "open.serve", admin.NetOpen, u.open.Handle)
}

// openKey reads the key of a node of an open network, and says if it was made.
func openKey(a *app, path string) (*crypto.PrivateKey, error) {
	key, made, err := opennet.Key(path)
	if err != nil {
		return nil, exit.With(err, exit.Config, "kith devp2p key --out FILE makes another; one key is for one node")
	}
	if made {
		a.Note("kith: made %s, the key of this node: keep it, it is who the node is", path)
	}
	return key, nil
}

// offer takes the ports that a configuration serves by commands.
func offer(serve []cluster.Serve, key string, net admin.Network, handle func(uint16, string, port.Mode, port.Handler) error) error {
	for i, s := range serve {
		command := filter.Command{Args: s.Command, Slots: filter.NewSlots(filter.Workers()), Network: string(net)}
		err := command.Check()
		if err == nil {
			err = handle(s.Port, s.Name, s.Mode, command)
		}
		if err != nil {
			return exit.Errorf(exit.Config, "kith config explain "+key, "config: %s[%d]: %w", key, i, err)
		}
	}
	return nil
}

// start starts the nodes, then the admin socket. If it fails nothing runs.
func (u *running) start(c *upCmd, conf *cluster.Config) error {
	started := time.Now()
	id, short, err := u.startNodes(conf)
	if err != nil {
		return err
	}
	path := conf.Admin
	if c.Admin != "" {
		path = c.Admin
	}
	listener, err := admin.Listen(path, id, short)
	if err != nil {
		u.closeNodes()
		return exit.With(err, exit.Failed, "kith up --admin PATH chooses another path")
	}
	version, _, _ := build()
	u.live = live.New(u.cluster, u.open, live.About{Version: conf.Version, Kith: version, Seeds: conf.Seeds, Admin: listener.Addr().String(), Started: started})
	u.server = &admin.Server{Node: u.live, Listener: listener}
	u.server.Start()
	return nil
}

// startNodes also says by which id the node is to be found.
func (u *running) startNodes(conf *cluster.Config) (id, short string, err error) {
	if u.open != nil {
		if err := u.open.Start(); err != nil {
			return "", "", exit.With(err, exit.Failed, "is another program listening at "+conf.Open.ListenAddr+"? --set open.listen=HOST:PORT chooses another address")
		}
		id, short = u.open.Self().IDText(), u.open.Self().Short()
	}
	if u.cluster != nil {
		if err := u.cluster.Start(); err != nil {
			u.closeNodes()
			return "", "", startError(err, conf)
		}
		id, short = u.cluster.ID().ID.String(), u.cluster.ID().ID.Short()
	}
	return id, short, nil
}

// closeNodes waits for both.
func (u *running) closeNodes() {
	if u.cluster != nil {
		_ = u.cluster.Close() // never fails
	}
	if u.open != nil {
		if err := u.open.Close(); err != nil {
			u.log.Warn("the open network was not left cleanly", "err", err)
		}
	}
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
	u.reachStatic(ctx)
	var input <-chan struct{}
	if whileStdin {
		input = ended(u.app.in)
	}
	select {
	case <-ctx.Done():
		u.app.Note("kith: leaving")
	case <-u.live.Leaving():
	case <-input:
	case <-u.superseded():
	}
	err := u.end()
	cancel()
	u.loops.Wait()
	return err
}

// reachStatic says of the nodes that we are to be connected to always which
// cannot be reached, once. The server goes on dialling them.
func (u *running) reachStatic(ctx context.Context) {
	if u.open == nil {
		return
	}
	for _, n := range u.open.Server().StaticNodes {
		u.loops.Go(func() {
			if why, failed := unreachable(ctx, u.open.Server(), n); failed {
				u.log.Warn("static node cannot be reached; it is tried again", "err", why)
			}
		})
	}
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

// superseded is closed when the cluster has ended the node.
func (u *running) superseded() <-chan struct{} {
	if u.cluster == nil {
		return nil
	}
	return u.cluster.Done()
}

// end lets calls finish, leaves and closes, all within ten seconds.
func (u *running) end() error {
	done := make(chan struct{})
	go func() { // waited for below, but not for ever
		defer close(done)
		if errors.Is(u.drain(), context.DeadlineExceeded) {
			u.app.Note("kith: warning: some calls have not finished within %v", drainWithin)
		}
		u.closeNodes()
		u.live.Close()
		u.server.Close()
	}()
	select {
	case <-done:
	case <-time.After(endWithin):
		u.app.Note("kith: warning: the node has not ended within %v", endWithin)
		_ = u.server.Listener.Close() // at least its name is gone
	}
	if u.cluster != nil && errors.Is(u.cluster.Err(), cluster.ErrSuperseded) {
		return exit.Errorf(exit.Superseded, "kith members, asked elsewhere, tells where the newer run is; one key is for one node", "%w", cluster.ErrSuperseded)
	}
	return nil
}

// drain lets the calls in both networks finish, at the same time.
func (u *running) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	var all sync.WaitGroup
	var inCluster, inOpen error
	if u.cluster != nil {
		all.Go(func() { inCluster = u.cluster.Drain(ctx) })
	}
	if u.open != nil {
		all.Go(func() { inOpen = u.open.Drain(ctx) })
	}
	all.Wait()
	return errors.Join(inCluster, inOpen)
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
