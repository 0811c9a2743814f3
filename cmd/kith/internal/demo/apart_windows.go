package demo

import (
	"os/exec"
	"syscall"
)

// apart keeps a Ctrl-C at our console from the process: it is for us.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
