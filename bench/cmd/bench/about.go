package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// about says where and of what the run was.
func about(ctx context.Context) []string {
	facts := []string{
		"Measured on " + time.Now().UTC().Format(time.DateOnly) + ".",
		fmt.Sprintf("%s, %d cores, %s/%s, %s.", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"Loopback, one connection, mutual TLS 1.3 with ed25519 certificates.",
	}
	return append(facts, "Versions: "+strings.Join(versions(ctx), ", ")+".")
}

// processor is its name as Linux knows it.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.Trim(name, "\t\n :")
			}
		}
	}
	return "unknown processor"
}

// versions lists those of the peers, the last one from its own module.
func versions(ctx context.Context) []string {
	peers := []string{
		"google.golang.org/grpc", "github.com/nats-io/nats-server/v2",
		"github.com/nats-io/nats.go", "github.com/quic-go/quic-go",
	}
	var all []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains(peers, m.Path) {
				all = append(all, m.Path+" "+m.Version)
			}
		}
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-C", "libp2p", "-m", "github.com/libp2p/go-libp2p", "github.com/quic-go/quic-go")
	if out, err := cmd.Output(); err == nil {
		fields := strings.Fields(string(out))
		if len(fields) == 4 {
			all = append(all, fmt.Sprintf("%s %s (with its quic-go %s)", fields[0], fields[1], fields[3]))
		}
	}
	return all
}
