package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Elsewhere is a System whose server runs in a process of its own: Command
// makes it, and the process calls ServeHere. They speak in lines of JSON: the
// server says its address; each empty line from us is answered with its Usage;
// the end of its input tells it to close.
type Elsewhere struct {
	System
	Command func() *exec.Cmd
}

type greeting struct {
	Addr string `json:"addr"`
	Err  string `json:"err,omitempty"`
}

// Serve starts the process and waits for its address.
func (e Elsewhere) Serve(*Identity) (Server, error) {
	p, err := startProcess(e.Command())
	if err != nil {
		return nil, err
	}
	var hello greeting
	if err := p.read(&hello); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if hello.Err != "" {
		return nil, errors.Join(errors.New(hello.Err), p.Close())
	}
	return &farServer{process: p, addr: hello.Addr}, nil
}

// ServeHere is what the other process does: it serves the system until in ends.
func ServeHere(sys System, id *Identity, in io.Reader, out io.Writer) error {
	enc := json.NewEncoder(out)
	srv, err := sys.Serve(id)
	if err != nil {
		return errors.Join(err, enc.Encode(greeting{Err: err.Error()}))
	}
	err = enc.Encode(greeting{Addr: srv.Addr()})
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var used Usage
		if used, err = Spent(); err == nil {
			err = enc.Encode(used)
		}
	}
	return errors.Join(err, srv.Close())
}

// farServer is a Server in another process.
type farServer struct {
	*process
	addr string
}

func (s *farServer) Addr() string     { return s.addr }
func (s *farServer) Delivered() int64 { return 0 }
func (s *farServer) Mangled() int64   { return 0 }

// Until has nothing to wait for: Delivered is not known here.
func (s *farServer) Until(_ int64, most time.Duration) { time.Sleep(most) }

// Usage asks the process what it has spent.
func (s *farServer) Usage() (used Usage, err error) {
	if err = s.write(nil); err == nil {
		err = s.read(&used)
	}
	return used, err
}

// A process is a child that speaks lines on its input and output.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
	shut  func() error
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("load: start %s: %w", cmd.Path, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load: start %s: %w", cmd.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("load: start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, in: in, lines: bufio.NewReader(out)}
	p.shut = sync.OnceValue(p.end)
	return p, nil
}

// write sends a line; nil sends an empty one.
func (p *process) write(v any) error {
	var b []byte
	if v != nil {
		var err error
		if b, err = json.Marshal(v); err != nil {
			return fmt.Errorf("load: write to %s: %w", p.cmd.Path, err)
		}
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("load: write to %s: %w", p.cmd.Path, err)
	}
	return nil
}

func (p *process) read(v any) error {
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("load: read from %s: %w", p.cmd.Path, err)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("load: read from %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Close ends the process, by force after five seconds.
func (p *process) Close() error { return p.shut() }

func (p *process) end() error {
	p.in.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("load: %s: %w", p.cmd.Path, err)
	}
	return nil
}
