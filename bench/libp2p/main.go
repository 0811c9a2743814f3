// Command libp2p is libp2p as a system for bench, which starts it and has it
// measure cases: orders and findings are lines on stdin and stdout.
package main

import (
	"fmt"
	"os"

	"kith/bench/load"
)

func main() {
	if err := load.Answer(system{}, nil, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "libp2p:", err)
		os.Exit(1)
	}
}
