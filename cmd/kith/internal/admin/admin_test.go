package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/exit"
	"kith/node"
	"kith/port"
)

// loner is a cluster of one, in memory: what is sent to self reaches the port.
type loner struct {
	name, id string
	left     chan struct{}

	mu    sync.Mutex // guards what follows
	ports map[uint16]port.Handler
}

func newLoner(name string) *loner {
	return &loner{name: name, id: "id-of-" + name, left: make(chan struct{}), ports: make(map[uint16]port.Handler)}
}

func (l *loner) Status() admin.Status {
	return admin.Status{Schema: admin.Schema, Name: l.name, ID: l.id, Generation: 7}
}

func (l *loner) Members() []admin.Member {
	return []admin.Member{{ID: l.id, Name: l.name, State: "alive", Self: true}}
}

func (l *loner) Watch(ctx context.Context) iter.Seq[[]admin.Member] {
	return func(yield func([]admin.Member) bool) {
		if yield(l.Members()) && yield(nil) {
			<-ctx.Done()
		}
	}
}

func (l *loner) Events(ctx context.Context) iter.Seq[admin.Event] {
	return func(yield func(admin.Event) bool) { yield(admin.Event{Kind: "joined", Text: "b joined"}) }
}

func (l *loner) Peers(net admin.Network) ([]admin.Peer, error) {
	return []admin.Peer{{Network: net, Name: "p"}}, nil
}

func (l *loner) Ports(net admin.Network, peer string) ([]admin.Port, error) {
	return []admin.Port{{Network: net, Number: 8080, Name: peer}}, nil
}

func (l *loner) Ping(ctx context.Context, to admin.Target) (admin.Pong, error) {
	if to.Peer != "self" {
		return admin.Pong{}, exit.Errorf(exit.NotFound, "kith members", "no member %q", to.Peer)
	}
	<-ctx.Done()
	return admin.Pong{}, exit.With(ctx.Err(), exit.Timeout, "")
}

func (l *loner) Call(ctx context.Context, to admin.Target, data []byte) ([]byte, error) {
	l.mu.Lock()
	h := l.ports[to.Port]
	l.mu.Unlock()
	if h == nil {
		return nil, exit.With(port.ErrNoPort, exit.NotFound, "kith ports")
	}
	return h.Handle(ctx, &port.Message{Data: data, Index: 3, From: node.Ref{ID: node.ID{9}, Generation: 7}})
}

func (l *loner) Send(ctx context.Context, to admin.Target, data []byte) error {
	_, err := l.Call(ctx, to, data)
	return err
}

func (l *loner) Dgram(ctx context.Context, to admin.Target, data []byte) error {
	return l.Send(ctx, to, data)
}

func (l *loner) Serve(_ admin.Network, number uint16, _ string, _ port.Mode, handler func(admin.Network) port.Handler) (func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ports[number] != nil {
		return nil, exit.With(port.ErrInUse, exit.Refused, "")
	}
	l.ports[number] = handler(admin.NetOpen)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.ports, number)
	}, nil
}

func (l *loner) Leave(context.Context) error { close(l.left); return nil }

// open serves a loner and returns a client of it. path may be empty.
func open(t *testing.T, l *loner, path string) *admin.Client {
	t.Helper()
	ln, err := admin.Listen(path, l.id, l.name)
	if err != nil {
		t.Fatal(err)
	}
	s := &admin.Server{Node: l, Listener: ln}
	s.Start()
	t.Cleanup(s.Close)
	c := admin.Open(ln.Addr().String())
	t.Cleanup(c.Close)
	return c
}

// shortDir is a directory whose name leaves room for a socket's, and the
// directory of everybody's sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	return dir
}

// kinds are the two ways to be reached.
var kinds = []string{"x.sock", "x.token"}

func TestDocumentsAndErrorsTravel(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			dir := shortDir(t)
			l := newLoner("a")
			c := open(t, l, filepath.Join(dir, kind))
			ctx := t.Context()
			if s, err := c.Status(ctx); err != nil || s.Name != "a" || s.Generation != 7 {
				t.Errorf("Status() = %+v, %v", s, err)
			}
			if m, err := c.Members(ctx); err != nil || len(m.Members) != 1 || m.Schema != admin.Schema {
				t.Errorf("Members() = %+v, %v", m, err)
			}
			if p, err := c.Ports(ctx, admin.NetOpen, "b c"); err != nil || p.Ports[0].Name != "b c" || p.Ports[0].Network != admin.NetOpen {
				t.Errorf("Ports() = %+v, %v", p, err)
			}
			if p, err := c.Peers(ctx, admin.NetCluster); err != nil || p.Peers[0].Network != admin.NetCluster {
				t.Errorf("Peers() = %+v, %v", p, err)
			}
			if _, err := c.Peers(ctx, "nonsense"); exit.CodeOf(err) != exit.Usage {
				t.Errorf("Peers(nonsense) = %v, want usage", err)
			}
			_, err := c.Ping(ctx, admin.Target{Peer: "nobody"}, time.Second)
			var known *exit.Error
			if !errors.As(err, &known) || known.Code != exit.NotFound || known.Hint != "kith members" || err.Error() != `no member "nobody"` {
				t.Errorf("Ping(nobody) = %v", err)
			}
			if _, err := c.Ping(ctx, admin.Target{Peer: "self"}, time.Millisecond); exit.CodeOf(err) != exit.Timeout {
				t.Errorf("Ping(self) = %v, want a timeout", err)
			}
			if err := c.Leave(ctx); err != nil {
				t.Error(err)
			}
			select {
			case <-l.left:
			default:
				t.Error("Leave did not reach the node")
			}
		})
	}
}

func TestStreams(t *testing.T) {
	shortDir(t)
	c := open(t, newLoner("a"), "")
	var got []string
	for e, err := range c.Events(t.Context()) {
		got = append(got, fmt.Sprint(e.Text, " ", exit.CodeOf(err)))
	}
	if text := strings.Join(got, "|"); text != "b joined 0| 4" { // the node ends the stream
		t.Errorf("Events gave %q", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for m, err := range c.Watch(ctx) {
		if n++; n == 2 {
			cancel()
		}
		if n == 3 && !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v, want canceled", err)
		}
		if n == 1 && len(m.Members) != 1 {
			t.Errorf("Watch gave %v first", m)
		}
	}
	if n != 3 {
		t.Errorf("Watch gave %d times, want 3", n)
	}
}

// attach serves a port with h until stop is called, which returns what Serve did.
func attach(t *testing.T, c *admin.Client, number uint16, workers int, h func(context.Context, admin.Network, *port.Message) ([]byte, error)) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Serve(ctx, admin.Service{Port: number, Mode: port.Request, Workers: workers, Handle: h, Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	return func() error { cancel(); return <-done }
}

func TestServe(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c := open(t, newLoner("a"), filepath.Join(shortDir(t), kind))
			stop := attach(t, c, 8080, 2, func(_ context.Context, net admin.Network, m *port.Message) ([]byte, error) {
				if net != admin.NetOpen || m.Index != 3 || m.From.Generation != 7 || m.From.ID != (node.ID{9}) || m.Port != 8080 {
					return nil, fmt.Errorf("index %d of %v to %d", m.Index, m.From, m.Port)
				}
				if len(m.Data) == 0 {
					return nil, errors.New("nothing?\n& more")
				}
				return append(m.Data, 0, '\n'), nil
			})
			if err := c.Serve(t.Context(), admin.Service{Port: 8080, Mode: port.Send}); exit.CodeOf(err) != exit.Refused {
				t.Errorf("a second program at the port: %v, want refused", err)
			}
			large := bytes.Repeat([]byte{0, 1, 0xff}, 4<<20)
			for _, data := range [][]byte{[]byte("hello"), large} {
				reply, err := c.Call(t.Context(), admin.Target{Peer: "self", Port: 8080}, data, time.Minute)
				if err != nil || !bytes.Equal(reply, append(data, 0, '\n')) {
					t.Errorf("Call with %d bytes: %d bytes, %v", len(data), len(reply), err)
				}
			}
			if _, err := c.Call(t.Context(), admin.Target{Peer: "self", Port: 8080}, nil, time.Minute); err == nil || err.Error() != "nothing?\n& more" {
				t.Errorf("the handler's error came back as %v", err)
			}
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("Serve = %v, want canceled", err)
			}
			for range 100 { // the node learns it when the connection has ended
				if _, err := c.Call(t.Context(), admin.Target{Peer: "self", Port: 8080}, nil, time.Minute); exit.CodeOf(err) == exit.NotFound {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("the port is still served")
		})
	}
}

func TestAProgramThatIsSlow(t *testing.T) {
	shortDir(t)
	l := newLoner("a")
	c := open(t, l, "")
	started, canceled := make(chan struct{}), make(chan struct{})
	stop := attach(t, c, 1, 1, func(ctx context.Context, _ admin.Network, m *port.Message) ([]byte, error) {
		close(started)
		<-ctx.Done()
		close(canceled)
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make(chan error, 200)
	call := func() { _, err := l.Call(ctx, admin.Target{Peer: "self", Port: 1}, nil); results <- err }
	go call()
	<-started
	for range 65 { // 64 may wait for the one worker
		go call()
	}
	if err := <-results; !errors.Is(err, port.ErrBusy) {
		t.Errorf("one more than may wait got %v, want busy", err)
	}
	cancel()
	for range 65 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("Call = %v, want canceled", err)
		}
	}
	<-canceled // the program was told
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve = %v", err)
	}
}

func TestJobsOfAProgramThatDiesFail(t *testing.T) {
	shortDir(t)
	l := newLoner("a")
	c := open(t, l, "")
	started := make(chan struct{})
	stop := attach(t, c, 1, 1, func(ctx context.Context, _ admin.Network, m *port.Message) ([]byte, error) {
		close(started)
		<-ctx.Done()
		return nil, nil
	})
	result := make(chan error, 1)
	go func() {
		_, err := l.Call(context.Background(), admin.Target{Peer: "self", Port: 1}, nil)
		result <- err
	}()
	<-started
	_ = stop()
	if err := <-result; err == nil {
		t.Error("the call has a reply, want an error")
	}
}

func TestFind(t *testing.T) {
	dir := shortDir(t)
	ctx := t.Context()
	if _, err := admin.Find(ctx, ""); exit.CodeOf(err) != exit.NoNode {
		t.Errorf("Find with nobody there: %v", err)
	}
	open(t, newLoner("a"), "")
	if c, err := admin.Find(ctx, ""); err != nil {
		t.Errorf("Find with one there: %v", err)
	} else {
		c.Close()
	}
	open(t, newLoner("b"), "")
	elsewhere := filepath.Join(dir, "elsewhere.sock")
	open(t, newLoner("c"), elsewhere)
	t.Chdir(dir)
	token := "t.token" // known by its ending
	open(t, newLoner("t"), token)
	_, err := admin.Find(ctx, "")
	if exit.CodeOf(err) != exit.Usage || !strings.Contains(err.Error(), filepath.Join(dir, "kith", "a.sock")) || !strings.Contains(err.Error(), "b.sock  b") {
		t.Errorf("Find with two there: %v", err)
	}
	for which, want := range map[string]string{"b": "b", "id-of-a": "a", elsewhere: "c", admin.DefaultPath("b"): "b", token: "t"} {
		c, err := admin.Find(ctx, which)
		if err != nil {
			t.Errorf("Find(%s): %v", which, err)
			continue
		}
		if s, err := c.Status(ctx); err != nil || s.Name != want {
			t.Errorf("Find(%s) = %s, %v; want %s", which, s.Name, err, want)
		}
		c.Close()
	}
	for _, which := range []string{"z", filepath.Join(dir, "z.sock")} {
		if _, err := admin.Find(ctx, which); exit.CodeOf(err) != exit.NoNode {
			t.Errorf("Find(%s) = %v, want no node", which, err)
		}
	}
}

func TestNobodyElseMayCall(t *testing.T) {
	dir := shortDir(t)
	open(t, newLoner("a"), "")
	for path, want := range map[string]fs.FileMode{filepath.Join(dir, "kith"): 0o700, admin.DefaultPath("a"): 0o600} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
	token := filepath.Join(dir, "t.token")
	open(t, newLoner("t"), token)
	if info, err := os.Lstat(token); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", token, info, err)
	}
	data, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), `"address":"`)
	addr, _, _ := strings.Cut(rest, `"`)
	r, err := http.Get("http://" + addr + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusConflict {
		t.Errorf("without the token: %s", r.Status)
	}
	if err := os.Chmod(filepath.Join(dir, "kith"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Errorf("Find in a directory that is open to others: %v", err)
	}
	if _, err := admin.Listen("", "id", "x"); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Errorf("Listen in a directory that is open to others: %v", err)
	}
}

func TestListenAgain(t *testing.T) {
	dir := shortDir(t)
	for _, kind := range kinds {
		path := filepath.Join(dir, kind)
		first, err := admin.Listen(path, "id-of-a", "a")
		if err != nil {
			t.Fatal(err)
		}
		s := &admin.Server{Node: newLoner("a"), Listener: first}
		s.Start()
		if _, err := admin.Listen(path, "id-of-b", "b"); err == nil || !strings.Contains(err.Error(), "node a (id-of-a) listens there") {
			t.Errorf("another node at %s: %v", kind, err)
		}
		c := open(t, newLoner("a"), path) // the same node, a newer run
		s.Close()
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("after the older run's end: %v", err)
		}
	}
	plain := filepath.Join(dir, "plain.sock")
	if err := os.WriteFile(plain, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(plain, "id", "x"); err == nil {
		t.Error("Listen took the place of a file")
	}
	if _, err := admin.Listen(filepath.Join(dir, strings.Repeat("x", 90), "s.sock"), "id", "x"); err == nil || !strings.Contains(err.Error(), "may have") {
		t.Errorf("Listen at a long path: %v", err)
	}
}

func TestStaleSocketsAreRemoved(t *testing.T) {
	shortDir(t)
	open(t, newLoner("a"), "")
	stale := admin.DefaultPath("old")
	if err := os.Rename(admin.DefaultPath("a"), stale); err != nil { // somebody listens, so it stays
		t.Fatal(err)
	}
	open(t, newLoner("b"), "")
	if _, err := os.Lstat(stale); err != nil {
		t.Errorf("a socket in use: %v", err)
	}
	ln, err := admin.Listen("", "id", "c")
	if err != nil {
		t.Fatal(err)
	}
	gone := ln.Addr().String()
	if err := os.Rename(gone, gone+".sock"); err != nil { // as after a kill
		t.Fatal(err)
	}
	ln.Close()
	open(t, newLoner("d"), "")
	if _, err := os.Lstat(gone + ".sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a socket of nobody is still there: %v", err)
	}
}

func TestALongPathHasNoSocket(t *testing.T) {
	long := filepath.Join(shortDir(t), strings.Repeat("x", 90))
	t.Setenv("XDG_RUNTIME_DIR", long)
	c := open(t, newLoner("a"), "")
	if s, err := c.Status(t.Context()); err != nil || s.Name != "a" {
		t.Errorf("Status = %+v, %v", s, err)
	}
	if found, err := admin.Find(t.Context(), ""); err != nil || found.Path() != c.Path() {
		t.Errorf("Find = %v, %v", found, err)
	}
}
