package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/admin"
)

// goodbye is how long a node has to leave; it needs two seconds at most.
const goodbye = 10 * time.Second

// A member is one node of the demo: a process, and how it is reached.
type member struct {
	name   string
	config string // path
	admin  string // path
	seed   string

	process *exec.Cmd
	stdin   io.WriteCloser // the process stops when it is closed
	exited  chan struct{}  // closed when the process has ended
	exit    error          // how, once exited is closed
	said    *tail          // the end of what it wrote
	client  *admin.Client
	status  admin.Status // as it was when it had started
}

func (m *member) writeConfig(dir string) error {
	files := cert.Dir{Path: dir}
	conf := map[string]any{
		"ca_cert_file": files.CAPath(), "cert_file": files.CertPath(m.name), "key_file": files.KeyPath(m.name),
		"local_host": "127.0.0.1:0", "seed_host": m.seed,
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, m.name+".json"), text, 0o600)
}

// run starts the process.
func (m *member) run(program string) error {
	m.process = exec.Command(program, "up", "-c", m.config, "--admin", m.admin, "--while-stdin")
	m.said = new(tail)
	m.process.Stdout, m.process.Stderr = m.said, m.said
	apart(m.process)
	var err error
	if m.stdin, err = m.process.StdinPipe(); err != nil {
		return err
	}
	if err := m.process.Start(); err != nil {
		return err
	}
	m.exited = make(chan struct{})
	m.client = admin.Open(m.admin)
	process, exited := m.process, m.exited
	go func() { // ends with the process, which stop waits for
		m.exit = process.Wait()
		close(exited)
	}()
	return nil
}

// answers tells whether the node is up, and notes what it says.
func (m *member) answers(ctx context.Context) (bool, error) {
	status, err := m.client.Status(ctx)
	if err != nil || status.Listening == "" {
		return false, nil
	}
	m.status = status
	return true, nil
}

// count says how many members it sees in a state.
func (m *member) count(ctx context.Context, state string) (n int, err error) {
	doc, err := m.client.Members(ctx)
	for _, other := range doc.Members {
		if other.State == state {
			n++
		}
	}
	return n, err
}

// sees is another member as this one has it.
func (m *member) sees(ctx context.Context, id string) (admin.Member, bool) {
	doc, _ := m.client.Members(ctx) // an error is as good as not seeing it
	for _, other := range doc.Members {
		if other.ID == id {
			return other, true
		}
	}
	return admin.Member{}, false
}

// failed tells of a process that ended though nobody asked it to.
func (m *member) failed() error {
	if m.process == nil {
		return nil
	}
	select {
	case <-m.exited:
		return fmt.Errorf("demo: node %s has ended: %v; it said:\n%s", m.name, m.exit, m.said)
	default:
		return nil
	}
}

// kill ends the process as a crash would.
func (m *member) kill() error {
	if err := m.process.Process.Kill(); err != nil {
		return fmt.Errorf("demo: kill %s: %w", m.name, err)
	}
	<-m.exited
	m.stdin.Close()
	m.client.Close()
	m.process = nil
	return nil
}

// stop asks the process to leave, and kills it if it does not.
func (m *member) stop() error {
	if m.process == nil {
		return nil
	}
	defer m.client.Close()
	m.stdin.Close()
	select {
	case <-m.exited:
	case <-time.After(goodbye):
		return errors.Join(fmt.Errorf("demo: node %s did not stop within %v; it said:\n%s", m.name, goodbye, m.said), m.kill())
	}
	if m.exit != nil {
		return fmt.Errorf("demo: node %s ended with %v; it said:\n%s", m.name, m.exit, m.said)
	}
	return nil
}

// A tail keeps the end of what is written. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex // guards data
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - most; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}
