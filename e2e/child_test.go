package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A child is a process of ours. What it writes to standard error is its log.
type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	log   *logbook
	said  *logbook // standard output, if the process has no role
	in    io.WriteCloser
	out   *json.Decoder // standard output, if it has one
	ended chan struct{} // closed when the process has been waited for
	mu    sync.Mutex    // one question at a time
}

// A logbook keeps what is written to it.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// end is what was written last.
func (l *logbook) end() string {
	const most = 4096
	s := l.String()
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}

// line is the first line that has all the words.
func (l *logbook) line(words ...string) string {
next:
	for line := range strings.Lines(l.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		return line
	}
	return ""
}

// roleCommand is the command line of a child of this binary.
func roleCommand(t testing.TB, role string, arg any) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(arg)
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, "role", role, string(b)}
}

// launch starts a command. It is killed at the end of the test at the latest.
func launch(t testing.TB, attr *syscall.SysProcAttr, argv ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(argv[0], argv[1:]...), log: new(logbook), said: new(logbook), ended: make(chan struct{})}
	c.cmd.Stdout = c.said
	c.start(attr)
	return c
}

// launchRole starts this binary in a role, on a host of a lab if h is not nil.
func launchRole(t testing.TB, h *host, attr *syscall.SysProcAttr, role string, arg any) *child {
	t.Helper()
	argv := roleCommand(t, role, arg)
	if h != nil {
		argv = append(enter(h.pid), argv...)
	}
	c := &child{t: t, cmd: exec.Command(argv[0], argv[1:]...), log: new(logbook), ended: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c.cmd.Stdout, c.out = w, json.NewDecoder(r)
	c.start(attr)
	w.Close()
	return c
}

func (c *child) start(attr *syscall.SysProcAttr) {
	c.t.Helper()
	if attr == nil {
		attr = new(syscall.SysProcAttr)
	}
	dieWithUs(attr)
	c.cmd.SysProcAttr = attr
	c.cmd.Stderr = c.log
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		c.cmd.Wait()
		close(c.ended)
	})
	c.t.Cleanup(func() {
		c.kill()
		waiting.Wait()
		if c.t.Failed() {
			c.t.Logf("log of process %d:\n%s", c.cmd.Process.Pid, c.log.end())
		}
	})
}

// signal sends one to the process.
func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// kill is kill -9, and waits.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
}

// exit waits for the process to end by itself and returns its exit code.
func (c *child) exit(limit time.Duration) int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(limit):
		c.t.Fatalf("%v still runs after %v", c.cmd.Args, limit)
	}
	return c.cmd.ProcessState.ExitCode()
}

// read waits for the next JSON value on standard output.
func (c *child) read(into any) {
	c.t.Helper()
	got := make(chan error, 1)
	go func() { got <- c.out.Decode(into) }() // ends with the process, which the test kills
	select {
	case err := <-got:
		if err != nil {
			c.t.Fatalf("reading from child: %v\n%s", err, c.log.end())
		}
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("child says nothing\n%s", c.log.end())
	}
}

// ask sends one question and waits for its answer.
func (c *child) ask(q question) answer {
	c.t.Helper()
	a := c.try(q)
	if a.Err != "" {
		c.t.Fatalf("%s: %s", q.Do, a.Err)
	}
	return a
}

// try is ask that may get an error for an answer.
func (c *child) try(q question) (a answer) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(q)
	c.read(&a)
	return a
}

// tell is ask of a child that may end instead of answering.
func (c *child) tell(q question) {
	c.t.Helper()
	if err := json.NewEncoder(c.in).Encode(q); err != nil {
		c.t.Fatalf("telling child: %v\n%s", err, c.log.end())
	}
}
