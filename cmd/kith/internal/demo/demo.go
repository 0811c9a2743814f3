// Package demo shows both kinds of network on real sockets on loopback: a private
// cluster of three processes of this program with throwaway certificates, and an
// open network of two.
//
// Start with [Demo]. The cluster's nodes are run by "kith up" and reached through
// their admin sockets, like any other; the demo is their operator and the program
// that serves their ports. Those of the open network are run by "kith devp2p
// listen", and what they tell is read from their standard output. All end when
// the demo ends, however it ends: each stops when its standard input does, and
// only the demo holds the other end. What it writes is in one directory, which is
// removed at the end.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"kith/cert"
	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
)

// patience is how long any step may take.
const patience = 30 * time.Second

// validity is that of the demo's certificates.
const validity = 30 * 24 * time.Hour

// A Demo is what to show, and where.
type Demo struct {
	// Program is the path of this program.
	Program string
	// Out gets the story.
	Out io.Writer
	// Color allows escape sequences.
	Color bool
	// MembersTable draws what a node sees.
	MembersTable func([]admin.Member) string
}

// Run tells the story and then sends traffic until ctx ends, which is its normal
// end and no error. No process and no file of it is left when it returns.
func (d *Demo) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "kith-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s := &stage{demo: d, dir: dir}
	defer func() {
		err = errors.Join(err, s.end())
	}()
	err = s.play(ctx)
	if ctx.Err() != nil || s.unheard.Load() {
		return nil
	}
	return err
}

// A stage is one run of the demo.
type stage struct {
	demo    *Demo
	dir     string
	members []*member
	open    [2]stranger
	helpers sync.WaitGroup // event readers and port servers
	stop    context.CancelFunc
	counts
	unheard atomic.Bool

	mu sync.Mutex // guards Out
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.demo.Out, format+"\n", args...); err != nil && s.stop != nil {
		s.unheard.Store(true) // nobody reads any more: that is an end, too
		s.stop()
	}
}

// title begins a chapter.
func (s *stage) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.demo.Color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.say("\n%s", text)
}

func (s *stage) paint(text string, tone show.Tone) string {
	if s.demo.Color {
		return show.Paint(text, tone)
	}
	return text
}

// play is the story.
func (s *stage) play(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	for _, chapter := range []func(context.Context) error{s.certificates, s.cluster, s.services, s.traffic, s.death, s.rebirth, s.openNetwork, s.goOn} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) certificates(context.Context) error {
	s.title("A certificate authority, and a certificate for each of three nodes")
	dir := cert.Dir{Path: s.dir}
	if _, err := dir.CreateCA(cert.CAOptions{Name: "kith demo", Validity: validity}); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := dir.Issue(cert.NodeOptions{Name: name, Validity: validity}); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		s.members = append(s.members, &member{process: process{name: name}, config: filepath.Join(s.dir, name+".json"), admin: admin.PathIn(s.dir, name)})
	}
	s.say("  in %s, removed at the end", s.dir)
	return nil
}

func (s *stage) cluster(ctx context.Context) error {
	s.title("Three processes: a is the first, b and c join by it")
	a, b, c := s.members[0], s.members[1], s.members[2]
	if err := s.start(ctx, a, ""); err != nil {
		return err
	}
	for _, m := range []*member{b, c} {
		if err := s.start(ctx, m, a.status.Listening); err != nil {
			return err
		}
	}
	if err := s.await(ctx, "to find each other", s.allAlive); err != nil {
		return err
	}
	for _, m := range []*member{a, b} { // c will be killed: they tell how they see it
		s.helpers.Go(func() { s.events(ctx, m) })
	}
	doc, err := a.client.Members(ctx)
	if err != nil {
		return fmt.Errorf("demo: members of a: %w", err)
	}
	s.say("\n%s", s.demo.MembersTable(doc.Members))
	s.say("PHI tells how odd a member's silence is, CERT how long its\ncertificate lasts. From another terminal, while this runs:")
	for _, m := range s.members {
		s.say("  kith --node %s members", m.admin)
	}
	return nil
}

// start runs a member and waits until it answers.
func (s *stage) start(ctx context.Context, m *member, seed string) error {
	if seed != "" {
		m.seed = seed
	}
	if err := m.writeConfig(s.dir); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := m.run(s.demo.Program); err != nil {
		return fmt.Errorf("demo: start %s: %w", m.name, err)
	}
	if err := s.await(ctx, "to start", m.answers); err != nil {
		return err
	}
	s.say("  %s  process %d listens on %s, TCP and UDP", m.name, m.pid(), m.status.Listening)
	return nil
}

// await asks until the answer is yes. An error ends it.
func (s *stage) await(ctx context.Context, what string, ready func(context.Context) (bool, error)) error {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := ready(limit)
		if yes || err != nil {
			return err
		}
		if err := s.failed(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("demo: the nodes took more than %v %s", patience, what)
		}
	}
}

// processes are all that may run.
func (s *stage) processes() []*process {
	var all []*process
	for _, m := range s.members {
		all = append(all, &m.process)
	}
	return append(all, &s.open[0].process, &s.open[1].process)
}

// failed tells of one that ended though nobody asked it to.
func (s *stage) failed() error {
	for _, p := range s.processes() {
		if err := p.failed(); err != nil {
			return err
		}
	}
	return nil
}

// allAlive asks every running member whether it sees three that live.
func (s *stage) allAlive(ctx context.Context) (bool, error) {
	for _, m := range s.members {
		if alive, _ := m.count(ctx, "alive"); alive != len(s.members) {
			return false, nil
		}
	}
	return true, nil
}

// end stops everybody and cleans up.
func (s *stage) end() error {
	s.title("The end")
	var errs []error
	stopped := make([]error, len(s.processes()))
	var all sync.WaitGroup
	for i, p := range s.processes() {
		all.Go(func() { stopped[i] = p.stop() })
	}
	all.Wait()
	for _, m := range s.members {
		m.close()
	}
	if s.stop != nil {
		s.stop()
	}
	s.helpers.Wait()
	errs = append(errs, stopped...)
	if err := os.RemoveAll(s.dir); err != nil {
		errs = append(errs, fmt.Errorf("demo: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.say("  all nodes have left; their processes and files are gone")
	return nil
}
