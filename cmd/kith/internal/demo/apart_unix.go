//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// apart keeps a Ctrl-C at our terminal from the process: it is for us.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
