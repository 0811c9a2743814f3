// Command geth is go-ethereum's p2p package as a system for bench, which starts
// it and has it measure cases: orders and findings are lines on stdin and stdout.
package main

import (
	"fmt"
	"os"

	"kith/bench/load"
)

func main() {
	if err := load.Answer(system{}, nil, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "geth:", err)
		os.Exit(1)
	}
}
