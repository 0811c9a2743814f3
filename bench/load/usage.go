//go:build unix

package load

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Usage is what a process has spent since it began.
type Usage struct {
	CPU    time.Duration `json:"cpu"`    // user and system
	Allocs uint64        `json:"allocs"` // objects on the heap
}

// Spent reads the usage of this process.
func Spent() (Usage, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return Usage{}, fmt.Errorf("load: getrusage: %w", err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()), Allocs: m.Mallocs}, nil
}

func (u Usage) plus(v Usage) Usage { return Usage{u.CPU + v.CPU, u.Allocs + v.Allocs} }

func (u Usage) minus(v Usage) Usage { return Usage{u.CPU - v.CPU, u.Allocs - v.Allocs} }
