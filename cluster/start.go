package cluster

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kith/cert"
	"kith/gossip"
	"kith/mtls"
	"kith/node"
	"kith/p2p"
	"kith/port"
)

// A run is what exists from Start to Close.
type run struct {
	node   *Node
	ref    node.Ref
	name   string
	log    *slog.Logger
	files  *cert.Files // nil with a Transport of the user's, as certs is
	certs  *steady
	server *p2p.Server
	mux    *port.Mux
	gossip *gossip.Gossip
	ctx    context.Context // ends when the run does
	stop   context.CancelFunc
	loops  sync.WaitGroup

	mu        sync.Mutex // guards what follows; never held while waiting
	vantage   vantage
	observing bool // our addresses are what the vantage says
}

// Start reads the certificates, listens, and returns; it joins through the seeds
// in the background, for as long as it takes. If it fails nothing is left open,
// and the caller may mend the fields and try again. The error is a
// *cert.LoadError if the certificates are the reason. After Close it returns
// ErrClosed.
func (n *Node) Start() error {
	n.mu.Lock()
	switch n.state {
	case ending:
		n.mu.Unlock()
		return ErrClosed
	case starting, running:
		n.mu.Unlock()
		return errors.New("cluster: already started")
	}
	n.state, n.ready = starting, make(chan struct{})
	ready := n.ready
	n.mu.Unlock()

	r, err := n.begin()

	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(ready) // whoever called Close meanwhile goes on
	if err != nil {
		n.mux = nil
		if n.state == starting {
			n.state = idle
		}
		return err
	}
	n.run = r
	if n.state == starting {
		n.state = running
	}
	return nil
}

// begin starts everything or nothing.
func (n *Node) begin() (*run, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	r := &run{node: n, log: cmp.Or(n.Logger, slog.Default())}
	r.ctx, r.stop = context.WithCancel(context.Background())
	err := n.assemble(r)
	if err == nil {
		err = r.server.Start()
	}
	if err != nil {
		r.stop()
		if r.mux != nil {
			r.mux.Close()
		}
		if r.files != nil {
			r.files.Close()
		}
		return nil, err
	}
	r.settleAddresses()
	r.loops.Go(r.tellPorts)
	if r.certs != nil {
		r.loops.Go(r.tellName)
	}
	r.loops.Go(r.giveWay)
	news := r.gossip.Events(r.ctx)
	r.loops.Go(func() { r.retry(news) })
	r.log.Info("listening", "node", r.ref, "name", r.name, "addr", r.server.Addr())
	return r, nil
}

// assemble makes all the parts, and starts to watch the files.
func (n *Node) assemble(r *run) error {
	transport, signer, err := n.identify(r)
	if err != nil {
		return err
	}
	r.ref.ID = transport.ID()
	r.name = r.nameIn(r.name)
	if r.ref.Generation, err = n.generation(r.log); err != nil {
		return err
	}
	seeds, err := parseSeeds(n.Seeds)
	if err != nil {
		return err
	}
	r.server = &p2p.Server{
		Name: r.name, Version: n.version(), Transport: transport, ListenAddr: n.ListenAddr, Policy: p2p.OnDemand, Epoch: r.ref.Generation,
		DialTimeout: n.dialTimeout(), IdleTimeout: n.IdleTimeout, Logger: n.Logger,
	}
	n.takeMux(r)
	r.gossip = n.newGossip(r, signer, seeds)
	r.server.Discovery = []p2p.Discovery{r.gossip}
	r.server.Protocols = append(slices.Clone(n.Protocols), r.seen(r.gossip.Protocol()), r.mux.Protocol())
	return nil
}

// takeMux makes the Mux with the handlers that are there. Handle gives it those
// that come from now on.
func (n *Node) takeMux(r *run) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r.mux = &port.Mux{Self: r.ref, MaxMessage: n.MaxMessage, Logger: n.Logger}
	for _, o := range n.offers {
		if err := r.mux.Handle(o.number, o.name, o.mode, o.handler); err != nil {
			panic(err) // the draft has taken it
		}
	}
	n.mux = r.mux
}

func (n *Node) newGossip(r *run, signer crypto.Signer, seeds seeds) *gossip.Gossip {
	p := n.Profile.filled()
	return &gossip.Gossip{
		Key: signer, Generation: r.ref.Generation, Name: r.name, Version: n.version(), Meta: n.Meta,
		Dialer: &seedDialer{r.server, seeds.pinned}, Seeds: seeds.hosts, DialTimeout: n.dialTimeout(),
		Ports: told(r.mux.Ports()), Logger: n.Logger,
		Heartbeat: p.Heartbeat, Initial: p.Initial, MaxInterval: p.MaxInterval, Window: p.Window, Phi: p.Phi,
		Grace: p.Grace, Collect: p.Collect, Sync: p.Sync, SeedAmount: p.Seeds, NotSeedAmount: p.Others,
	}
}

func (n *Node) version() [3]uint16 { return cmp.Or(n.Version, [3]uint16{0, 1, 0}) }

func (n *Node) dialTimeout() time.Duration { return cmp.Or(n.DialTimeout, DefaultDialTimeout) }

// identify says who we are: by the files, or by the Transport.
func (n *Node) identify(r *run) (p2p.Transport, crypto.Signer, error) {
	if n.Transport != nil {
		r.name = n.Name
		return n.Transport, n.Signer, nil
	}
	files := &cert.Files{CA: n.CA, Cert: n.Cert, Key: n.Key, CRL: n.CRL, Logger: n.Logger}
	if err := files.Start(); err != nil {
		return nil, nil, fmt.Errorf("cluster: start: %w", err)
	}
	r.files, r.certs = files, newSteady(files, r.log)
	now := files.Current()
	signer, ok := now.TLS.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("cluster: start: a key of type %T cannot sign", now.TLS.PrivateKey)
	}
	r.name = now.Name
	return &mtls.Transport{Credentials: r.certs, SeedName: n.SeedName, DialTimeout: n.dialTimeout(), Logger: n.Logger}, signer, nil
}

// generation begins the next one. Where nobody asked for a file, one that cannot
// be kept is no reason not to start.
func (n *Node) generation(log *slog.Logger) (uint64, error) {
	file := n.StateFile
	if file == "" && n.Key != "" {
		file = n.Key + ".state"
	}
	gen, err := beginGeneration(file, time.Now())
	if err == nil {
		return gen, nil
	}
	if n.StateFile != "" && !errors.Is(err, errDamaged) {
		return 0, fmt.Errorf("cluster: start: %w", err)
	}
	log.Warn("the last generation is not known: do not set the clock back", "err", err)
	return gen, nil
}
