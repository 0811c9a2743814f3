package mtls

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// Every QUIC datagram of ours, a pack, begins with
//
//	4 bytes  number of the pack, from 1; that of the last one if it has no datagrams
//	4 bytes  the highest number received from the other side; 0 for none
//
// and goes on with datagrams, each after
//
//	1 byte   channel
//	2 bytes  length; ffff if nothing comes but padding
//
// One or two bytes at the end are padding too. A pack that is nearly full is
// filled up if others wait behind it: QUIC hands packets to the system many at a
// time, but only while they are as long as the path allows.
//
// The second number keeps a sender from overrunning the receiver: QUIC keeps 128
// packs for an application that is slow to take them and throws away the rest,
// of which no congestion control hears.
const (
	packHeader = 8
	gramHeader = 3
	// leastPack is what fits in a QUIC datagram on any path that QUIC can use;
	// mostPack is what we fill where QUIC has found that more gets through.
	leastPack = 1156
	mostPack  = 1452
	// farSlack is how much a pack may be filled up with, nearSlack where the round
	// trip is below nearTime: there bytes cost less than system calls.
	farSlack  = mostPack / 16
	nearSlack = mostPack / 2
	nearTime  = time.Millisecond
	// maxGram is the longest datagram of ours.
	maxGram = leastPack - packHeader - gramHeader
	// maxPacks is how many packs may wait for the network. When it is full what
	// comes is dropped and counted.
	maxPacks = 1024
	// packsAhead is how many packs may be under way that the receiver has not
	// reported, for each paceTime of the round trip.
	packsAhead = 120
	paceTime   = 2 * time.Millisecond
	// reportEvery is how many packs are received before a report, if no pack goes
	// the other way.
	reportEvery = 32
	// measureEvery is how many packs are sent before QUIC is asked anew how long
	// they may be.
	measureEvery = 64
	// stallTime is how long a sender waits for a report before it takes all that
	// is under way for lost.
	stallTime = 50 * time.Millisecond
)

// A lane is one carrier of datagrams.
type lane struct {
	conn  *quic.Conn
	wake  chan struct{} // calls the writer: packs wait, or there is a report to send or to take
	timer *time.Timer   // the writer's
	round []pack        // the writer's: what it is sending

	mu      sync.Mutex // guards what follows
	pace    pace
	waiting bool // the writer waits for a report
}

func newLane(conn *quic.Conn) *lane {
	return &lane{conn: conn, wake: make(chan struct{}, 1)}
}

// call wakes the writer, if it does not know already.
func (l *lane) call() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// A pace says how far ahead of the receiver a sender is, and when a receiver
// reports. It has no clock and no lock.
type pace struct {
	sent  uint32 // number of the last pack sent
	taken uint32 // the highest that the receiver has reported
	seen  uint32 // the highest number received
	owed  int    // packs received since the last report
}

// ahead is how many packs are under way.
func (p *pace) ahead() int { return int(p.sent - p.taken) }

// stamp fills in the header of a pack that goes out now.
func (p *pace) stamp(b []byte) {
	if len(b) > packHeader {
		p.sent++
	}
	binary.BigEndian.PutUint32(b, p.sent)
	binary.BigEndian.PutUint32(b[4:], p.seen)
	p.owed = 0
}

// arrived takes the header of a pack. It tells whether the sender may go on, and
// whether to report.
func (p *pace) arrived(b []byte) (news, report bool) {
	number, taken := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if int32(number-p.seen) > 0 {
		p.seen = number
	}
	if int32(taken-p.taken) > 0 && int32(p.sent-taken) >= 0 {
		p.taken = taken
		news = true
	}
	if len(b) > packHeader {
		p.owed++
	}
	return news, p.owed >= reportEvery
}

// forget takes all that is under way for lost.
func (p *pace) forget() { p.taken = p.sent }

// allowance is how many packs may be under way.
func (l *lane) allowance() int {
	return packsAhead * max(1, int(l.conn.ConnectionStats().MinRTT/paceTime))
}

// write sends packs until the carrier ends.
func (g *datagrams) write(l *lane) {
	l.timer = time.NewTimer(stallTime)
	defer l.timer.Stop()
	for {
		select {
		case <-l.wake:
		case <-l.conn.Context().Done():
			return
		}
		for more := true; more; {
			runtime.Gosched() // let others fill the pack
			more = g.take(l)
			allowed := l.allowance()
			for i, p := range l.round {
				if !g.waitTurn(l, allowed) {
					g.drop(l.round[i:])
					return
				}
				g.sendPack(l, p)
			}
		}
		g.report(l)
	}
}

// waitTurn waits until one more pack may go; false if the carrier has ended.
func (g *datagrams) waitTurn(l *lane, allowed int) bool {
	for {
		l.mu.Lock()
		l.waiting = l.pace.ahead() >= allowed
		waiting := l.waiting
		l.mu.Unlock()
		if !waiting {
			return true
		}
		l.timer.Reset(stallTime)
		select {
		case <-l.wake:
			g.report(l)
		case <-l.timer.C:
			l.mu.Lock()
			l.pace.forget()
			l.mu.Unlock()
		case <-l.conn.Context().Done():
			return false
		}
	}
}

// report sends a pack without datagrams, if one is due.
func (g *datagrams) report(l *lane) {
	l.mu.Lock()
	due := l.pace.owed >= reportEvery
	l.mu.Unlock()
	if due {
		g.sendPack(l, pack{b: make([]byte, packHeader)})
	}
}

// sendPack fills in the header and sends.
func (g *datagrams) sendPack(l *lane, p pack) {
	l.mu.Lock()
	l.pace.stamp(p.b)
	measure := l.pace.sent%measureEvery == 1
	l.mu.Unlock()
	if l.conn.SendDatagram(p.b) != nil {
		g.dropped.Add(p.grams)
		measure = true
	} else {
		g.sent.Add(p.grams)
		g.bytesOut.Add(uint64(len(p.b)))
	}
	if measure {
		g.measure(l)
	}
}

// tooLong is a datagram that QUIC does not take, but says what it would.
var tooLong [1 << 16]byte

// measure finds out how long packs may be, and how much of them may be padding.
// The path may have been found to take more, or less.
func (g *datagrams) measure(l *lane) {
	e, ok := errors.AsType[*quic.DatagramTooLargeError](l.conn.SendDatagram(tooLong[:]))
	if !ok {
		return // it is being closed
	}
	slack := farSlack
	if l.conn.ConnectionStats().MinRTT < nearTime {
		slack = nearSlack
	}
	g.mu.Lock()
	g.room, g.slack = min(max(int(e.MaxDatagramPayloadSize), leastPack), mostPack), slack
	g.mu.Unlock()
}

// take gives what waits to the lane, in exchange for the packs of its last round.
func (g *datagrams) take(l *lane) (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	done := l.round
	for _, p := range done {
		if len(g.spare) < maxPacks {
			g.spare = append(g.spare, p.b)
		}
	}
	clear(done)
	l.round = done[:0]
	switch {
	case g.lane != l:
		return false
	case len(g.packs) == 0:
		g.writing = false
		return false
	}
	l.round, g.packs = g.packs, l.round
	return true
}

// read hands datagrams on until the carrier ends. Whoever gets them must not
// block.
func (g *datagrams) read(l *lane) {
	for {
		b, err := l.conn.ReceiveDatagram(g.ctx)
		if err != nil {
			g.lost(l, err)
			return
		}
		g.bytesIn.Add(uint64(len(b)))
		if len(b) < packHeader {
			g.dropped.Add(1)
			continue
		}
		l.mu.Lock()
		news, report := l.pace.arrived(b)
		call := report || (news && l.waiting)
		l.mu.Unlock()
		if call {
			l.call()
		}
		g.unpack(b[packHeader:])
	}
}
