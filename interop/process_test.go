package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"kith/interop/puppet"
)

// patience is how long a test waits for what must come. It is no measurement.
const patience = 60 * time.Second

// A process runs one node or several. What they tell waits in events until a
// test asks for it.
type process struct {
	t    *testing.T
	kind kind
	cmd  *exec.Cmd
	in   io.WriteCloser
	urls []string // of its nodes
	ids  []string

	mu     sync.Mutex // guards what follows
	events []puppet.Event
	ended  bool
	news   chan struct{} // closed and replaced when events come
}

// start runs a process with count nodes and waits until all listen.
func start(t *testing.T, k kind, count int, args ...string) *process {
	t.Helper()
	if count > 1 {
		args = append(args, "-n", fmt.Sprint(count))
	}
	if k == js {
		for i, a := range args {
			args[i] = strings.Replace(a, "-", "--", 1)
		}
	}
	p := &process{t: t, kind: k, cmd: k.command(t, args...), news: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); p.listen(out) }()
	t.Cleanup(func() {
		p.in.Close()
		kill := time.AfterFunc(patience, func() { t.Errorf("%s does not end", k); p.cmd.Process.Kill() })
		<-read
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%s: %v", k, err)
		}
		kill.Stop()
	})
	p.urls, p.ids = make([]string, count), make([]string, count)
	for range count {
		e := p.await("listening", puppet.Event{Event: puppet.Listens, Node: -1})
		p.urls[e.Node], p.ids[e.Node] = e.Enode, idOf(t, e.Enode)
	}
	return p
}

func idOf(t *testing.T, url string) string {
	t.Helper()
	n, err := enode.ParseV4(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return n.ID().String()
}

func (p *process) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e puppet.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			p.t.Errorf("%s told %.200q: %v", p.kind, lines.Text(), err)
			continue
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.ended = true
	close(p.news)
	p.news = make(chan struct{})
	p.mu.Unlock()
}

// order has a node do something.
func (p *process) order(o puppet.Order) {
	p.t.Helper()
	b, err := json.Marshal(o)
	if err == nil {
		_, err = p.in.Write(append(b, '\n'))
	}
	if err != nil {
		p.t.Fatalf("order to %s: %v", p.kind, err)
	}
}

// await takes the first event that has every field that want has. Node -1 is any.
func (p *process) await(what string, want puppet.Event) puppet.Event {
	p.t.Helper()
	return p.awaitFunc(what, func(e puppet.Event) bool { return matches(e, want) })
}

func (p *process) awaitFunc(what string, match func(puppet.Event) bool) puppet.Event {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		for i, e := range p.events {
			if match(e) {
				p.events = append(p.events[:i], p.events[i+1:]...)
				p.mu.Unlock()
				return e
			}
		}
		news, ended, left := p.news, p.ended, p.events
		p.mu.Unlock()
		if ended {
			p.t.Fatalf("%s ended before %s; left over: %+v", p.kind, what, left)
		}
		select {
		case <-news:
		case <-deadline:
			p.t.Fatalf("no %s from %s; left over: %.2000s", what, p.kind, fmt.Sprintf("%+v", left))
		}
	}
}

// matches ignores the reason, which has no value that means "any".
func matches(e, want puppet.Event) bool {
	return e.Event == want.Event &&
		(want.Node < 0 || e.Node == want.Node) &&
		(want.Peer == "" || e.Peer == want.Peer) &&
		(want.Proto == "" || e.Proto == want.Proto) &&
		(want.Text == "" || e.Text == want.Text) &&
		(want.Sum == "" || e.Sum == want.Sum)
}
