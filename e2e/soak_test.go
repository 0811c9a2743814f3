package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/cert"
	"kith/cluster"
	"kith/node"
	"kith/port"
)

const portSum = 9 // Request: the SHA-256 of what came

// A soaker is a cluster.Node whose port notes the numbers that come, of which
// each caller counts up from 0.
type soaker struct {
	mu    sync.Mutex
	seen  []uint64 // a bit for each number
	twice int
	node  *cluster.Node
}

func (s *soaker) sum(_ context.Context, m *port.Message) ([]byte, error) {
	if len(m.Data) < 8 {
		return nil, errors.New("no number")
	}
	n := binary.BigEndian.Uint64(m.Data)
	s.mu.Lock()
	for uint64(len(s.seen)) <= n/64 {
		s.seen = append(s.seen, 0)
	}
	if s.seen[n/64]&(1<<(n%64)) != 0 {
		s.twice++
	}
	s.seen[n/64] |= 1 << (n % 64)
	s.mu.Unlock()
	sum := sha256.Sum256(m.Data)
	return sum[:], nil
}

// A berth is where a soaker runs.
type berth struct {
	Dir, Name, Listen string
	Seeds             []string
}

func (b berth) node(log io.Writer) *cluster.Node {
	d := cert.Dir{Path: b.Dir}
	return &cluster.Node{
		CA: d.CAPath(), Cert: d.CertPath(b.Name), Key: d.KeyPath(b.Name), ListenAddr: b.Listen, Seeds: b.Seeds,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// A condition is how a soaker is.
type condition struct {
	ID    node.ID
	Twice int
	Heap  uint64
}

// playSoaker runs one until standard input ends, and tells how it is for each
// value that comes.
func playSoaker(arg string) error {
	var b berth
	if err := json.Unmarshal([]byte(arg), &b); err != nil {
		return err
	}
	s := &soaker{node: b.node(os.Stderr)}
	if err := s.node.Handle(portSum, "sum", port.Request, port.HandlerFunc(s.sum)); err != nil {
		return err
	}
	if err := s.node.Start(); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		runtime.GC()
		runtime.GC() // what finalizers and pools held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.mu.Lock()
		c := condition{s.node.ID().ID, s.twice, m.HeapAlloc}
		s.mu.Unlock()
		if err := out.Encode(c); err != nil {
			return err
		}
		var q question
		if err := in.Decode(&q); err != nil {
			return s.node.Close()
		}
	}
}

// S12: at 5 % loss, while members are killed and come back, no answer is wrong,
// no request is run twice by a process, and memory does not grow.
func TestS12Soak(t *testing.T) {
	t.Parallel()
	span := 8 * time.Second
	if long() {
		span = 20 * time.Minute
	}
	l := newLab(t)
	dir := authority(t, "test", "a", "b", "c")
	names := []string{"a", "b", "c"}
	ids, hosts, kids := make([]node.ID, 3), make([]*host, 3), make([]*child, 3)
	for i := range names {
		hosts[i] = l.host()
	}
	start := func(i int) (c condition) {
		b := berth{Dir: dir, Name: names[i], Listen: fmt.Sprintf("%v:38080", hosts[i].addr)}
		for _, h := range hosts {
			b.Seeds = append(b.Seeds, fmt.Sprintf("%v:38080", h.addr))
		}
		kids[i] = launchRole(t, hosts[i], nil, "soaker", b)
		kids[i].read(&c)
		return c
	}
	for i := range names {
		ids[i] = start(i).ID
		hosts[i].lose(5)
	}
	log := new(logbook)
	me := berth{Dir: dir, Name: "test", Listen: fmt.Sprintf("%v:38080", l.addr(1)), Seeds: []string{fmt.Sprintf("%v:38080", hosts[0].addr)}}.node(log)
	if err := me.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { me.Close() })
	eventually(t, soon, "all are there", func() bool { return len(me.Members()) == 4 })

	s := &soak{me: me}
	ctx, stop := context.WithTimeout(t.Context(), span)
	defer stop()
	var callers sync.WaitGroup
	for _, id := range ids {
		next := new(atomic.Uint64)
		s.numbers = append(s.numbers, next)
		for range 4 {
			callers.Go(func() { s.call(ctx, id, next) })
		}
	}
	var first, last condition // of a, which is never killed
	ask := func(i int) (c condition) {
		kids[i].tell(question{})
		kids[i].read(&c)
		if c.Twice > 0 {
			t.Errorf("%s ran %d requests twice", names[i], c.Twice)
		}
		return c
	}
	rng := rand.New(rand.NewPCG(12, 12))
	for rounds := 0; ctx.Err() == nil; rounds++ {
		pause(ctx, span/8)
		i := 1 + rng.IntN(2)
		ask(i)
		kids[i].kill()
		pause(ctx, time.Duration(rng.IntN(2000))*time.Millisecond)
		start(i)
		if last = ask(0); rounds < 2 {
			first = last
		}
	}
	callers.Wait()
	t.Logf("%d calls answered, %d failed, heap %d KiB and then %d KiB", s.right.Load(), s.failed.Load(), first.Heap>>10, last.Heap>>10)
	s.verdict(t)
	if last.Heap > first.Heap+4<<20 {
		t.Errorf("heap of a grew from %d KiB to %d KiB", first.Heap>>10, last.Heap>>10)
	}
	for i, id := range ids {
		eventually(t, soon, names[i]+" answers in the end", func() bool { return s.one(id, s.numbers[i]) == nil })
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// A soak calls without end and counts.
type soak struct {
	me            *cluster.Node
	numbers       []*atomic.Uint64 // the next for each member
	right, failed atomic.Int64
	mu            sync.Mutex
	wrong         []string
}

func (s *soak) call(ctx context.Context, id node.ID, next *atomic.Uint64) {
	for ctx.Err() == nil {
		if err := s.one(id, next); err != nil {
			s.failed.Add(1)
			pause(ctx, 50*time.Millisecond) // it is just being killed
		}
	}
}

// one connects and calls a few times. Data of all sizes come from the number.
func (s *soak) one(id node.ID, next *atomic.Uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	c, err := s.me.Connect(ctx, node.Ref{ID: id}, portSum)
	if err != nil {
		return err
	}
	defer c.Close()
	for range 50 {
		n := int(next.Add(1) - 1)
		data := numbered(n, 8+n*7919%20_000)
		got, err := c.Request(ctx, data)
		var remote *port.RemoteError
		if errors.As(err, &remote) {
			s.complain(fmt.Sprintf("request %d: %v", n, err))
		}
		if err != nil {
			return err
		}
		if want := sha256.Sum256(data); string(got) != string(want[:]) {
			s.complain(fmt.Sprintf("request %d: %x, want %x", n, got, want))
		}
		s.right.Add(1)
	}
	return nil
}

func (s *soak) complain(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, what)
}

func (s *soak) verdict(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) > 0 {
		t.Errorf("%d wrong answers: %s", len(s.wrong), s.wrong[0])
	}
	if s.right.Load() < 100 {
		t.Errorf("%d calls answered, want at least 100", s.right.Load())
	}
}
