package live

import (
	"errors"
	"sync"
	"time"

	"kith/node"
	"kith/port"
)

const (
	// maxClients is how many ports of others are kept open between commands.
	// When it is full the one that has been idle longest makes room, or, if all
	// are in use, the new one is not kept.
	maxClients = 64
	// idleClient is how long an unused one is kept. A message that may be lost
	// would be, if its port were closed right behind it.
	idleClient = time.Minute
)

// A target is a port of somebody.
type target struct {
	ref    node.Ref
	number uint16
}

// An entry is a client with its users.
type entry struct {
	client *port.Client
	users  int
	idle   time.Time // since when, if there are no users
	stale  bool      // to be closed by its last user
}

// clients keeps ports of others open, since each command uses one only once. The
// zero value is empty.
type clients struct {
	mu     sync.Mutex // guards what follows
	open   map[target]*entry
	closed bool
}

// use calls f with a client of t, which connect makes if none is kept. A call
// that a kept client could not make, since the port is another one by now, is
// tried again on a new one.
func (c *clients) use(t target, connect func() (*port.Client, error), f func(*port.Client) error) error {
	e := c.kept(t)
	if e != nil {
		err := f(e.client)
		c.release(t, e, spoils(err))
		if !errors.Is(err, port.ErrNoPort) && !errors.Is(err, port.ErrWrongMode) {
			return err
		}
	}
	client, err := connect()
	if err != nil {
		return err
	}
	e, idle := c.keep(t, client)
	if idle != nil {
		idle.Close()
	}
	err = f(client)
	c.release(t, e, spoils(err))
	return err
}

// spoils tells whether a client that failed so had better be asked anew.
func spoils(err error) bool {
	for _, bad := range []error{port.ErrNoPort, port.ErrWrongMode, port.ErrStale, port.ErrClosed, port.ErrDraining} {
		if errors.Is(err, bad) {
			return true
		}
	}
	return false
}

func (c *clients) kept(t target) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.open[t]
	if e != nil {
		e.users++
	}
	return e
}

// keep returns the entry of a new client, and the one that made room for it, to
// be closed.
func (c *clients) keep(t target, client *port.Client) (e *entry, idle *port.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e = &entry{client: client, users: 1}
	if len(c.open) >= maxClients {
		idle = c.makeRoomLocked()
	}
	if c.open[t] != nil || c.closed || len(c.open) >= maxClients {
		e.stale = true
		return e, idle
	}
	if c.open == nil {
		c.open = make(map[target]*entry)
	}
	c.open[t] = e
	return e, idle
}

// makeRoomLocked takes out who has been idle longest, if anybody is.
func (c *clients) makeRoomLocked() *port.Client {
	var oldest target
	var found *entry
	for t, e := range c.open {
		if e.users == 0 && (found == nil || e.idle.Before(found.idle)) {
			oldest, found = t, e
		}
	}
	if found == nil {
		return nil
	}
	delete(c.open, oldest)
	return found.client
}

func (c *clients) release(t target, e *entry, spoilt bool) {
	c.mu.Lock()
	e.users--
	e.idle = time.Now()
	if spoilt && !e.stale {
		e.stale = true
		delete(c.open, t)
	}
	last := e.stale && e.users == 0
	if !e.stale && e.users == 0 {
		time.AfterFunc(idleClient, func() { c.expire(t, e) })
	}
	c.mu.Unlock()
	if last {
		e.client.Close()
	}
}

func (c *clients) expire(t target, e *entry) {
	c.mu.Lock()
	mine := c.open[t] == e && e.users == 0 && time.Since(e.idle) >= idleClient
	if mine {
		delete(c.open, t)
	}
	c.mu.Unlock()
	if mine {
		e.client.Close()
	}
}

// close lets go of all. Calls in flight fail.
func (c *clients) close() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for _, e := range open {
		e.client.Close()
	}
}
