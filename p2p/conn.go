package p2p

import (
	"bytes"
	"fmt"

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
	peer    *Peer // set when open
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
	if old == n || (old != nil && old.dead()) {
		return old, c.room(id, n, old)
	}
	if old == nil {
		return nil, c.room(id, n, nil)
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

// room says whether there is a place for one more.
func (c *core) room(id node.ID, n, old *conn) error {
	if c.trusted[id] {
		return nil
	}
	all, in := 0, 0
	for other, o := range c.conns {
		if o == old || o == n || c.trusted[other] {
			continue
		}
		all++
		if o.inbound {
			in++
		}
	}
	if all >= c.cfg.MaxPeers {
		return fmt.Errorf("%w: %d of %d", DiscTooManyPeers, all, c.cfg.MaxPeers)
	}
	if most := c.cfg.MaxPeers - c.maxDialled(); c.cfg.Policy == Fill && n.inbound && in >= most {
		return fmt.Errorf("%w: %d of %d accepted", DiscTooManyPeers, in, most)
	}
	return nil
}

// maxDialled is how many of MaxPeers are for peers that we dial.
func (c *core) maxDialled() int { return max(1, c.cfg.MaxPeers/c.cfg.DialRatio) }

func capText(caps []Cap) string {
	if len(caps) == 0 {
		return "none"
	}
	text := ""
	for i, c := range caps {
		if i == 8 {
			return text + " …"
		}
		if i > 0 {
			text += " "
		}
		text += c.String()
	}
	return text
}

// notify wakes those who wait for a change of conns. Call it with mu held.
func (c *core) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}
