package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the command, built once for all tests that want it, in programDir.
var program = sync.OnceValues(func() (path string, err error) {
	if programDir, err = os.MkdirTemp("", "kith-e2e"); err != nil {
		return "", err
	}
	path = filepath.Join(programDir, "kith")
	if out, err := exec.Command("go", "build", "-o", path, "kith/cmd/kith").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

var programDir string // empty if nobody wanted it; to be removed after all tests

// A town is where members of a cluster live: a directory of certificates and
// configurations, and perhaps a lab.
type town struct {
	t    testing.TB
	kith string // the command
	dir  string
	lab  *lab // nil: all on loopback
}

// newTown needs certificates in dir.
func newTown(t testing.TB, l *lab, dir string) *town {
	t.Helper()
	kith, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, kith: kith, dir: dir, lab: l}
}

// A member is a run of "kith up".
type member struct {
	*child
	town *town
	name string
	host *host
	addr string
	sock string
	up   time.Time // when it said that it was ready
	id   string
	gen  uint64
}

// An event is what "kith up" tells of another member.
type event struct {
	Time       time.Time
	Kind, Name string
	Generation uint64
	Text       string
}

// A view is how "kith members" shows a node.
type view struct {
	ID, Name, Address, State string
	Generation               uint64
	Self                     bool
}

// config writes a member's configuration. more is further keys.
func (w *town) config(name, listen string, seeds []string, more map[string]any) string {
	w.t.Helper()
	doc := map[string]any{
		"ca_cert_file": filepath.Join(w.dir, "ca.pem"), "cert_file": filepath.Join(w.dir, name+".crt"),
		"key_file": filepath.Join(w.dir, name+".key"), "local_host": listen, "seeds": seeds,
	}
	for k, v := range more {
		doc[k] = v
	}
	b, err := json.Marshal(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, name+".json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// settle starts a member on a host of its own and waits until it is ready.
func (w *town) settle(name string, more map[string]any, seeds ...*member) *member {
	w.t.Helper()
	m := &member{town: w, name: name, sock: filepath.Join(w.dir, name+".sock")}
	listen := "127.0.0.1:0"
	if w.lab != nil {
		m.host = w.lab.host()
		listen = "0.0.0.0:38080"
	}
	addrs := []string{}
	for _, s := range seeds {
		addrs = append(addrs, s.addr)
	}
	w.config(name, listen, addrs, more)
	m.start()
	return m
}

// start runs the member's command and waits until it is ready.
func (m *member) start() {
	m.town.t.Helper()
	argv := []string{m.town.kith, "-o", "json", "up", "-c", filepath.Join(m.town.dir, m.name+".json"), "--admin", m.sock}
	if m.host != nil {
		m.child = m.host.launch(argv...)
	} else {
		m.child = launch(m.town.t, nil, argv...)
	}
	m.ready()
}

func (m *member) ready() {
	m.town.t.Helper()
	var status struct {
		ID         string
		Generation uint64
		Listening  string
	}
	eventually(m.town.t, soon, m.name+" is ready", func() bool {
		select {
		case <-m.ended:
			m.town.t.Fatalf("%s has ended with %d:\n%s", m.name, m.cmd.ProcessState.ExitCode(), m.log.end())
		default:
		}
		line, _, whole := strings.Cut(m.said.String(), "\n")
		return whole && json.Unmarshal([]byte(line), &status) == nil
	})
	m.up, m.id, m.gen, m.addr = time.Now(), status.ID, status.Generation, status.Listening
	if m.host != nil {
		m.addr = fmt.Sprintf("%v:38080", m.host.addr)
	}
}

// events are what the member has told of another so far.
func (m *member) events(of string, kinds ...string) (all []event) {
	lines := strings.Split(m.said.String(), "\n")
	for _, line := range lines[1 : len(lines)-1] {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.town.t.Errorf("%s said %q: %v", m.name, line, err)
			continue
		}
		if e.Name == of && (len(kinds) == 0 || slices.Contains(kinds, e.Kind)) {
			all = append(all, e)
		}
	}
	return all
}

// A run is what a command has printed and ended with.
type run struct {
	out, err string
	code     int
}

// do runs the command beside a member.
func (m *member) do(args ...string) run {
	return m.town.do("", append([]string{"--node", m.sock}, args...)...)
}

// do runs the command to its end.
func (w *town) do(input string, args ...string) run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.kith, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		w.t.Fatalf("kith %v: %v", args, err)
	}
	return run{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ends wants a command to end with a code and to say some words, wherever.
func (r run) ends(t testing.TB, what string, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("%s ended with %d, want %d\n%s%s", what, r.code, code, r.out, r.err)
	}
	for _, w := range words {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("%s said nothing of %q:\n%s%s", what, w, r.out, r.err)
		}
	}
}

// members is what the member shows, by name.
func (m *member) members() map[string]view {
	m.town.t.Helper()
	r := m.do("members", "-o", "json")
	var doc struct{ Members []view }
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		m.town.t.Fatalf("members of %s: %v\n%s%s", m.name, err, r.out, r.err)
	}
	all := make(map[string]view)
	for _, v := range doc.Members {
		all[v.Name] = v
	}
	return all
}

// shows waits until the member shows each of these in a state.
func (m *member) shows(limit time.Duration, state string, names ...string) {
	m.town.t.Helper()
	var all map[string]view
	deadline := time.Now().Add(limit)
	for {
		all = m.members()
		wrong := slices.ContainsFunc(names, func(n string) bool { return all[n].State != state })
		switch {
		case !wrong:
			return
		case time.Now().After(deadline):
			m.town.t.Fatalf("%s does not show %v %s within %v: %+v", m.name, names, state, limit, all)
		}
		time.Sleep(50 * time.Millisecond) // another process is looked at
	}
}

// hears waits for an event about another member and returns it.
func (m *member) hears(limit time.Duration, of, kind string, after time.Time) event {
	m.town.t.Helper()
	var found event
	eventually(m.town.t, limit, fmt.Sprintf("%s hears of %s: %s", m.name, of, kind), func() bool {
		for _, e := range m.events(of, kind) {
			if e.Time.After(after) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}
