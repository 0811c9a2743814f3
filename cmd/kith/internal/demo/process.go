package demo

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// goodbye is how long a node has to leave; it needs two seconds at most.
const goodbye = 10 * time.Second

// A process is this program, run as a node. It stops when its standard input
// ends.
type process struct {
	name   string
	out    io.Writer // gets what it writes to standard output; nil: said does
	cmd    *exec.Cmd // nil: it does not run
	stdin  io.WriteCloser
	exited chan struct{} // closed when it has ended
	exit   error         // how, once exited is closed
	said   *tail         // the end of what it wrote
}

func (p *process) run(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	p.said = new(tail)
	cmd.Stdout, cmd.Stderr = p.said, p.said
	if p.out != nil {
		cmd.Stdout = p.out
	}
	apart(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	p.cmd, p.stdin, p.exited = cmd, stdin, exited
	go func() { // ends with the process, which stop waits for
		p.exit = cmd.Wait()
		close(exited)
	}()
	return nil
}

// pid is the number of the process.
func (p *process) pid() int { return p.cmd.Process.Pid }

// failed tells of a process that ended though nobody asked it to.
func (p *process) failed() error {
	if p.cmd == nil {
		return nil
	}
	select {
	case <-p.exited:
		return fmt.Errorf("demo: node %s has ended: %v; it said:\n%s", p.name, p.exit, p.said)
	default:
		return nil
	}
}

// kill ends the process as a crash would.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("demo: kill %s: %w", p.name, err)
	}
	<-p.exited
	p.stdin.Close()
	p.cmd = nil
	return nil
}

// stop asks the process to leave, and kills it if it does not.
func (p *process) stop() error {
	if p.cmd == nil {
		return nil
	}
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(goodbye):
		return errors.Join(fmt.Errorf("demo: node %s did not stop within %v; it said:\n%s", p.name, goodbye, p.said), p.kill())
	}
	if p.exit != nil {
		return fmt.Errorf("demo: node %s ended with %v; it said:\n%s", p.name, p.exit, p.said)
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
