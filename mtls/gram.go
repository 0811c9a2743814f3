package mtls

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"kith/p2p"
)

// datagrams are the datagrams of one session: their carrier, and what waits for
// it. The side that dialled the session dials the carrier too, since it knows an
// address that answers; the other side asks it to.
type datagrams struct {
	s     *session
	ctx   context.Context // until the session ends
	stopc context.CancelFunc
	loops sync.WaitGroup

	channels          atomic.Pointer[[]*channel] // nil before Open: what comes is dropped
	in, sent, dropped atomic.Uint64
	heeded            time.Time // when the other side last made us dial; the reader's

	mu      sync.Mutex // guards what follows; never held while waiting
	lane    *lane      // nil: none
	err     error      // why there is none; nil if none was asked for
	opening bool
	ended   bool
	again   time.Time     // when to try by ourselves; zero: never
	pause   time.Duration // until the try after that
	changed chan struct{} // closed and replaced when lane, err or opening change
	packs   [][]byte      // what waits; at most maxPacks
	spare   [][]byte
	writing bool // the lane's writer has been called
}

func (g *datagrams) init(s *session) {
	g.s = s
	g.ctx, g.stopc = context.WithCancel(context.Background())
	g.changed = make(chan struct{})
}

// changeLocked wakes who waits for a change.
func (g *datagrams) changeLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// begin takes a carrier and starts its loops. release is called when it is done
// with; nil if the connection is the session's own. It is false if the session
// has ended.
func (g *datagrams) begin(conn *quic.Conn, release func()) bool {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return false
	}
	old, l := g.lane, newLane(conn)
	g.lane, g.err, g.opening, g.again, g.pause = l, nil, false, time.Time{}, 0
	g.packs, g.writing = nil, false
	g.changeLocked()
	g.loops.Go(func() {
		g.read(l)
		if release != nil {
			conn.CloseWithError(0, "")
			release()
		}
	})
	g.loops.Go(func() { g.write(l) })
	g.mu.Unlock()
	if old != nil {
		old.conn.CloseWithError(0, "")
	}
	return true
}

// stop ends the carrier and waits for its loops.
func (g *datagrams) stop() {
	g.mu.Lock()
	g.ended, g.lane, g.packs = true, nil, nil
	g.changeLocked()
	g.mu.Unlock()
	g.stopc()
	g.loops.Wait()
}

// lost notes that a carrier has ended.
func (g *datagrams) lost(l *lane, err error) {
	err = fmt.Errorf("carrier lost: %w", explain(err))
	g.mu.Lock()
	current := g.lane == l && !g.ended
	if current {
		g.lane, g.err = nil, err
		g.dropped.Add(uint64(len(g.packs)))
		g.packs = nil
		g.retryLocked()
		g.changeLocked()
	}
	g.mu.Unlock()
	if current {
		g.s.log.Debug("datagrams have lost their carrier", "err", err) // as they do when a session ends
	}
}

// HaveDatagrams tells whether there is a carrier now.
func (c *channel) HaveDatagrams() bool {
	g := &c.s.grams
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lane != nil
}

// MaxDatagram is the same on every carrier.
func (c *channel) MaxDatagram() int { return maxGram }

// OnDatagram sets who gets the datagrams of this channel.
func (c *channel) OnDatagram(f func([]byte)) { c.gram.Store(&f) }

// SendDatagram puts a datagram in the last pack that waits, or in a new one.
func (c *channel) SendDatagram(head, body []byte) bool {
	if c.s.grams.push(c.index, head, body) {
		return true
	}
	c.s.grams.dropped.Add(1)
	runtime.Gosched() // who sends without end lets the writer have a turn
	return false
}

func (g *datagrams) push(channel uint8, head, body []byte) bool {
	n := len(head) + len(body)
	g.mu.Lock()
	defer g.mu.Unlock()
	last := len(g.packs) - 1
	fits := last >= 0 && len(g.packs[last])+gramHeader+n <= maxPack
	if g.lane == nil || n > maxGram || (!fits && len(g.packs) >= maxPacks) {
		return false
	}
	if !fits {
		g.packs = append(g.packs, g.freshLocked())
		last++
	}
	b := append(g.packs[last], channel, byte(n>>8), byte(n))
	b = append(b, head...)
	g.packs[last] = append(b, body...)
	g.sent.Add(1)
	if !g.writing {
		g.writing = true
		g.lane.call()
	}
	return true
}

func (g *datagrams) freshLocked() []byte {
	if n := len(g.spare); n > 0 {
		b := g.spare[n-1]
		g.spare = g.spare[:n-1]
		return b[:packHeader]
	}
	return make([]byte, packHeader, maxPack)
}

// unpack hands on what a peer has put in one QUIC datagram. What makes no sense
// is dropped, with what follows it.
func (g *datagrams) unpack(b []byte) {
	var channels []*channel
	if list := g.channels.Load(); list != nil {
		channels = *list
	}
	for len(b) > 0 {
		c, gram, rest, ok := nextGram(b)
		if !ok || int(c) >= len(channels) {
			g.dropped.Add(1)
			return
		}
		g.in.Add(1)
		if f := channels[c].gram.Load(); f != nil {
			(*f)(gram)
		} else {
			g.dropped.Add(1)
		}
		b = rest
	}
}

// nextGram splits off the first datagram of a pack, which is not empty.
func nextGram(b []byte) (channel uint8, gram, rest []byte, ok bool) {
	if len(b) < gramHeader {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if n > maxGram || len(b) < gramHeader+n {
		return 0, nil, nil, false
	}
	return b[0], b[gramHeader : gramHeader+n : gramHeader+n], b[gramHeader+n:], true
}

var _ p2p.Datagrams = (*channel)(nil)
