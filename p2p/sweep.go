package p2p

import "time"

// sweepLoop closes sessions that nobody leases or uses, with Policy OnDemand.
func (c *core) sweepLoop() {
	tick := time.NewTicker(max(c.cfg.IdleTimeout/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range c.peers() {
				if c.idle(p, now) {
					c.loops.Go(func() { c.end(p, DiscIdle) })
				}
			}
		}
	}
}

// idle tells whether p has had neither lease nor traffic for IdleTimeout. If so
// it is going from now on: who dials it gets a session that lasts.
func (c *core) idle(p *Peer, now time.Time) bool {
	st := p.session.Stats()
	use := st.MsgsIn + st.MsgsOut + st.DatagramsIn + st.DatagramsOut
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.going != nil:
		return false
	case p.leases > 0 || use != p.used || p.usedAt.IsZero():
		p.used, p.usedAt = use, now
		return false
	case now.Sub(p.usedAt) < c.cfg.IdleTimeout:
		return false
	}
	p.going = ending(DiscIdle)
	return true
}
