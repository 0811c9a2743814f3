package cluster

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"kith/node"
)

const (
	// minWitnesses is how many members must see an address before we believe
	// that it is ours: one alone could lie.
	minWitnesses = 2
	// maxObserved is how many addresses we tell others.
	maxObserved = 4
	// sightFor is how long a sight counts after its session has ended.
	sightFor = 10 * time.Minute
	// maxSights bounds memory; the oldest sight makes room.
	maxSights = 256
)

// A look is one session in which a member sees us.
type look uint64

// A sight is how one member sees us.
type sight struct {
	by    node.ID
	seen  netip.AddrPort // where that member reaches us; port 0 is the one we listen on
	local netip.AddrPort // our end of the session; port 0 likewise
	look  look
	ended time.Time // when the session ended; zero while it is there
}

// vantage finds out under which addresses others reach us when we listen on all
// of a machine's. It has no clock: its callers say what time it is.
type vantage struct {
	port   uint16 // where we listen; it may be set after the first sights
	sights []sight
	looks  look
}

// see takes in a session with a member that says it sees us at you. A member
// that dialled us names the address that it dialled; of one that we dialled the
// port is that of our end, so only the address counts.
func (v *vantage) see(by node.ID, you, local netip.AddrPort, inbound bool) look {
	v.looks++
	s := sight{by: by, look: v.looks, local: netip.AddrPortFrom(local.Addr().Unmap(), 0)}
	if good(you.Addr()) {
		s.seen = netip.AddrPortFrom(you.Addr().Unmap(), 0)
		if inbound && you.Port() != 0 {
			s.seen = netip.AddrPortFrom(you.Addr().Unmap(), you.Port())
		}
	}
	v.sights = slices.DeleteFunc(v.sights, func(o sight) bool { return o.by == by })
	if len(v.sights) >= maxSights {
		v.sights = slices.Delete(v.sights, 0, 1)
	}
	v.sights = append(v.sights, s)
	return s.look
}

// lose tells that a session has ended. If its member has another one by now,
// that counts on.
func (v *vantage) lose(now time.Time, l look) {
	for i := range v.sights {
		if v.sights[i].look == l {
			v.sights[i].ended = now
		}
	}
}

// good refuses what nobody else can dial: nothing, "any", one link's own.
func good(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// hosts are the addresses to tell others: those that enough members see, else
// our own ends of the sessions. Those with most witnesses come first, loopback
// last.
func (v *vantage) hosts(now time.Time) []string {
	v.sights = slices.DeleteFunc(v.sights, func(s sight) bool { return !s.ended.IsZero() && now.Sub(s.ended) > sightFor })
	seen := v.count(func(s sight) netip.AddrPort { return s.seen }, minWitnesses)
	if len(seen) == 0 {
		seen = v.count(func(s sight) netip.AddrPort { return s.local }, 1)
	}
	hosts := make([]string, 0, maxObserved)
	for _, a := range seen[:min(len(seen), maxObserved)] {
		hosts = append(hosts, a.String())
	}
	return hosts
}

func (v *vantage) count(of func(sight) netip.AddrPort, least int) []netip.AddrPort {
	witnesses := make(map[netip.AddrPort]int)
	for _, s := range v.sights {
		a := of(s)
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), v.port)
		}
		if good(a.Addr()) {
			witnesses[a]++
		}
	}
	var all []netip.AddrPort
	for a, n := range witnesses {
		if n >= least {
			all = append(all, a)
		}
	}
	last := func(a netip.AddrPort) int {
		if a.Addr().IsLoopback() {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b netip.AddrPort) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(witnesses[b], witnesses[a]), a.Compare(b))
	})
	return all
}

// fixedHosts are the addresses to tell others if nothing needs to be observed:
// what was asked for, or the one address that we listen on. ok is false if that
// is all of the machine's.
func fixedHosts(advertise []string, listening net.Addr) (hosts []string, port uint16, ok bool) {
	if len(advertise) > 0 {
		return advertise, 0, true
	}
	if listening == nil {
		return nil, 0, true
	}
	host, portText, err := net.SplitHostPort(listening.String())
	if err != nil {
		return nil, 0, true
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, 0, true
	}
	ip, err := netip.ParseAddr(host)
	if host == "" || err == nil && ip.IsUnspecified() {
		return nil, uint16(n), false
	}
	return []string{listening.String()}, uint16(n), true
}
