// Package filter turns a command into the handler of a port: the message is the
// command's standard input, what it writes to standard output is the reply.
//
// Start with [Command]. A command gets the environment of this process and
// KITH_NETWORK, KITH_FROM, KITH_PORT, KITH_MODE and KITH_INDEX. Its standard error is read,
// and of that the last line is what the caller is told if the command fails.
package filter

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"kith/port"
)

// maxReply bounds what a command may write: the largest that a port can carry
// by default. The command is ended when it writes more.
const maxReply = 16 << 20

// maxComplaint is how much of the end of standard error is kept.
const maxComplaint = 4 << 10

// killDelay is how long a command has after it was asked to end.
const killDelay = 2 * time.Second

// Workers is how many commands of one port run at once unless something else is
// asked for.
func Workers() int { return 4 * runtime.GOMAXPROCS(0) }

// A Command is a port's handler that runs a program for each message.
type Command struct {
	// Args are the program and its arguments. No shell is asked.
	Args []string
	// Slots bounds how many run at once; a message more waits, as many as
	// Waiting, and one more than that is refused as busy. Make it with NewSlots.
	// Nil means no bound, which is for those who bound it elsewhere.
	Slots *Slots
	// Network is what the command is told of where the message has come from:
	// "open", or "cluster" if it is empty.
	Network string
}

// Check says what is wrong with the command without running it.
func (c Command) Check() error {
	_, err := exec.LookPath(c.Args[0])
	return err
}

// Handle runs the command once. The error is the last line of what it wrote to
// standard error, or what happened to it.
func (c Command) Handle(ctx context.Context, m *port.Message) ([]byte, error) {
	if c.Slots != nil {
		if err := c.Slots.take(ctx); err != nil {
			return nil, err
		}
		defer c.Slots.give()
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	out, complaint := &limited{limit: maxReply}, &tail{limit: maxComplaint}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(bytes.Clone(m.Data)), out, complaint // the pipe may be read until killDelay has passed
	cmd.Env = append(os.Environ(), "KITH_NETWORK="+cmp.Or(c.Network, "cluster"), "KITH_FROM="+c.from(m), fmt.Sprintf("KITH_PORT=%d", m.Port), "KITH_MODE="+m.Mode.String(), fmt.Sprintf("KITH_INDEX=%d", m.Index))
	own(cmd)
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case out.over:
		return nil, fmt.Errorf("%s wrote more than %d bytes", c.Args[0], maxReply)
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return out.data, nil
	}
	if line := complaint.lastLine(); line != "" {
		return nil, errors.New(line)
	}
	return nil, fmt.Errorf("%s: %w", c.Args[0], err)
}

// from names the sender as the commands of its network do.
func (c Command) from(m *port.Message) string {
	if c.Network == "open" {
		return m.From.ID.Hex()
	}
	return m.From.String()
}

// limited keeps what is written, up to a limit.
type limited struct {
	data  []byte
	limit int
	over  bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.data)+len(p) > l.limit; l.over {
		return 0, errors.New("too much")
	}
	l.data = append(l.data, p...)
	return len(p), nil
}

// tail keeps the end of what is written.
type tail struct {
	data  []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - t.limit; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) lastLine() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.data), "?")), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
