package e2e

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// dieWithUs makes the system kill a child whose parent has gone.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

func namespaceOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
}

// peakMemory is the most that this process has had in memory, in bytes.
func peakMemory() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			n, _ := strconv.ParseUint(string(bytes.Fields(rest)[0]), 10, 64)
			return n << 10
		}
	}
	return 0
}

// descriptors is how many files and sockets this process has open.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// pause stops the process where it is, until resume.
func (c *child) pause() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
}

func (c *child) resume() {
	c.t.Helper()
	c.signal(syscall.SIGCONT)
}
