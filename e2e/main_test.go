package e2e

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roles are what this binary does when it is started as a child, "role NAME
// JSON". Each ends when its standard input does, so that no child outlives the
// test.
var roles = map[string]func(arg string) error{
	"hold":   hold,
	"peer":   playPeer,
	"soaker": playSoaker,
}

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "role" {
		if err := roles[os.Args[2]](os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	flag.Parse()
	// The parallel tests spend their time waiting for the protocol's own times.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(programDir)
		os.Exit(code)
	}))
}

// hold keeps a namespace.
func hold(string) error {
	fmt.Println("{}")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// long tells whether there is an hour of time.
func long() bool { return os.Getenv("KITH_LONG") != "" }

// eventually waits for something that other processes do and returns how long it
// took.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond) // another process is looked at: there is nothing to wait on
	}
	return time.Since(began)
}

// soon bounds what a machine under any load manages.
const soon = 30 * time.Second
