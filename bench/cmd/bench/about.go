package main

import (
	"context"
	_ "embed"
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// note is what there is to say about the findings. It goes on the page.
//
//go:embed note.md
var note string

// about says where and of what the run was.
func about(ctx context.Context) []string {
	facts := []string{
		"Measured on " + time.Now().UTC().Format(time.DateOnly) + ".",
		fmt.Sprintf("%d cores, %s/%s, %s.", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		"Loopback, one connection, mutual TLS 1.3 with ed25519 certificates; RLPx in open networks.",
	}
	return append(facts, "Versions: "+strings.Join(versions(ctx), ", ")+".")
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
	if fields := listed(ctx, "libp2p", "github.com/libp2p/go-libp2p", "github.com/quic-go/quic-go"); len(fields) == 4 {
		all = append(all, fmt.Sprintf("%s %s (with its quic-go %s)", fields[0], fields[1], fields[3]))
	}
	if fields := listed(ctx, "geth", "github.com/ethereum/go-ethereum"); len(fields) == 2 {
		all = append(all, strings.Join(fields, " "))
	}
	return all
}

// listed gives the words that go says about modules that one of ours requires:
// path and version of each.
func listed(ctx context.Context, dir string, modules ...string) []string {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-C", dir, "-m"}, modules...)...).Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}
