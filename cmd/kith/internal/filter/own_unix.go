//go:build unix

package filter

import (
	"os/exec"
	"syscall"
)

// own gives the command a process group, so that what it has started ends with
// it and a Ctrl-C at our terminal is ours alone.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
