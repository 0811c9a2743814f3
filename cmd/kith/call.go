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

// connect opens the node that the command line means.
func (a *app) connect() (*admin.Client, error) { return admin.Find(a.ctx, a.node) }

// netFlag is --net.
type netFlag string

// UnmarshalText is called by kong.
func (n *netFlag) UnmarshalText(text []byte) error {
	switch *n = netFlag(text); admin.Network(*n) {
	case admin.NetCluster, admin.NetOpen, admin.NetBoth:
		return nil
	}
	return fmt.Errorf("--net %s: a network is cluster or open", text)
}

func (n netFlag) network() admin.Network { return admin.Network(n) }

// one refuses both, for those who can only be in one.
func (n netFlag) one() error {
	if n.network() == admin.NetBoth {
		return fmt.Errorf("--net both: only kith serve can be in both; cluster or open")
	}
	return nil
}

// whom is what all have in common that talk to one peer.
type whom struct {
	Peer string  `arg:"" help:"Whom: self, a name, an id or the start of one; id/generation in a cluster, enode://… or enr:… in an open network."`
	Net  netFlag `help:"The network that the peer is in: cluster or open. As a rule the cluster, or the open network if the node is in no cluster." placeholder:"NETWORK"`
}

func (w whom) target() admin.Target { return admin.Target{Network: w.Net.network(), Peer: w.Peer} }

// message is what call, send and dgram have in common.
type message struct {
	whom
	Port    portNumber    `arg:"" help:"Number of the port, 1 to 65535."`
	Data    string        `arg:"" optional:"" help:"What to send: the data itself, @FILE, or - for standard input. None means no data."`
	Timeout time.Duration `default:"10s" help:"How long to wait." placeholder:"DURATION"`
}

// portNumber is never 0 once it is read.
type portNumber uint16

// UnmarshalText is called by kong.
func (p *portNumber) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("port %s: a port is 1 to 65535", text)
	}
	*p = portNumber(n)
	return nil
}

func (m message) Validate() error {
	if m.Timeout <= 0 {
		return fmt.Errorf("--timeout must be more than 0")
	}
	return m.Net.one()
}

func (m message) target() admin.Target {
	to := m.whom.target()
	to.Port = uint16(m.Port)
	return to
}

func (m message) data(a *app) ([]byte, error) {
	file, isFile := strings.CutPrefix(m.Data, "@")
	switch {
	case m.Data == "-":
		return readInput(a, "-", admin.MaxData)
	case isFile:
		data, err := readFile(file, admin.MaxData)
		return data, exit.With(err, exit.Failed, "DATA that begins with @ names a file; - is standard input")
	}
	return []byte(m.Data), nil
}

type callCmd struct{ message }

func (callCmd) Help() string {
	return "Sends a request to a port of mode request and prints the reply as it is, and nothing else, whatever -o says.\n\nExample:\n\n    kith call b 8080 hello\n    kith call b 8080 @photo.jpg --timeout 1m\n    echo hello | kith call b 8080 -\n    kith call 3f9a01c2 8080 hello --net open"
}

func (c *callCmd) Run(a *app) error {
	return c.do(a, func(client *admin.Client, data []byte) error {
		reply, err := client.Call(a.ctx, c.target(), data, c.Timeout)
		if err == nil {
			_, err = a.out.Write(reply)
		}
		return err
	})
}

func (m message) do(a *app, send func(*admin.Client, []byte) error) error {
	data, err := m.data(a)
	if err != nil {
		return err
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	return send(client, data)
}

type sendCmd struct{ message }

func (sendCmd) Help() string {
	return "Sends a message to a port of mode send. It prints nothing: there is no answer.\n\nExample:\n\n    kith send b 8081 hello"
}

func (c *sendCmd) Run(a *app) error {
	return c.do(a, func(client *admin.Client, data []byte) error {
		return client.Send(a.ctx, c.target(), data, c.Timeout)
	})
}

type dgramCmd struct{ message }

func (dgramCmd) Help() string {
	return "Sends a message to a port of mode unreliable: fast, small, and perhaps lost. It prints nothing.\n\nExample:\n\n    kith dgram b 8082 hello"
}

func (c *dgramCmd) Run(a *app) error {
	return c.do(a, func(client *admin.Client, data []byte) error {
		return client.Dgram(a.ctx, c.target(), data, c.Timeout)
	})
}

type pingCmd struct {
	whom
	Count    int           `short:"n" default:"4" help:"How many times." placeholder:"N"`
	Interval time.Duration `default:"1s" help:"How long from one to the next." placeholder:"DURATION"`
	Timeout  time.Duration `default:"5s" help:"How long to wait for each." placeholder:"DURATION"`
}

func (pingCmd) Help() string {
	return "Connects to the peer if need be, and measures the way there and back. Ends with 5 if no answer comes at all, with 8 if some do not.\n\nExample:\n\n    kith ping b\n    kith ping b -n 1 -o json\n    kith ping 3f9a01c2 --net open"
}

func (p pingCmd) Validate() error {
	if p.Count < 1 || p.Interval < 0 || p.Timeout <= 0 {
		return fmt.Errorf("--count and --timeout must be more than 0, --interval not less")
	}
	return p.Net.one()
}

func (c *pingCmd) Run(a *app) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	failed, last := 0, error(nil)
	for i := range c.Count {
		if i > 0 && !sleep(a, c.Interval) {
			return a.ctx.Err()
		}
		pong, err := client.Ping(a.ctx, c.target(), c.Timeout)
		if code := exit.CodeOf(err); code == exit.NotFound || code == exit.Usage || a.ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed, last = failed+1, err
			if c.Count == 1 {
				break
			}
			a.Note("ping %s: %v", c.Peer, err)
			continue
		}
		line := func() string {
			return fmt.Sprintf("%s  %s  %s  %s", show.Tame(pong.Name, maxName), peerID(pong.Network, pong.ID), pong.Address, millis(pong.RTT))
		}
		if err := a.Line(pong, line); err != nil {
			return err
		}
	}
	if failed > 0 && failed < c.Count {
		return exit.Errorf(exit.Partly, "kith peers", "%d of %s not answered", failed, plural(c.Count, "ping"))
	}
	return last
}

// sleep tells whether the time has passed without an interruption.
func sleep(a *app, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-a.ctx.Done():
		return false
	}
}
