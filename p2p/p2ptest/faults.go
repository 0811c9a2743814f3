package p2ptest

// Partition lets hosts talk only to those of their own group; the hosts that
// are named in none are one more group, and so are those that come later. It
// takes the place of the partition before. Sessions across it go silent.
func (n *Network) Partition(groups ...[]string) {
	n.change(func() {
		n.groups = make(map[string]int)
		for i, group := range groups {
			for _, name := range group {
				n.groups[name] = i + 1
			}
		}
	})
}

// Cut lets nothing pass between a and b.
func (n *Network) Cut(a, b string) {
	n.change(func() { n.blocks[[2]string{a, b}], n.blocks[[2]string{b, a}] = true, true })
}

// Block lets nothing pass from one host to another, but all that goes back.
func (n *Network) Block(from, to string) {
	n.change(func() { n.blocks[[2]string{from, to}] = true })
}

// Heal ends every Partition, Cut and Block. What was written meanwhile arrives
// when its sender tries again, unless its session has died.
func (n *Network) Heal() {
	n.change(func() { n.groups = nil; clear(n.blocks) })
}

// Crash takes a host off the network for good, as if its plug was pulled: what
// it sends is lost, and nobody sees it close. Transport with the same name is
// the host after its restart, with other ports and sessions.
func (n *Network) Crash(name string) {
	n.change(func() {
		if h := n.hosts[name]; h != nil && h.current != nil {
			h.current.crashed = true
			h.leaveLocked()
		}
	})
}

// Kill ends a host as if its process was killed: its sessions and listeners
// close, and its peers see that, if the network lets them. Transport with the
// same name is the process that comes next.
func (n *Network) Kill(name string) {
	n.mu.Lock()
	n.beginLocked()
	var t *Transport
	if h := n.hosts[name]; h != nil {
		t = h.current
		h.leaveLocked()
	}
	conns := n.connsLocked()
	n.mu.Unlock()
	if t == nil {
		return
	}
	t.stop(errKilled)
	for _, c := range conns {
		for _, s := range c.ends {
			if s.t == t {
				s.end(errKilled, frame{kind: kindReset}.bytes(), true)
			}
		}
	}
}

func (n *Network) change(rule func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.beginLocked()
	rule()
	n.refreshLocked()
}

// blockedLocked tells whether nothing that from sends gets to to.
func (n *Network) blockedLocked(from, to *Transport) bool {
	if from.crashed || to.crashed {
		return true
	}
	return n.apartLocked(from.host, to.host)
}

func (n *Network) apartLocked(from, to *host) bool {
	return from != to && (n.blocks[[2]string{from.name, to.name}] || n.groups[from.name] != n.groups[to.name])
}
