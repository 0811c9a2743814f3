package admin

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kith/cmd/kith/internal/exit"
)

// A found is a node that answers.
type found struct {
	client *Client
	status Status
}

// Find opens the node that the command means: by the path of its socket, by its
// name, by its id or the start of one, or with empty text the only one that
// runs.
func Find(ctx context.Context, which string) (*Client, error) {
	if strings.ContainsAny(which, `/\`) || filepath.Ext(which) == socketExt || filepath.Ext(which) == tokenExt || isSocket(which) {
		return open(ctx, which)
	}
	all, err := running(ctx)
	if err != nil {
		return nil, exit.Errorf(exit.NoNode, "kith up -c FILE --admin PATH, and then kith --node PATH …", "no node can be found: %w", err)
	}
	var hits []found
	for _, f := range all {
		if which == "" || f.status.Name == which || strings.HasPrefix(f.status.ID, which) {
			hits = append(hits, f)
			continue
		}
		f.client.Close()
	}
	if len(hits) == 1 {
		return hits[0].client, nil
	}
	for _, f := range hits {
		f.client.Close()
	}
	return nil, ambiguous(which, hits, all)
}

func ambiguous(which string, hits, all []found) error {
	switch {
	case len(all) == 0:
		return exit.Errorf(exit.NoNode, "kith up -c FILE runs one; kith --node PATH names the socket of one", "no running node: nothing answers in %s", Dir())
	case len(hits) == 0:
		return exit.Errorf(exit.NoNode, "kith --node "+all[0].client.path+" …", "no running node %q; there %s:\n%s", which, are(len(all)), list(all))
	}
	name := hits[0].status.Name
	if slices.ContainsFunc(hits[1:], func(f found) bool { return f.status.Name == name }) {
		name = hits[0].client.path
	}
	return exit.Errorf(exit.Usage, "kith --node "+name+" …", "several nodes run here; --node must say which:\n%s", list(hits))
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func list(all []found) string {
	var lines []string
	for _, f := range all {
		lines = append(lines, fmt.Sprintf("%s  %s", f.client.path, f.status.Name))
	}
	return strings.Join(lines, "\n")
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// open is for a path that somebody has given.
func open(ctx context.Context, path string) (*Client, error) {
	c := Open(path)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := c.Status(ctx); err != nil {
		c.Close()
		return nil, exit.Errorf(exit.NoNode, "kith up prints the path of its admin socket; kith status finds the nodes of this user", "no running node at %s: %w", path, err)
	}
	return c, nil
}

// running asks every socket of this user.
func running(ctx context.Context) ([]found, error) {
	all, err := paths()
	if err != nil {
		return nil, err
	}
	var out []found
	for _, path := range all {
		c := Open(path)
		one, cancel := context.WithTimeout(ctx, time.Second)
		status, err := c.Status(one)
		cancel()
		if err != nil {
			c.Close()
			continue
		}
		out = append(out, found{c, status})
	}
	return out, nil
}
