package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/opennet"
	"kith/cmd/kith/internal/probe"
	"kith/cmd/kith/internal/show"
	"kith/cmd/kith/internal/why"
	"kith/node"
	"kith/p2p"
)

type devp2pPingCmd struct {
	Node     v4Node        `arg:"" help:"The node: enode://… or enr:…, with its address."`
	Count    int           `short:"n" default:"1" help:"How many pings." placeholder:"N"`
	Interval time.Duration `default:"1s" help:"How long from one ping to the next." placeholder:"DURATION"`
	Timeout  time.Duration `default:"10s" help:"How long to wait for the answer to anything." placeholder:"DURATION"`
	Key      string        `help:"The key file of who asks; it must be there. As a rule a key made for this." placeholder:"FILE"`
	Cap      []capFlag     `help:"A protocol to say we have, such as eth/69, so that the node keeps us long enough; may be given several times. As a rule MyProtocol/1." placeholder:"NAME/VERSION"`
}

func (devp2pPingCmd) Help() string {
	return "Dials, proves who it is, exchanges hellos, pings and hangs up. A node that shares no protocol with us hangs up before it answers a ping: then the time of the TCP connection, which is a round trip too, is what there is; --cap names one of its protocols. Ends with 7 and the node's reason if it refuses us, with 5 if there is no answer in time, with 1 if it cannot be reached.\n\nExample:\n\n    kith devp2p ping enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:30303\n    kith devp2p ping -n 4 --cap eth/69 -o json enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:30303"
}

func (c *devp2pPingCmd) Validate() error {
	if c.Count < 1 || c.Interval < 0 || c.Timeout <= 0 {
		return errors.New("--count and --timeout must be more than 0, --interval not less")
	}
	return nil
}

// v4Node is a node that can be dialled.
type v4Node struct{ *node.Node }

// UnmarshalText is called by kong.
func (n *v4Node) UnmarshalText(text []byte) (err error) {
	n.Node, err = node.Parse(string(text))
	switch {
	case err != nil:
		return err
	case n.Scheme != node.V4:
		return fmt.Errorf("%s: kith:// is for members of a cluster; want enode://… or enr:…", text)
	case n.Key == nil:
		return fmt.Errorf("%s: an id alone cannot be dialled; want enode://… or enr:…", text)
	case len(n.TCPHosts()) == 0:
		return fmt.Errorf("%.40s…: no address to dial; want enode://…@HOST:PORT", text)
	}
	return nil
}

// capFlag is NAME/VERSION.
type capFlag p2p.Cap

// UnmarshalText is called by kong.
func (c *capFlag) UnmarshalText(text []byte) error {
	name, version, _ := strings.Cut(string(text), "/")
	n, err := fmt.Sscanf(version+"\n", "%d\n", &c.Version)
	if n != 1 || err != nil || name == "" || len(name) > 64 {
		return fmt.Errorf("--cap %s: want NAME/VERSION, such as eth/69", text)
	}
	c.Name = name
	return nil
}

// devp2pPong is what was found.
type devp2pPong struct {
	Schema       int      `json:"schema"`
	Enode        string   `json:"enode"`
	Address      string   `json:"address"`
	Name         string   `json:"name"`
	BaseVersion  uint64   `json:"base_version"`
	Capabilities []string `json:"capabilities"`
	Listening    uint64   `json:"listen_port"`
	Connect      float64  `json:"connect_ms"`
	Handshake    float64  `json:"handshake_ms"`
	RTT          *float64 `json:"rtt_ms"`         // null: it has hung up before it answered
	Left         string   `json:"left,omitempty"` // why it has
}

func (c *devp2pPingCmd) Run(a *app) error {
	if c.Key != "" && !exists(c.Key) {
		return exit.Errorf(exit.Config, "kith devp2p key --out "+c.Key+" makes it", "open %s: no such file", c.Key)
	}
	key, _, err := opennet.Key(c.Key)
	if err != nil {
		return exit.With(err, exit.Config, "kith devp2p key --out FILE makes one")
	}
	version, _, _ := build()
	caller := &probe.Caller{Key: key, Name: "kith/" + version, Caps: []p2p.Cap{{Name: "MyProtocol", Version: 1}}}
	if len(c.Cap) > 0 {
		caller.Caps = nil
	}
	for _, one := range c.Cap {
		caller.Caps = append(caller.Caps, p2p.Cap(one))
	}
	return c.ask(a, caller)
}

// ask prints what the node is as soon as it is known, and then each round trip.
func (c *devp2pPingCmd) ask(a *app, caller *probe.Caller) error {
	pings, printed := 0, error(nil)
	answer, err := caller.Dial(a.ctx, c.Node.Node, c.Timeout, func(answer *probe.Answer) bool {
		if pings++; pings == 1 {
			printed = c.print(a, answer)
		} else {
			ms := float64(answer.RTT.Microseconds()) / 1000
			printed = a.Line(devp2pRTT{schema, ms}, func() string { return "rtt " + millis(ms) })
		}
		return printed == nil && pings < c.Count && sleep(a, c.Interval)
	})
	switch {
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	case err != nil:
		code, hint := why.Explain(err)
		if errors.Is(err, p2p.DiscUselessPeer) {
			hint = "--cap NAME/VERSION names a protocol that it may have"
		}
		return exit.Errorf(code, hint, "ping %s: %w", c.Node.Short(), err)
	case printed != nil:
		return printed
	case pings == 0:
		if err := c.print(a, answer); err != nil {
			return err
		}
		code, hint := why.Explain(answer.Left)
		if errors.Is(answer.Left, p2p.DiscUselessPeer) { // it has told who it is, and that is what was asked
			a.Note("It shares no protocol with us, so it has hung up before it answered a ping. --cap names one that it may have")
			return nil
		}
		return exit.Errorf(code, hint, "ping %s: %w", c.Node.Short(), answer.Left)
	case pings < c.Count:
		_, hint := why.Explain(answer.Left)
		return exit.Errorf(exit.Partly, hint, "ping %s: %d of %s not answered: %w", c.Node.Short(), c.Count-pings, plural(c.Count, "ping"), answer.Left)
	}
	return nil
}

// devp2pRTT is one more round trip.
type devp2pRTT struct {
	Schema int     `json:"schema"`
	RTT    float64 `json:"rtt_ms"`
}

func (c *devp2pPingCmd) print(a *app, answer *probe.Answer) error {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	doc := devp2pPong{
		Schema: schema, Enode: c.Node.String(), Address: answer.Address, Name: answer.Name, BaseVersion: answer.Version, Capabilities: []string{},
		Listening: answer.Port, Connect: ms(answer.Connect), Handshake: ms(answer.Handshake),
	}
	for _, one := range answer.Caps {
		doc.Capabilities = append(doc.Capabilities, one.String())
	}
	if answer.RTT > 0 {
		rtt := ms(answer.RTT)
		doc.RTT = &rtt
	} else if answer.Left != nil {
		doc.Left = answer.Left.Error()
	}
	if !a.ForPeople() {
		return a.Line(doc, nil)
	}
	return a.Print(doc, func() *show.Table {
		t := new(show.Table)
		t.Row("name", show.Tame(doc.Name, 200))
		t.Row("capabilities", show.Tame(orNone(doc.Capabilities), 1000))
		t.Row("address", doc.Address)
		t.Row("listening", listenPort(doc.Listening))
		t.Row("connect", millis(doc.Connect))
		t.Row("handshake", millis(doc.Handshake))
		if doc.RTT != nil {
			t.Row("rtt", millis(*doc.RTT))
		}
		return t
	})
}

func listenPort(n uint64) string {
	if n == 0 {
		return "it does not say"
	}
	return fmt.Sprintf("at its port %d", n)
}
