package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kith/node"
	"kith/p2p"
)

// A Mux offers ports to peers and connects to theirs. Its fields are read when
// it is first used and never written. The zero Mux works. It is safe for
// concurrent use.
type Mux struct {
	// Self is who we are: Connect to it calls our own ports, and a caller who
	// wants another generation is told ErrStale. The zero Ref: nobody is us.
	Self node.Ref
	// Workers is how many handlers run at a time; one port has at most three
	// quarters of them. 0 means 256.
	Workers int
	// Queue is how many requests may wait at one port for a worker; beyond it
	// callers are told ErrBusy. 0 means 16384.
	Queue int
	// MaxMessage is how many bytes a message or a reply may have, both ways. 0
	// means 16 MiB; at most 1 GiB.
	MaxMessage int
	// Budget is how many bytes the requests over 1140 bytes and the one-way
	// messages over 16 KiB may have together that arrive, wait or are being
	// handled; one peer may have half. Beyond it requests are told ErrBusy and
	// one-way messages wait at their sender. 0 means 256 MiB; it is at least
	// MaxMessage.
	Budget int64
	// Logger gets what the Mux has to say. Nil means slog.Default.
	Logger *slog.Logger

	begin    sync.Once
	lim      limits
	pool     pool
	budget   budget
	sent     outgoing
	strays   atomic.Uint64 // unreliable messages for nobody
	draining atomic.Bool
	loops    sync.WaitGroup // all goroutines but the workers; entered with mu held and closed false

	mu       sync.Mutex // guards what follows; never held while waiting
	closed   bool
	done     chan struct{} // closed by Close
	services map[uint16]*service
	changed  chan struct{} // closed and replaced when the ports change
	links    map[*p2p.Peer]*link
	all      map[*link]struct{}
	linked   chan struct{} // closed and replaced when a link comes
	self     *loopback     // while somebody is connected to us
	selfRefs int
	open     map[*Client]struct{}
}

// limits are the fields with their defaults.
type limits struct {
	maxMessage int
	linkBudget int64
}

const (
	defaultWorkers    = 256
	defaultQueue      = 16 << 10
	defaultMaxMessage = 16 << 20
	mostMessage       = 1 << 30
	defaultBudget     = 256 << 20
	maxName           = 255
)

func (m *Mux) setUp() {
	m.begin.Do(func() {
		m.lim.maxMessage = min(cmp.Or(max(m.MaxMessage, 0), defaultMaxMessage), mostMessage)
		total := max(cmp.Or(max(m.Budget, 0), defaultBudget), int64(m.lim.maxMessage))
		m.lim.linkBudget = max(total/2, int64(m.lim.maxMessage))
		m.budget.total, m.budget.each = total, m.lim.linkBudget
		m.pool.mux = m
		m.pool.most = cmp.Or(max(m.Workers, 0), defaultWorkers)
		m.pool.each = max(1, m.pool.most*3/4)
		m.pool.queue = cmp.Or(max(m.Queue, 0), defaultQueue)
		m.done = make(chan struct{})
		m.services = make(map[uint16]*service)
		m.changed = make(chan struct{})
		m.links = make(map[*p2p.Peer]*link)
		m.all = make(map[*link]struct{})
		m.linked = make(chan struct{})
		m.open = make(map[*Client]struct{})
	})
}

func (m *Mux) limits() *limits { return &m.lim }

func (m *Mux) log() *slog.Logger { return cmp.Or(m.Logger, slog.Default()) }

// Handle offers a port. number is 1 to 65535 and free, else the error is an
// ErrInUse; name is for people, at most 255 bytes; h must not be nil.
func (m *Mux) Handle(number uint16, name string, mode Mode, h Handler) error {
	m.setUp()
	if err := check(number, name, mode, h); err != nil {
		return fmt.Errorf("port: handle %d: %w", number, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("port: handle %d: %w", number, ErrClosed)
	}
	if s := m.services[number]; s != nil {
		return fmt.Errorf("port: handle %d %q: %w by %q", number, name, ErrInUse, s.name)
	}
	m.services[number] = &service{mux: m, number: number, name: name, mode: mode, handler: h}
	m.changeLocked()
	return nil
}

func check(number uint16, name string, mode Mode, h Handler) error {
	f, isFunc := h.(HandlerFunc)
	switch {
	case number == 0:
		return errors.New("numbers run from 1 to 65535")
	case len(name) > maxName:
		return fmt.Errorf("a name of %d bytes: at most %d", len(name), maxName)
	case !mode.valid():
		return fmt.Errorf("%v: want send, request or unreliable", mode)
	case h == nil || isFunc && f == nil:
		return errors.New("no handler")
	}
	return nil
}

// Unhandle takes a port back and tells whether there was one. Handlers that run
// go on; what waits is refused with ErrNoPort.
func (m *Mux) Unhandle(number uint16) bool {
	m.setUp()
	m.mu.Lock()
	s := m.services[number]
	if s != nil {
		delete(m.services, number)
		m.changeLocked()
	}
	links := slices.Collect(maps.Keys(m.all))
	m.mu.Unlock()
	if s == nil {
		return false
	}
	s.gone.Store(true)
	for _, l := range links {
		l.shut(s, codeNoPort)
	}
	return true
}

func (m *Mux) changeLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Changed returns a channel that is closed when a port is offered or taken back.
// Take it before you call Ports, so that no change falls between the two.
func (m *Mux) Changed() <-chan struct{} {
	m.setUp()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *Mux) service(number uint16) *service {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services[number]
}

// Drain refuses new work with ErrDraining and returns when all that has begun or
// waits is done and its replies are in the sessions, or with ctx's error. What
// our own Clients do goes on.
func (m *Mux) Drain(ctx context.Context) error {
	m.setUp()
	m.draining.Store(true)
	m.mu.Lock()
	links := slices.Collect(maps.Keys(m.all))
	m.mu.Unlock()
	for _, l := range links {
		l.shut(nil, codeDraining)
	}
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		running, waiting, replies := m.load()
		if running+waiting+replies == 0 && m.budget.idle() {
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("port: drain: %d running, %d waiting, %d replies not taken: %w",
				running, waiting, replies, context.Cause(ctx))
		}
	}
}

// load counts what Drain waits for.
func (m *Mux) load() (running, waiting, replies int) {
	m.mu.Lock()
	links := slices.Collect(maps.Keys(m.all))
	m.mu.Unlock()
	for _, l := range links {
		l.mu.Lock()
		if l.err == nil {
			replies += l.replies
		}
		l.mu.Unlock()
	}
	running, waiting = m.pool.load()
	return running, waiting, replies
}

// closeWait bounds how long Close waits for handlers that do not heed their ctx.
const closeWait = 5 * time.Second

// Close ends every session's ports: calls in flight fail with ErrClosed, handlers
// see their ctx end, Clients are closed. It returns when the last handler has
// returned, or after five seconds with an error if one has not. Order: Drain,
// then the Server, then Close. It may be called at any time, more than once.
func (m *Mux) Close() error {
	m.setUp()
	m.mu.Lock()
	first := !m.closed
	if m.closed = true; first {
		close(m.done)
	}
	links := slices.Collect(maps.Keys(m.all))
	clients := slices.Collect(maps.Keys(m.open))
	m.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
	for _, l := range links {
		l.fail(ErrClosed)
	}
	m.pool.close()
	ended := make(chan struct{})
	go func() { // not ours to wait for: it ends with the handlers
		m.loops.Wait()
		m.pool.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(closeWait):
		return errors.New("port: close: handlers still run")
	}
}
