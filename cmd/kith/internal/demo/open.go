package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"kith/cmd/kith/internal/show"
)

// A stranger is one node of the open network: a process, and what it tells.
type stranger struct {
	process
	told told
}

// news is what kith devp2p listen writes, a document a line.
type news struct {
	Kind    string  `json:"kind"`
	Enode   string  `json:"enode"`
	Name    string  `json:"name"`
	Address string  `json:"address"`
	Inbound bool    `json:"inbound"`
	Answer  string  `json:"answer"`
	Took    float64 `json:"took_ms"`
	Why     string  `json:"why"`
}

// told keeps the latest news of each kind. It is safe for concurrent use.
type told struct {
	mu   sync.Mutex // guards what follows
	line []byte     // the beginning of the next
	last map[string]news
}

func (t *told) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = append(t.line, p...)
	for {
		line, rest, whole := bytes.Cut(t.line, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		var n news
		if err := json.Unmarshal(line, &n); err != nil {
			return 0, fmt.Errorf("demo: %q is no news: %w", line, err)
		}
		if t.last == nil {
			t.last = make(map[string]news)
		}
		t.last[n.Kind] = n
		t.line = rest
	}
}

func (t *told) latest(kind string) (news, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.last[kind]
	return n, ok
}

// openNetwork shows two nodes that have nothing but their keys.
func (s *stage) openNetwork(ctx context.Context) error {
	s.title("An open network: two processes, no certificates, RLPx over TCP")
	x, y := &s.open[0], &s.open[1]
	at, err := s.meet(ctx, x, "x", "listening")
	if err != nil {
		return err
	}
	s.say("  x  process %d serves MyProtocol/1; its key and address are\n%s", x.pid(), at.Enode)
	answer, err := s.meet(ctx, y, "y", "answered", "--greet", "--peer", at.Enode)
	if err != nil {
		return err
	}
	var peer news
	seen := func(context.Context) (ok bool, err error) { peer, ok = x.told.latest("connected"); return ok, nil }
	if err := s.await(ctx, "to see each other", seen); err != nil {
		return err
	}
	s.say("  y  process %d dials it", y.pid())
	s.say("  x sees: %s", s.paint(fmt.Sprintf("peer connected %q from %s", peer.Name, peer.Address), show.Good))
	s.say("  y -> x   [\"foo\"], answer: [%q] after %.2fms", answer.Answer, answer.Took)
	s.say("From another terminal: kith devp2p ping and this enode.")
	return nil
}

// meet runs a node and waits for its first news of a kind.
func (s *stage) meet(ctx context.Context, who *stranger, name, kind string, more ...string) (n news, err error) {
	who.name, who.out = name, &who.told
	args := append([]string{"-o", "json", "devp2p", "listen", "--addr", "127.0.0.1:0", "--foobar", "--name", name, "--while-stdin"}, more...)
	if err := who.run(s.demo.Program, args...); err != nil {
		return n, fmt.Errorf("demo: start %s: %w", name, err)
	}
	err = s.await(ctx, "to find each other in the open", func(context.Context) (ok bool, err error) {
		if bad, ok := who.told.latest("unreachable"); ok {
			return false, fmt.Errorf("demo: %s cannot reach x: %s", name, bad.Why)
		}
		n, ok = who.told.latest(kind)
		return ok, nil
	})
	return n, err
}
