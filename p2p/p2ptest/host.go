package p2ptest

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// firstPort is the first that is given to a listener or a dial that does not
// care.
const firstPort = 49152

// A host is a name on the network. It outlives the processes that run there.
type host struct { // guarded by Network.mu
	name    string
	addr    netip.Addr
	cond    conditions
	current *Transport // nil: no process runs
	off     bool       // crashed and not back yet
	ports   map[uint16]*listener
	next    uint16
	dialled map[netip.AddrPort]int // how often, from here
}

// hostLocked finds a host or puts it on the network. Its address is that which
// its name says, if it says one, else made of its name.
func (n *Network) hostLocked(name string) *host {
	if h := n.hosts[name]; h != nil {
		return h
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		if name == "" || strings.ContainsAny(name, ":/[]@, ") {
			panic("p2ptest: " + strconv.Quote(name) + " cannot be the name of a host")
		}
		addr = addrOf(name)
		for n.byAddr[addr] != nil || !usable(addr) {
			addr = addr.Next()
		}
	}
	h := &host{
		name: name, addr: addr, cond: n.cond, next: firstPort,
		ports: make(map[uint16]*listener), dialled: make(map[netip.AddrPort]int),
	}
	n.hosts[name], n.byAddr[addr] = h, h
	return h
}

func addrOf(name string) netip.Addr {
	sum := sha256.Sum256([]byte(name))
	return netip.AddrFrom4([4]byte{10, sum[0] & 0x7f, sum[1], sum[2]}) // 10.128 and on is never reached
}

func usable(addr netip.Addr) bool {
	last := addr.As4()[3]
	return last != 0 && last != 255
}

// leaveLocked ends what runs on h. Its ports are free again.
func (h *host) leaveLocked() {
	if h == nil {
		return
	}
	if h.current != nil {
		h.off = h.current.crashed
	}
	h.current = nil
	clear(h.ports)
}

// portLocked gives a port that nobody has.
func (h *host) portLocked() uint16 {
	for {
		p := h.next
		if h.next++; h.next == 0 {
			h.next = firstPort
		}
		if h.ports[p] == nil {
			return p
		}
	}
}

// Alias makes a name stand for hosts, or for what can be looked up, as an entry
// in the DNS does. No hosts take it away. Who dials it tries them in turn.
func (n *Network) Alias(name string, hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.beginLocked()
	delete(n.alias, name)
	if len(hosts) > 0 {
		n.alias[name] = append([]string(nil), hosts...)
	}
}

// Addr is the address of a host, as its peers see it.
func (n *Network) Addr(name string) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.beginLocked()
	return n.hostLocked(name).addr
}

// lookup finds what to dial for "host:port".
func (n *Network) lookup(from *host, hostport string) ([]netip.AddrPort, error) {
	name, port, err := split(hostport)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	names := []string{name}
	if hosts := n.alias[name]; hosts != nil {
		names = hosts
	}
	var found []netip.AddrPort
	for _, name := range names {
		addr, err := netip.ParseAddr(name)
		switch h := n.hosts[name]; {
		case h != nil:
			addr = h.addr
		case name == "localhost" || err == nil && addr.IsLoopback():
			addr = from.addr
		case err != nil:
			continue
		}
		found = append(found, netip.AddrPortFrom(addr.Unmap(), port))
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return found, nil
}

func split(hostport string) (string, uint16, error) {
	name, text, err := net.SplitHostPort(hostport)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number from 0 to 65535", text)
	}
	return name, uint16(port), nil
}

// ours tells whether h can listen on name.
func (h *host) ours(name string) error {
	addr, err := netip.ParseAddr(name)
	switch {
	case name == "" || name == h.name || name == "localhost":
		return nil
	case err == nil && (addr == h.addr || addr.IsUnspecified() || addr.IsLoopback()):
		return nil
	}
	return syscall.EADDRNOTAVAIL
}
