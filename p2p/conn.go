package p2p

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"kith/node"
)

// A conn is the place that one session has, or asks for, among our connections:
//
//	greeting (dialled, our hello is sent) -> opening (accepted by both) -> open
type conn struct {
	session Session
	inbound bool
	epoch   uint64 // theirs; 0 while greeting
	stage   stage
	peer    *Peer      // set when open
	node    *node.Node // that was dialled; nil if inbound
}

type stage uint8

const (
	greeting stage = iota
	opening
	open
)

func (c *conn) dead() bool {
	select {
	case <-c.session.Done():
		return true
	default:
		return false
	}
}

// over tells whether the session has ended, or is being ended by us. Call it with
// core.mu held.
func (c *conn) over() bool { return c.dead() || c.peer != nil && c.peer.going != nil }

// dialledBy is who dialled the session between self and its remote.
func (c *conn) dialledBy(self node.ID) node.ID {
	if c.inbound {
		return c.session.Remote()
	}
	return self
}

// admit is the one function that decides about a newcomer, dialled or accepted,
// after its hello. It returns nil or the reason to refuse it, and the connection
// whose place the newcomer takes.
//
// Of two connections to one node the one of the later run stays. In the same
// run, if each side has dialled, the one dialled by the smaller id stays; so both
// come to the same answer. If the same side has dialled twice, the second stays
// where runs are told: that side says hello only when it has no other, so the
// first has ended there and the news is under way. Otherwise the first stays.
func (c *core) admit(n *conn, theirs Hello) (old *conn, err error) {
	id := n.session.Remote()
	switch {
	case c.quitting:
		return nil, DiscQuitting
	case id == c.local.ID():
		return nil, DiscSelf
	case len(c.cfg.Protocols) > 0 && len(shared(c.cfg.Protocols, theirs.Caps)) == 0:
		return nil, fmt.Errorf("%w; they have %s", DiscUselessPeer, capText(theirs.Caps))
	}
	old = c.conns[id]
	if old == nil || old == n || old.over() {
		return old, c.roomLocked(id, n, old)
	}
	return old, c.rival(n, old, theirs.Epoch)
}

// rival decides between two living connections to one node.
func (c *core) rival(n, old *conn, epoch uint64) error {
	if old.stage != greeting && epoch != old.epoch {
		if epoch > old.epoch {
			return nil
		}
		return DiscSuperseded
	}
	if n.inbound && old.inbound && epoch != 0 {
		return nil
	}
	self := c.local.ID()
	a, b := n.dialledBy(self), old.dialledBy(self)
	if n.inbound != old.inbound && bytes.Compare(a[:], b[:]) < 0 {
		return nil
	}
	return DiscAlreadyConnected
}

// roomLocked says whether there is a place for one more.
func (c *core) roomLocked(id node.ID, n, old *conn) error {
	if c.trusted[id] {
		return nil
	}
	all, in := 0, 0
	for other, o := range c.conns {
		if o == old || o == n || c.trusted[other] {
			continue
		}
		all++
		if o.inbound && !c.staticLocked(other) {
			in++
		}
	}
	if most := c.placesLocked(id); all >= most {
		return c.fullLocked(all, most)
	}
	if c.staticLocked(id) {
		return nil
	}
	if most := c.maxAccepted(); n.inbound && in >= most {
		return fmt.Errorf("%w: %d of %d accepted", DiscTooManyPeers, in, most)
	}
	if n.inbound && c.rested.has(target{id: id}, time.Now()) {
		return errChurned
	}
	return nil
}

func (c *core) fullLocked(all, most int) error {
	if kept := c.cfg.MaxPeers - most; kept > 0 {
		return fmt.Errorf("%w: %d of %d, %d kept for static nodes", DiscTooManyPeers, all, c.cfg.MaxPeers, kept)
	}
	return fmt.Errorf("%w: %d of %d", DiscTooManyPeers, all, most)
}

// placesLocked is how many peers there may be when id is among them, who may be
// anybody: some places, but not all, are kept for static nodes.
func (c *core) placesLocked(id node.ID) int {
	if c.staticLocked(id) {
		return c.cfg.MaxPeers
	}
	return max(1, c.cfg.MaxPeers-c.missingLocked(id))
}

// maxDialled is how many of MaxPeers are for peers of a Discovery.
func (c *core) maxDialled() int { return max(1, c.cfg.MaxPeers/c.cfg.DialRatio) }

// maxAccepted is how many are for those who dial us: the rest, but one at least,
// and all if there is no Discovery to fill the others.
func (c *core) maxAccepted() int {
	if c.cfg.Policy != Fill || len(c.cfg.Discovery) == 0 {
		return c.cfg.MaxPeers
	}
	return max(1, c.cfg.MaxPeers-c.maxDialled())
}

// capText names what a stranger says it can run: some of it, and nothing that
// would upset a terminal.
func capText(caps []Cap) string {
	const most = 8
	if len(caps) == 0 {
		return "none"
	}
	var texts []string
	for _, c := range caps[:min(len(caps), most)] {
		texts = append(texts, printable(c.String()))
	}
	if len(caps) > most {
		texts = append(texts, "…")
	}
	return strings.Join(texts, " ")
}

// printable is what somebody says of itself, without what would upset a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// nameText is a peer's name for the log.
func nameText(name string) string {
	const most = 64
	if len(name) > most {
		name = name[:most] + "…"
	}
	return printable(name)
}

// notify wakes those who wait for a change of conns. Call it with mu held.
func (c *core) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}
