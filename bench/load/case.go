package load

import (
	"fmt"
	"strings"
	"time"
)

// A Kind is what is done in a Case.
type Kind string

// The kinds of load.
const (
	Echo     Kind = "echo"     // every caller sends, waits for the reply, sends
	Mixed    Kind = "mixed"    // one caller of Echo while BulkStreams streams carry bulk
	OneWay   Kind = "oneway"   // one sender, no replies, a handler call each
	Datagram Kind = "datagram" // one sender, messages may get lost
)

// A Case is one row of the tables.
type Case struct {
	Kind Kind `json:"kind"`
	// Size is the length of a payload in bytes.
	Size int `json:"size"`
	// Callers is how many send at once on one connection. Zero means one.
	Callers int `json:"callers,omitempty"`
	// InFlight bounds datagrams that are under way. Zero means no bound.
	InFlight int `json:"in_flight,omitempty"`
	// TwoProcesses puts the server into a process of its own.
	TwoProcesses bool `json:"two_processes,omitempty"`
	// Open is for the systems of open networks.
	Open bool `json:"open,omitempty"`
	// Work is which piece of work, with the kind of that name.
	Work string `json:"work,omitempty"`
}

// Name is unique among cases: "echo/64B/64", "2p/echo/1KiB/1",
// "datagram/64B/blast", "rlpx/oneway/256B", "rlp/header/encode".
func (c Case) Name() string {
	switch c.Kind {
	case Work:
		return c.Work
	case Idle:
		return "rlpx/idle"
	}
	parts := []string{string(c.Kind), Size(c.Size)}
	switch c.Kind {
	case Echo:
		parts = append(parts, fmt.Sprint(max(1, c.Callers)))
	case Datagram:
		if c.InFlight == 0 {
			parts = append(parts, "blast")
		} else {
			parts = append(parts, fmt.Sprint("flight", c.InFlight))
		}
	}
	if c.TwoProcesses {
		parts = append([]string{"2p"}, parts...)
	}
	if c.Open {
		parts = append([]string{"rlpx"}, parts...)
	}
	return strings.Join(parts, "/")
}

// Size writes a number of bytes as the case names do.
func Size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// A Span is how long a case runs.
type Span struct {
	// Warm comes first and is not counted.
	Warm time.Duration `json:"warm"`
	// Time is measured.
	Time time.Duration `json:"time"`
}

// of stretches a span for a case: few small requests get through beside bulk.
func (s Span) of(c Case) Span {
	if c.Kind == Mixed {
		return Span{3 * s.Warm, 3 * s.Time}
	}
	return s
}

// limit is when a run that does not come to its end is given up.
func (s Span) limit() time.Duration { return s.Warm + 2*s.Time + 30*time.Second }

// Cases is every case, in the order of the tables.
func Cases() []Case {
	echoes := []Case{
		{Size: 64, Callers: 1},
		{Size: 64, Callers: 64},
		{Size: 64, Callers: 512},
		{Size: 1 << 10, Callers: 1},
		{Size: 1 << 10, Callers: 64},
		{Size: 1 << 10, Callers: 512},
		{Size: 64 << 10, Callers: 1},
		{Size: 64 << 10, Callers: 64},
		{Size: 1 << 20, Callers: 1},
		{Size: 1 << 20, Callers: 64},
	}
	var cases []Case
	for _, two := range []bool{false, true} {
		for _, c := range echoes {
			c.Kind, c.TwoProcesses = Echo, two
			cases = append(cases, c)
		}
	}
	cases = append(cases, Case{Kind: Mixed, Size: 64})
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		cases = append(cases, Case{Kind: OneWay, Size: size})
	}
	for _, size := range []int{64, 1 << 10} {
		for _, flight := range []int{0, 64, 1024} {
			cases = append(cases, Case{Kind: Datagram, Size: size, InFlight: flight})
		}
	}
	return append(cases, OpenCases()...)
}
