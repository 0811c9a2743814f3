package cluster

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"kith/gossip"
	"kith/p2p"
	"kith/port"
)

// settleAddresses says under which addresses others reach us, or begins to find
// out.
func (r *run) settleAddresses() {
	hosts, number, ok := fixedHosts(r.node.Advertise, r.server.Addr())
	if ok {
		r.server.Local().SetHosts(hosts)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vantage.port = number
	r.observing = true
	r.tellAddressesLocked()
}

func (r *run) tellAddressesLocked() {
	if !r.observing {
		return
	}
	if hosts := r.vantage.hosts(time.Now()); len(hosts) > 0 {
		r.server.Local().SetHosts(hosts)
	}
}

// seen is the protocol of the gossip, which runs with every member, with a look
// at where that member sees us before it begins.
func (r *run) seen(inner p2p.Protocol) p2p.Protocol {
	outer := inner
	outer.Run = func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		r.mu.Lock()
		look := r.vantage.see(peer.ID(), peer.Hello().You, peer.LocalAddr(), peer.Inbound())
		r.tellAddressesLocked()
		r.mu.Unlock()
		err := inner.Run(peer, rw)
		r.mu.Lock()
		r.vantage.lose(time.Now(), look)
		r.mu.Unlock()
		return err
	}
	return outer
}

// retry lets a member be dialled at once of whom there is good news: a call shall
// not fail because others have while it was away.
func (r *run) retry(news iter.Seq[gossip.Event]) {
	for e := range news {
		switch e.Kind {
		case gossip.Joined, gossip.Returned, gossip.Changed:
			r.server.Retry(e.ID)
		}
	}
}

// tellPorts keeps the members informed of the ports we offer.
func (r *run) tellPorts() {
	last := told(r.mux.Ports())
	for {
		changed := r.mux.Changed()
		if now := told(r.mux.Ports()); !slices.Equal(now, last) {
			last = now
			if err := r.gossip.SetPorts(now); err != nil && r.ctx.Err() == nil {
				r.log.Warn("our ports cannot be told", "err", err)
			}
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return
		}
	}
}

// tellName keeps the members informed of what our certificate calls us, which a
// renewed one may have changed.
func (r *run) tellName() {
	last := r.name
	for {
		changed := r.certs.Changed()
		if now := r.nameIn(r.certs.Current().Name); now != last {
			last = now
			if err := r.gossip.SetName(now); err != nil && r.ctx.Err() == nil {
				r.log.Warn("our name cannot be told", "err", err)
			}
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return
		}
	}
}

// maxName is how many bytes of a name members are told.
const maxName = 64

// nameIn is what members are told of a name in a certificate.
func (r *run) nameIn(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return cmp.Or(name, r.ref.ID.Short())
}

// told is what members are told of ports.
func told(ports []port.Port) []gossip.Port {
	out := make([]gossip.Port, len(ports))
	for i, p := range ports {
		out[i] = gossip.Port{Number: p.Number, Mode: uint8(p.Mode), Name: p.Name}
	}
	return out
}
