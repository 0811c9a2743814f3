package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/foobar"
	"kith/cmd/kith/internal/live"
	"kith/cmd/kith/internal/show"
	"kith/cmd/kith/internal/why"
	"kith/node"
	"kith/p2p"
)

type devp2pListenCmd struct {
	Addr        string         `default:":30303" help:"Where to listen, on TCP; port 0 takes any." placeholder:"HOST:PORT"`
	Key         string         `help:"The key file; it is made if it is missing. As a rule another key at each start." placeholder:"FILE"`
	Foobar      bool           `help:"Serve MyProtocol/1: the list [\"foo\"] is answered by the list [\"bar\"]."`
	Greet       bool           `help:"With --foobar, say foo to every peer, and tell what it answers."`
	MaxPeers    int            `default:"50" help:"How many peers there may be." placeholder:"N"`
	Peer        []v4Node       `sep:"none" help:"A node to be connected to, dialled again when it goes; may be given several times." placeholder:"ENODE"`
	Name        string         `help:"What peers are told that we are. As a rule kith and its version." placeholder:"NAME"`
	NetRestrict []netip.Prefix `sep:"," help:"The only networks that peers may be in, such as 10.0.0.0/8,fd00::/8." placeholder:"NETWORKS"`
	LogLevel    slog.Level     `default:"warn" help:"What to log besides peers that come and go: debug, info, warn or error." placeholder:"LEVEL"`
	WhileStdin  bool           `hidden:"" help:"End when standard input does."`
}

func (devp2pListenCmd) Help() string {
	return "Prints the enode that others dial, alone on its line, and runs until Ctrl-C or SIGTERM. Who comes and goes is told on standard error; with -o json it goes to standard output, a document a line. Without --foobar it has no protocol of its own and takes every peer, to look at its hello. A node for more than that is run by kith up.\n\nExample:\n\n    kith devp2p listen --foobar\n    kith devp2p listen --addr 127.0.0.1:30303 --key node.key --foobar --max-peers 10\n    kith devp2p listen --addr 127.0.0.1:0 --foobar --greet --peer enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:30303"
}

func (c *devp2pListenCmd) Validate() error {
	switch {
	case c.MaxPeers < 1:
		return errors.New("--max-peers must be more than 0")
	case c.Greet && !c.Foobar:
		return errors.New("--greet needs --foobar")
	case len(c.Name) > 255:
		return errors.New("--name must have at most 255 bytes")
	}
	return nil
}

func (c *devp2pListenCmd) Run(a *app) error {
	outliveReaders()
	key, err := openKey(a, c.Key)
	if err != nil {
		return err
	}
	l := &listening{app: a}
	server := &p2p.Server{
		PrivateKey: key, Name: c.name(), ListenAddr: c.Addr, MaxPeers: c.MaxPeers, NetRestrict: c.NetRestrict,
		Logger: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: c.LogLevel})),
	}
	if c.Foobar {
		talk := &foobar.Talk{Greet: c.Greet, Answered: l.answered}
		server.Protocols = []p2p.Protocol{talk.Protocol()}
	}
	for _, n := range c.Peer {
		server.StaticNodes = append(server.StaticNodes, n.Node)
	}
	if err := server.Start(); err != nil {
		return exit.With(err, exit.Failed, "is another program listening at "+c.Addr+"? --addr HOST:PORT chooses another address")
	}
	l.server = server
	return l.run(c)
}

func (c *devp2pListenCmd) name() string {
	if c.Name != "" {
		return c.Name
	}
	version, _, _ := build()
	return "kith/" + version
}

// listening is a node of devp2p listen that runs.
type listening struct {
	app    *app
	server *p2p.Server
	mu     sync.Mutex // guards what app writes
	loops  sync.WaitGroup
}

// listenDoc is what a program reads.
type listenDoc struct {
	Schema   int       `json:"schema"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // listening, connected, gone, answered or unreachable
	Enode    string    `json:"enode,omitempty"`
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"`
	Address  string    `json:"address,omitempty"`
	Inbound  bool      `json:"inbound,omitempty"`
	Running  []string  `json:"protocols,omitempty"`
	Caps     []string  `json:"capabilities,omitempty"`
	Answer   string    `json:"answer,omitempty"`
	Took     float64   `json:"took_ms,omitempty"`
	Why      string    `json:"why,omitempty"`
	sentence string
}

func (l *listening) run(c *devp2pListenCmd) error {
	ctx, cancel := context.WithCancel(l.app.ctx)
	defer cancel()
	events := l.server.Events(context.Background()) // until the server's end, which is told too
	l.sayListening(l.server.Self())
	l.loops.Go(func() {
		for e := range events {
			l.tell(e)
		}
	})
	for _, n := range c.Peer {
		l.loops.Go(func() { l.reach(ctx, n.Node) })
	}
	var input <-chan struct{}
	if c.WhileStdin {
		input = ended(l.app.in)
	}
	select {
	case <-ctx.Done():
	case <-input:
	}
	err := l.server.Close() // its peers are told, and their end is told here
	cancel()
	l.loops.Wait()
	return err
}

// sayListening prints the enode, alone on its line.
func (l *listening) sayListening(self *node.Node) {
	doc := listenDoc{Kind: "listening", Enode: self.String(), ID: self.IDText()}
	l.mu.Lock()
	defer l.mu.Unlock()
	doc.Schema, doc.Time = schema, time.Now()
	// If nobody reads what we say, we run on.
	_ = l.app.Line(doc, func() string { return doc.Enode })
	if at, err := netip.ParseAddrPort(l.server.Addr().String()); err == nil && at.Addr().IsUnspecified() {
		l.app.Note("listening at all addresses; from another machine the enode has one of this machine's in place of 127.0.0.1")
	}
}

// say writes a line for people to standard error, or a document for programs to
// standard output.
func (l *listening) say(doc listenDoc) {
	doc.Schema, doc.Time = schema, time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.app.ForPeople() {
		l.app.Note("%s  %s", doc.Time.Local().Format("15:04:05.000"), doc.sentence)
		return
	}
	_ = l.app.Line(doc, nil) // if nobody reads what we say, we run on
}

func (l *listening) tell(e p2p.Event) {
	if e.Kind != p2p.PeerUp && e.Kind != p2p.PeerDown {
		return
	}
	doc := about(e.Peer, "connected")
	if e.Kind == p2p.PeerDown {
		doc.Kind = "gone"
	}
	if e.Err != nil {
		doc.Why = e.Err.Error()
	}
	doc.sentence = live.Sentence(e)
	l.say(doc)
}

func about(p *p2p.Peer, kind string) listenDoc {
	n := p.Node()
	doc := listenDoc{Kind: kind, Enode: n.String(), ID: n.IDText(), Name: p.Name(), Address: p.RemoteAddr().String(), Inbound: p.Inbound()}
	for _, one := range p.Running() {
		doc.Running = append(doc.Running, one.String())
	}
	for _, one := range p.Caps() {
		doc.Caps = append(doc.Caps, one.String())
	}
	return doc
}

func (l *listening) answered(p *p2p.Peer, word string, took time.Duration) {
	doc := about(p, "answered")
	doc.Answer, doc.Took = word, float64(took.Microseconds())/1000
	doc.sentence = fmt.Sprintf("peer answered %s: foo -> %s after %s", p.Node().Short(), show.Tame(word, 60), millis(doc.Took))
	l.say(doc)
}

// reach says why a node that was named cannot be reached, once. The server goes
// on dialling it.
func (l *listening) reach(ctx context.Context, n *node.Node) {
	text, failed := unreachable(ctx, l.server, n)
	if !failed {
		return
	}
	doc := listenDoc{Kind: "unreachable", Enode: n.String(), ID: n.IDText(), Why: text}
	doc.sentence = "peer cannot be reached, it is tried again: " + text
	l.say(doc)
}

// unreachable dials a node and says why that has failed, if it has.
func unreachable(ctx context.Context, server *p2p.Server, n *node.Node) (text string, failed bool) {
	lease, err := server.Dial(ctx, n)
	if err == nil {
		lease.Release()
		return "", false
	}
	if ctx.Err() != nil || errors.Is(err, p2p.ErrClosed) {
		return "", false
	}
	text = err.Error()
	if _, hint := why.Explain(err); hint != "" {
		text += " (" + hint + ")"
	}
	return text, true
}
