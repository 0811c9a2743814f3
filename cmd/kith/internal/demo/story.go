package demo

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"kith/cmd/kith/internal/admin"
	"kith/cmd/kith/internal/show"
	"kith/port"
)

// The ports of the demo.
const (
	upperPort = 8080 // of b, mode request
	notesPort = 8081 // of c, mode send
	ticksPort = 8082 // of a, mode unreliable
)

// services attaches this process to a port of each member, as kith serve does.
func (s *stage) services(ctx context.Context) error {
	s.title("A service on each, one for each mode")
	a, b, c := s.members[0], s.members[1], s.members[2]
	upper := func(_ context.Context, _ admin.Network, m *port.Message) ([]byte, error) {
		return bytes.ToUpper(m.Data), nil
	}
	ticks := func(context.Context, admin.Network, *port.Message) ([]byte, error) { s.ticks.Add(1); return nil, nil }
	for _, one := range []struct {
		at      *member
		service admin.Service
		what    string
	}{
		{b, admin.Service{Port: upperPort, Name: "upper", Mode: port.Request, Handle: upper}, "answers in capital letters"},
		{c, s.notes(), "takes notes, in order"},
		{a, admin.Service{Port: ticksPort, Name: "ticks", Mode: port.Unreliable, Handle: ticks}, "counts; some may be lost"},
	} {
		if err := s.attach(ctx, one.at, one.service); err != nil {
			return err
		}
		s.say("  %s  port %d %-7q mode=%-10s %s", one.at.name, one.service.Port, one.service.Name, one.service.Mode, one.what)
	}
	return nil
}

func (s *stage) notes() admin.Service {
	take := func(_ context.Context, _ admin.Network, m *port.Message) ([]byte, error) {
		s.say("  c        notes: %q", m.Data)
		s.noted.Add(1)
		return nil, nil
	}
	return admin.Service{Port: notesPort, Name: "notes", Mode: port.Send, Handle: take}
}

// attach serves a port of a member until that member or the demo ends.
func (s *stage) attach(ctx context.Context, m *member, service admin.Service) error {
	ready, failed := make(chan struct{}), make(chan error, 1)
	service.Workers = 4
	service.Ready = func() { close(ready) }
	client := m.client
	s.helpers.Go(func() { failed <- client.Serve(ctx, service) })
	select {
	case <-ready:
		return nil
	case err := <-failed:
		return fmt.Errorf("demo: serve port %d of %s: %w", service.Port, m.name, err)
	}
}

// traffic uses every port from another member.
func (s *stage) traffic(ctx context.Context) error {
	s.title("Traffic in all three modes, from member to member")
	if err := s.request(ctx, "hello, b"); err != nil {
		return err
	}
	if err := s.deliver(ctx, "a message from b"); err != nil {
		return err
	}
	return s.unreliable(ctx, 100)
}

// deliver sends a note and waits until it is taken.
func (s *stage) deliver(ctx context.Context, text string) error {
	before := s.noted.Load()
	if err := s.send(ctx, text); err != nil {
		return err
	}
	return s.await(ctx, "to deliver a message", func(context.Context) (bool, error) { return s.noted.Load() > before, nil })
}

func (s *stage) request(ctx context.Context, text string) error {
	a := s.members[0]
	start := time.Now()
	reply, err := a.client.Call(ctx, admin.Target{Peer: "b", Port: upperPort}, []byte(text), patience)
	if err != nil {
		return fmt.Errorf("demo: call b: %w", err)
	}
	s.say("  a -> b   request: %q, reply: %q after %v", text, reply, time.Since(start).Round(10*time.Microsecond))
	return nil
}

func (s *stage) send(ctx context.Context, text string) error {
	s.say("  b -> c   send: %q", text)
	if err := s.members[1].client.Send(ctx, admin.Target{Peer: "c", Port: notesPort}, []byte(text), patience); err != nil {
		return fmt.Errorf("demo: send to c: %w", err)
	}
	return nil
}

// unreliable sends n messages and counts for a moment how many arrive.
func (s *stage) unreliable(ctx context.Context, n int) error {
	c := s.members[2]
	before := s.ticks.Load()
	for range n {
		if err := c.client.Dgram(ctx, admin.Target{Peer: "a", Port: ticksPort}, []byte("tick"), patience); err != nil {
			return fmt.Errorf("demo: dgram to a: %w", err)
		}
	}
	for range 20 { // not guaranteed: nobody waits for the last
		if s.ticks.Load()-before >= int64(n) {
			break
		}
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
	s.say("  c -> a   unreliable: %d sent, %d arrived", n, s.ticks.Load()-before)
	return nil
}

// events tells what a member sees.
func (s *stage) events(ctx context.Context, m *member) {
	tones := map[string]show.Tone{"suspect": show.Odd, "dead": show.Bad, "joined": show.Good, "cleared": show.Good, "returned": show.Good}
	for e, err := range m.client.Events(ctx) {
		if err != nil {
			return // the demo ends, or await tells of the member's end
		}
		if e.Kind == "changed" { // each port is one
			continue
		}
		s.say("  %s  %s sees: %s", e.Time.Local().Format("15:04:05.000"), m.name, s.paint(e.Text, tones[e.Kind]))
	}
}

// death kills c and waits until the others know.
func (s *stage) death(ctx context.Context) error {
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	c := s.members[2]
	s.title("kill -9 of c, process %d", c.pid())
	start := time.Now()
	if err := c.kill(); err != nil {
		return err
	}
	c.close()
	for _, m := range s.members[:2] {
		dead := func(ctx context.Context) (bool, error) {
			seen, ok := m.sees(ctx, c.status.ID)
			return !ok || seen.State == "dead", nil
		}
		if err := s.await(ctx, "to notice that c is dead", dead); err != nil {
			return err
		}
	}
	s.say("  both know after %v", time.Since(start).Round(10*time.Millisecond))
	if err := s.members[0].client.Send(ctx, admin.Target{Peer: "c", Port: notesPort}, []byte("are you there?"), 5*time.Second); err != nil {
		s.say("  a -> c   send fails: %s", s.paint(cause(err), show.Bad))
	}
	return nil
}

// rebirth starts c again.
func (s *stage) rebirth(ctx context.Context) error {
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	c := s.members[2]
	s.title("c is started again")
	if err := s.start(ctx, c, ""); err != nil {
		return err
	}
	if err := s.await(ctx, "to see c again", s.allAlive); err != nil {
		return err
	}
	if err := s.attach(ctx, c, s.notes()); err != nil {
		return err
	}
	s.say("  the same id, a new generation: all three are alive")
	return s.deliver(ctx, "welcome back")
}

// goOn sends a little traffic until the demo ends.
func (s *stage) goOn(ctx context.Context) error {
	s.title("Traffic goes on until Ctrl-C or the end of the time")
	for i := 1; pause(ctx, 2*time.Second); i++ {
		if err := s.failed(); err != nil {
			return err
		}
		if err := s.request(ctx, fmt.Sprintf("round %d", i)); err != nil {
			return err
		}
		if err := s.send(ctx, fmt.Sprintf("note %d", i)); err != nil {
			return err
		}
		if err := s.unreliable(ctx, 10); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pause tells whether the time has passed without the end of ctx.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// cause is what is behind all the colons, on the first way that was tried.
func cause(err error) string {
	text, _, _ := strings.Cut(err.Error(), "; ")
	parts := strings.Split(text, ": ")
	return parts[len(parts)-1]
}

// counts are of what the services have got.
type counts struct {
	noted, ticks atomic.Int64
}
