package load

import (
	"maps"
	"time"
)

// A Metric names one measured value.
type Metric string

// What is measured. An operation is a request with its reply, or a message
// delivered.
const (
	Rate    Metric = "per_s"     // operations a second, by the wall clock
	CPU     Metric = "cpu_us"    // CPU microseconds of both ends an operation
	Allocs  Metric = "allocs"    // allocations of both ends an operation
	P50     Metric = "p50_us"    // median latency, microseconds
	P99     Metric = "p99_us"    // 99th percentile of it
	IdleP50 Metric = "idle_p50"  // Mixed: P50 before the bulk began
	IdleP99 Metric = "idle_p99"  // Mixed: P99 before the bulk began
	Bulk    Metric = "bulk_mb_s" // Mixed: megabytes (10^6) of bulk a second
	Loss    Metric = "loss"      // Datagram: share of the messages sent that never came
	Cores   Metric = "cores"     // CPU time over wall time: how much of the machine there was
)

// Values is what one run measured. A metric that does not apply is missing.
type Values map[Metric]float64

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// cost gives the values that every kind has: ops in the wall time at this usage.
func cost(ops int64, wall time.Duration, used Usage) Values {
	n := float64(max(1, ops))
	return Values{
		Rate:   float64(ops) / wall.Seconds(),
		CPU:    micros(used.CPU) / n,
		Allocs: float64(used.Allocs) / n,
		Cores:  used.CPU.Seconds() / wall.Seconds(),
	}
}

func (v Values) with(more Values) Values {
	maps.Copy(v, more)
	return v
}
