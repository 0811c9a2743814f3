package cert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// pollInterval is how often the files are looked at.
const pollInterval = 2 * time.Second

// ErrClosed is returned by what is called after Close.
var ErrClosed = fmt.Errorf("cert: files closed: %w", net.ErrClosed)

// ErrNotStarted is returned by what needs Start first.
var ErrNotStarted = errors.New("cert: files not started")

// Files follow a node's certificate files. Its fields are read by Start and
// never written. All methods are safe for concurrent use.
//
// Start reads the files and refuses a set that peers would refuse. From then on
// the files are looked at every two seconds, and a new set takes the place of
// the old one if it is as good; otherwise the old set stays in force and an
// alarm is raised: logged once, and told by Err until it is over. A set that
// does not fit together is given until the next look, since its files are
// written one after the other.
//
// A new revocation list comes into force even if the rest of the new set is bad,
// but a list with a lower number never does. Certificates that end within 30, 7
// and 1 days are logged, once each.
type Files struct {
	// CA is the path of the authorities, PEM.
	CA string
	// Cert is the path of the node's certificate, with its intermediates if there
	// are any.
	Cert string
	// Key is the path of the private key.
	Key string
	// CRL is the path of the revocation list. Empty means none; otherwise the
	// file must be there.
	CRL string
	// Logger gets what there is to say. Nil means slog.Default.
	Logger *slog.Logger

	mu      sync.Mutex // guards what follows; never held while waiting
	current *Snapshot
	err     error
	changed chan struct{}   // closed and replaced at each change; nil until somebody asks
	asks    chan chan error // calls of Reload, each with where its answer goes; nil before Start
	stop    context.CancelFunc
	done    <-chan struct{} // closed by Close
	loops   sync.WaitGroup
	closed  bool
}

// Load reads the files once, without following them. The error is a *LoadError.
func (f *Files) Load() (*Snapshot, error) {
	_, p := f.read()
	return load(p, time.Now(), true)
}

// Start reads the files and follows them from then on. If it fails, with a
// *LoadError that lists all problems, nothing runs, and it may be called again.
func (f *Files) Start() error {
	if err := f.startable(); err != nil {
		return err
	}
	w := &watcher{files: f, log: cmp.Or(f.Logger, slog.Default())}
	if err := w.first(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.startableLocked(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.asks, f.stop, f.done = make(chan chan error), stop, ctx.Done()
	f.publishLocked(w.current, nil)
	asks := f.asks
	f.loops.Go(func() { w.run(ctx, asks) })
	return nil
}

func (f *Files) startable() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.startableLocked()
}

func (f *Files) startableLocked() error {
	if f.closed {
		return ErrClosed
	}
	if f.asks != nil {
		return errors.New("cert: files already started")
	}
	return nil
}

// Close ends the watching and waits for it. Current and Err keep their last
// answers. It may be called at any time, more than once.
func (f *Files) Close() error {
	f.mu.Lock()
	f.closed = true
	stop := f.stop
	f.mu.Unlock()
	if stop != nil {
		stop()
	}
	f.loops.Wait()
	return nil
}

// Reload looks at the files now. It returns nil if the set in force is the one
// in the files, otherwise what keeps it from being so, or ctx's error,
// ErrClosed or ErrNotStarted.
func (f *Files) Reload(ctx context.Context) error {
	f.mu.Lock()
	asks, done, closed := f.asks, f.done, f.closed
	f.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if asks == nil {
		return ErrNotStarted
	}
	answer := make(chan error, 1) // so that the watcher never waits for us
	select {
	case asks <- answer:
	case <-done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Current is the set in force, nil before the first good Start.
func (f *Files) Current() *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// Err is the alarm: why the set in the files is not in force, or that the one in
// force has expired. It is nil if all is well.
func (f *Files) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Changed returns a channel that is closed when Current or the alarm changes.
// Take it before you call Current, so that no change falls between the two.
func (f *Files) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

func (f *Files) publish(s *Snapshot, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.publishLocked(s, err)
}

func (f *Files) publishLocked(s *Snapshot, err error) {
	f.current, f.err = s, err
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}
