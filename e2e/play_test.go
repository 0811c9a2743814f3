package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"kith/node"
	"kith/p2p"
	"kith/port"
)

// A place is the first thing a child peer says.
type place struct {
	ID   node.ID
	Addr string
}

// A question is what a child peer can be asked to do.
type question struct {
	Do   string // see serve
	To   string // node
	Port uint16
	N    int
	Size int
}

// An answer is how the peer is after it has done that.
type answer struct {
	Err        string
	Heap       uint64 // bytes in use
	Allocated  uint64 // bytes, ever
	Peak       uint64 // bytes, of the process
	Goroutines int
	FDs        int
	Distinct   int // numbers that came to the counting ports
	Twice      int // of them more than once
	Ports      map[uint16]port.PortStats
	Mux        port.Stats
	Server     p2p.Stats
	Sessions   []p2p.SessionStats
	Alarm      string // of the certificate's files
	Answered   int    // of a burst, rightly
	Failures   []string
}

// playPeer runs a peer until standard input ends. SIGTERM drains it first.
func playPeer(arg string) error {
	var s setting
	if err := json.Unmarshal([]byte(arg), &s); err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	p, err := s.start(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	at := place{ID: p.self.ID}
	if a := p.srv.Addr(); a != nil {
		at.Addr = a.String()
	}
	if err := out.Encode(at); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- p.serve(json.NewDecoder(os.Stdin), out) }()
	select {
	case err = <-ended:
	case <-term:
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = p.mux.Drain(ctx)
	}
	return errors.Join(err, p.close())
}

// serve answers questions until there are no more.
func (p *peer) serve(in *json.Decoder, out *json.Encoder) error {
	for {
		var q question
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		switch q.Do {
		case "state":
			runtime.GC()
			runtime.GC() // what finalizers and pools held
		case "look":
		case "reload":
			if err := p.files.Reload(context.Background()); err != nil {
				a.Err = err.Error()
			}
		case "release":
			p.open()
		case "burst":
			p.burst(q, &a)
		case "churn":
			p.churn(q, &a)
		default:
			a.Err = "no such question"
		}
		p.describe(&a)
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// describe fills in how the peer is.
func (p *peer) describe(a *answer) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a.Heap, a.Allocated, a.Peak = m.HeapAlloc, m.TotalAlloc, peakMemory()
	a.Goroutines, a.FDs = runtime.NumGoroutine(), descriptors()
	a.Distinct, a.Twice = p.tally.sums()
	a.Ports = make(map[uint16]port.PortStats)
	for _, o := range p.mux.Ports() {
		a.Ports[o.Number] = o.Stats
	}
	a.Mux, a.Server = p.mux.Stats(), p.srv.Stats()
	for _, q := range p.srv.Peers() {
		a.Sessions = append(a.Sessions, q.Stats())
	}
	if err := p.files.Err(); err != nil {
		a.Alarm = err.Error()
	}
}

// burst sends N requests at once, each with a number and data of its own.
func (p *peer) burst(q question, a *answer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := p.call(ctx, q)
	if err != nil {
		a.Err = err.Error()
		return
	}
	defer c.Close()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range q.N {
		all.Go(func() {
			data := numbered(i, q.Size)
			got, err := c.Request(ctx, data)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				a.Failures = append(a.Failures, err.Error())
			case !bytes.Equal(got, data):
				a.Failures = append(a.Failures, "wrong answer")
			default:
				a.Answered++
			}
		})
	}
	all.Wait()
	a.Failures = a.Failures[:min(len(a.Failures), 10)]
}

// numbered is a message that tells which it is, everywhere.
func numbered(i, size int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(i))
	for len(b) < size {
		b = append(b, byte(i)^byte(len(b)))
	}
	return b
}

func (p *peer) call(ctx context.Context, q question) (*port.Client, error) {
	n, err := node.Parse(q.To)
	if err != nil {
		return nil, err
	}
	return p.mux.Connect(ctx, p.srv, n, 0, q.Port)
}

// churn connects, makes a request and disconnects, N times.
func (p *peer) churn(q question, a *answer) {
	for i := range q.N {
		if err := p.visit(q, numbered(i, 64)); err != nil {
			a.Failures = append(a.Failures, fmt.Sprintf("visit %d: %v", i, err))
			if len(a.Failures) == 10 {
				a.Err = strings.Join(a.Failures, "; ")
				return
			}
			continue
		}
		a.Answered++
	}
}

func (p *peer) visit(q question, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := p.call(ctx, q)
	if err != nil {
		return err
	}
	got, err := c.Request(ctx, data)
	if err == nil && !bytes.Equal(got, data) {
		err = errors.New("wrong answer")
	}
	id := c.Peer().ID
	c.Close()
	if peer := p.srv.Peer(id); peer != nil {
		peer.Disconnect(nil)
		<-peer.Done()
	}
	return err
}
