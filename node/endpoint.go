package node

import (
	"cmp"
	"net/netip"
	"slices"

	"kith/rlp"
)

// A family is the keys of the entries for addresses of one kind.
type family struct{ ip, tcp, udp string }

var families = [2]family{{"ip", "tcp", "udp"}, {"ip6", "tcp6", "udp6"}}

// TCP are the addresses that the node takes connections at, at most one of IPv4
// and one of IPv6, the widest reachable first. tcp stands for tcp6 where there
// is none. Addresses that are nobody's, such as 0.0.0.0, and those that need a zone
// are left out.
func (r *Record) TCP() []netip.AddrPort {
	return r.endpoints(func(f family) string { return f.tcp })
}

// UDP are the addresses for discovery, in the same manner.
func (r *Record) UDP() []netip.AddrPort {
	return r.endpoints(func(f family) string { return f.udp })
}

func (r *Record) endpoints(port func(family) string) []netip.AddrPort {
	var all []netip.AddrPort
	for i, f := range families {
		ip, ok := r.addr(f.ip)
		p := cmp.Or(r.port(port(f)), r.port(port(families[0])))
		if ok && p != 0 && ip.Is4() == (i == 0) {
			all = append(all, netip.AddrPortFrom(ip, p))
		}
	}
	slices.SortStableFunc(all, func(a, b netip.AddrPort) int { return cmp.Compare(distance(a.Addr()), distance(b.Addr())) })
	return all
}

// distance is how near one must be to reach a: 0 for anywhere.
func distance(a netip.Addr) int {
	switch {
	case a.IsLoopback():
		return 3
	case a.IsLinkLocalUnicast():
		return 2
	case a.IsPrivate():
		return 1
	}
	return 0
}

// addr is the address of an entry; false if it is not there or nobody's.
func (r *Record) addr(key string) (netip.Addr, bool) {
	i, ok := r.find(key)
	if !ok {
		return netip.Addr{}, false
	}
	a, ok := address(r.entries[i].value)
	return a, ok && dialable(a)
}

// dialable tells whether a can be somebody's address for all others. A link-local
// one of IPv6 is of no use without its zone.
func dialable(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6() && !(a.Is6() && a.IsLinkLocalUnicast())
}

// address reads the value of an entry.
func address(value []byte) (netip.Addr, bool) {
	b, _, err := rlp.SplitString(value)
	if err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(b)
}

// port is the port of an entry; 0 if there is none.
func (r *Record) port(key string) uint16 {
	i, ok := r.find(key)
	if !ok {
		return 0
	}
	n, _, err := rlp.SplitUint(r.entries[i].value)
	if err != nil || n > 1<<16-1 {
		return 0
	}
	return uint16(n)
}
