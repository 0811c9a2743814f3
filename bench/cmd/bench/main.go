// Command bench measures Kith beside its peers, in interleaved rounds, and
// prints how they compare. Run it in the directory of its module:
//
//	go run ./cmd/bench                              everything, some minutes
//	go run ./cmd/bench -rounds 1 -only 'echo/64B'   a part of it
//	go run ./cmd/bench -check                       exit 1 if a target is missed
//	go run ./cmd/bench -write ../docs/BENCHMARKS.md
//
// -only is matched against "CASE SYSTEM", for example "echo/64B/64 grpc",
// "2p/echo/1MiB/1 kith", "datagram/1KiB/flight64 quic", "weight libp2p".
// Tables go to stdout, progress to stderr.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"

	"kith/bench/load"
	"kith/bench/report"
	"kith/bench/systems"
)

// settings are the flags.
type settings struct {
	rounds     int
	time, warm time.Duration
	only       *regexp.Regexp
	check      bool
	json       bool
	write      string
	serve, dir string
}

func main() {
	s, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if s.serve != "" {
		err = serve(s)
	} else {
		err = bench(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*settings, error) {
	s := new(settings)
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&s.rounds, "rounds", 5, "how often each case of each system runs")
	f.DurationVar(&s.time, "time", 350*time.Millisecond, "what is measured of each run")
	f.DurationVar(&s.warm, "warm", 0, "what comes before; 0 means a third of -time")
	f.Func("only", "run what this `regexp` matches in \"CASE SYSTEM\"", func(text string) (err error) {
		s.only, err = regexp.Compile(text)
		return err
	})
	f.BoolVar(&s.check, "check", false, "exit 1 if a target is missed")
	f.BoolVar(&s.json, "json", false, "print all results as JSON instead of tables")
	f.StringVar(&s.write, "write", "", "write the tables to this page")
	f.StringVar(&s.serve, "serve", "", "be the server process of this system (used by bench itself)")
	f.StringVar(&s.dir, "dir", "", "certificates of -serve")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || s.rounds < 1 || s.time <= 0 || s.warm < 0 {
		err := fmt.Errorf("bench: want no arguments, -rounds and -time above zero")
		fmt.Fprintln(os.Stderr, err)
		return nil, err
	}
	s.warm = cmp.Or(s.warm, s.time/3)
	return s, nil
}

// serve is the other process of a case with two.
func serve(s *settings) error {
	sys := systems.Named(s.serve)
	if sys == nil {
		return fmt.Errorf("no system is called %q", s.serve)
	}
	return load.ServeHere(sys, &load.Identity{Dir: s.dir}, os.Stdin, os.Stdout)
}

func bench(ctx context.Context, s *settings) error {
	tmp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	runners, err := s.runners(ctx, tmp)
	if err != nil {
		return err
	}
	plan := report.Plan{
		Runners: runners,
		Cases:   load.Cases(),
		Rounds:  s.rounds,
		Span:    load.Span{Warm: s.warm, Time: s.time},
		Only:    s.only,
		Did:     s.progress,
	}
	results := plan.Run(ctx)
	for _, r := range runners {
		err = errors.Join(err, r.Close())
	}
	for _, size := range []string{"64B", "1KiB"} {
		results = report.Best(results, "datagram/"+size)
	}
	results = append(results, s.weigh(ctx)...)
	if ctx.Err() != nil {
		return errors.Join(errors.New("interrupted"), err)
	}
	r := &report.Report{Command: s.command(), About: about(ctx), Note: note, Results: results}
	return errors.Join(err, s.show(r))
}

// command is what a reader types to repeat the run.
func (s *settings) command() string {
	words := []string{"go run ./cmd/bench"}
	for _, arg := range os.Args[1:] {
		if strings.ContainsAny(arg, " |()*$") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

func (s *settings) progress(r report.Result) {
	if r.Err != "" {
		fmt.Fprintf(os.Stderr, "%d/%d  %-24s %-10s FAILED: %s\n", r.Round+1, s.rounds, r.Case, r.System, r.Err)
		return
	}
	fmt.Fprintf(os.Stderr, "%d/%d  %-24s %-10s %10.0f/s  %10.2f µs CPU  %.1f cores\n",
		r.Round+1, s.rounds, r.Case, r.System, r.Values[load.Rate], r.Values[load.CPU], r.Values[load.Cores])
}
