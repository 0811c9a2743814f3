//go:build unix

package port

import (
	"syscall"
	"testing"
)

// cpu reports the CPU time of an operation, both ends and the kernel included:
// on a busy machine it says more than the time that passed.
func cpu(b *testing.B) func() {
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/float64(b.N), "cpu-ns/op") }
}

func used() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
