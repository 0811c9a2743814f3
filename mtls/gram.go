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
	in, sent, dropped atomic.Uint64              // datagrams
	bytesIn, bytesOut atomic.Uint64              // of packs
	heeded            time.Time                  // when the other side last made us dial; the reader's

	mu      sync.Mutex // guards what follows; never held while waiting
	lane    *lane      // nil: none
	err     error      // why there is none; nil if none was asked for
	opening bool
	ended   bool
	again   time.Time     // when to try by ourselves; zero: never
	pause   time.Duration // until the try after that
	changed chan struct{} // closed and replaced when lane, err or opening change
	packs   []pack        // what waits; at most maxPacks
	spare   [][]byte
	room    int  // how long a pack may be
	slack   int  // how much it may be filled up with
	writing bool // the lane's writer has been called
}

// A pack is a QUIC datagram to be, with some of ours.
type pack struct {
	b     []byte
	grams uint64
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
	g.dropLocked()
	g.writing, g.room, g.slack = false, leastPack, farSlack
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
	g.ended, g.lane = true, nil
	g.dropLocked()
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
		g.dropLocked()
		g.retryLocked()
		g.changeLocked()
	}
	g.mu.Unlock()
	if current {
		g.s.log.Debug("datagrams have lost their carrier", "err", err) // as they do when a session ends
	}
}

// dropLocked throws away what waits.
func (g *datagrams) dropLocked() {
	g.drop(g.packs)
	g.packs = nil
}

func (g *datagrams) drop(packs []pack) {
	for _, p := range packs {
		g.dropped.Add(p.grams)
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
	ok, full := c.s.grams.push(c.index, head, body)
	if !ok {
		c.s.grams.dropped.Add(1)
	}
	if full {
		runtime.Gosched() // who sends without end lets the writer have a turn
	}
	return ok
}

// push tells whether the datagram was taken, and whether the queue is half full.
func (g *datagrams) push(channel uint8, head, body []byte) (ok, full bool) {
	n := len(head) + len(body)
	g.mu.Lock()
	defer g.mu.Unlock()
	full = len(g.packs) > maxPacks/2
	last := len(g.packs) - 1
	fits := last >= 0 && len(g.packs[last].b)+gramHeader+n <= g.room
	if g.lane == nil || n > maxGram || (!fits && len(g.packs) >= maxPacks) {
		return false, full
	}
	if !fits {
		if last >= 0 {
			g.packs[last].pad(g.room, g.slack)
		}
		g.packs = append(g.packs, pack{b: g.freshLocked()})
		last++
	}
	p := &g.packs[last]
	p.b = append(p.b, channel, byte(n>>8), byte(n))
	p.b = append(p.b, head...)
	p.b = append(p.b, body...)
	p.grams++
	if !g.writing {
		g.writing = true
		g.lane.call()
	}
	return true, full
}

// padding is what a pack is filled up with, at most.
var padding = [nearSlack]byte{1: 0xff, 2: 0xff}

// pad makes a pack that lacks no more than slack as long as may be.
func (p *pack) pad(room, slack int) {
	if missing := room - len(p.b); missing > 0 && missing <= slack {
		p.b = append(p.b, padding[:missing]...)
	}
}

func (g *datagrams) freshLocked() []byte {
	if n := len(g.spare); n > 0 {
		b := g.spare[n-1]
		g.spare = g.spare[:n-1]
		return b[:packHeader]
	}
	return make([]byte, packHeader, mostPack)
}

// unpack hands on what a peer has put in one QUIC datagram. What makes no sense
// is dropped, with what follows it.
func (g *datagrams) unpack(b []byte) {
	var channels []*channel
	if list := g.channels.Load(); list != nil {
		channels = *list
	}
	for len(b) >= gramHeader && (b[1] != 0xff || b[2] != 0xff) {
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

// nextGram splits off the first datagram of a pack.
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
