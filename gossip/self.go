package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kith/gossip/internal/wire"
	"kith/node"
)

// SetMeta tells all members a value of ours under key; nil takes it back. A key
// has 1 to 64 bytes, a value at most 1 KiB, all of them together 8 KiB: beyond
// that the error is a *LimitError and nothing changes. It keeps a copy.
func (g *Gossip) SetMeta(key string, value []byte) error {
	return g.say("set metadata", func(r *wire.Record) {
		meta := maps.Clone(r.Meta)
		if meta == nil {
			meta = map[string][]byte{}
		}
		if value == nil {
			delete(meta, key)
		} else {
			meta[key] = bytes.Clone(value)
		}
		r.Meta = meta
	})
}

// SetName tells all members what we are called now, in at most 64 bytes: our
// certificate has been renewed with another common name.
func (g *Gossip) SetName(name string) error {
	return g.say("set name", func(r *wire.Record) { r.Name = name })
}

// SetPorts tells all members which ports we offer, at most 256.
func (g *Gossip) SetPorts(ports []Port) error {
	return g.say("set ports", func(r *wire.Record) { r.Ports = sortedPorts(ports) })
}

// SetAddresses tells all members where to dial us, at most 8 "host:port" in the
// order to try.
func (g *Gossip) SetAddresses(hosts []string) error {
	if err := checkHosts(hosts); err != nil {
		return fmt.Errorf("gossip: set addresses: %w", err)
	}
	return g.say("set addresses", func(r *wire.Record) { r.Addresses = slices.Clone(hosts) })
}

func checkHosts(hosts []string) error {
	for _, h := range hosts {
		if err := node.CheckHost(h); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gossip) say(what string, change func(*wire.Record)) error {
	e, err := g.running()
	if err != nil {
		return err
	}
	e.do(func(now time.Duration) {
		if e.left || e.over {
			err = ErrClosed
			return
		}
		err = e.m.Update(now, change)
	})
	if limit, ok := errors.AsType[*LimitError](err); ok {
		limit.Doing = what
		return limit
	}
	if err != nil && err != ErrClosed {
		return fmt.Errorf("gossip: %s: %w", what, err)
	}
	return err
}

// Superseded is closed when somebody runs with our key and a newer generation:
// this node should end. It is nil before Start.
func (g *Gossip) Superseded() <-chan struct{} {
	e, err := g.running()
	if err != nil {
		return nil
	}
	return e.superseded
}

// Joined tells whether a seed has given us its members, or there is no seed but
// us. It may be false for as long as no seed answers.
func (g *Gossip) Joined() bool {
	e, err := g.running()
	if err != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.m.Joined()
}

// Stats count what the gossip has done since Start.
type Stats struct {
	Sent, Received           uint64 // messages
	BytesSent, BytesReceived uint64 // of their payloads
	Dropped                  uint64 // messages for want of room or of a session
	DroppedBeats             uint64 // heartbeats and hellos for the same reasons
	DialFailures             uint64
	Refutations              uint64 // times we had to say that we live
	Verdicts                 uint64 // times we convicted somebody by votes
	Repairs                  uint64 // times we compared tables
	Pauses                   uint64 // times we woke up late
	Unproved                 uint64 // words whose signature did not hold
	Unconvinced              uint64 // verdicts without enough votes of observers
	Foreign                  uint64 // records of versions that do not go with ours
	Unasked                  uint64 // tables that we had not asked for
	Full                     uint64 // newcomers refused: the table is full
	Queued                   int    // bytes in all outboxes now
	Sessions                 int    // peers that gossip with us now
}

// Stats returns the counters. It works after Close too.
func (g *Gossip) Stats() Stats {
	e, err := g.running()
	if err != nil {
		return Stats{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s, m := e.count, e.m.Stats()
	s.Refutations, s.Verdicts, s.Repairs, s.Pauses = m.Refutations, m.Verdicts, m.Repairs, m.Pauses
	s.Unproved, s.Unconvinced, s.Foreign, s.Unasked, s.Full = m.Unproved, m.Unconvinced, m.Foreign, m.Unasked, m.Full
	s.Queued = e.queued
	for _, l := range e.links {
		if l.session != nil {
			s.Sessions++
		}
	}
	return s
}
