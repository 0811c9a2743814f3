package p2p

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"kith/node"
)

// NodeInfo is what we are, for people and as JSON. The names of its fields are
// those that the admin interface of Ethereum nodes uses.
type NodeInfo struct {
	ID string `json:"id"` // in hexadecimal, in clusters base58
	// Name is what peers are told we are.
	Name string `json:"name"`
	// Enode is the text to dial us by: enode://…, in clusters kith://….
	Enode string `json:"enode"`
	// ENR is our record; empty in clusters.
	ENR string `json:"enr,omitempty"`
	// IP is where we can be dialled, as far as we know.
	IP    string `json:"ip"`
	Ports struct {
		Discovery int `json:"discovery"` // UDP; 0 if we take no part
		Listener  int `json:"listener"`  // TCP; 0 if we do not listen
	} `json:"ports"`
	ListenAddr string `json:"listenAddr"`
	// Protocols has what NodeInfo of each protocol gives, "unknown" if it has none.
	Protocols map[string]any `json:"protocols"`
}

// NodeInfo says who we are. Before Start it only knows the Name and the protocols.
func (s *Server) NodeInfo() NodeInfo {
	info := NodeInfo{Name: cmp.Or(s.Name, defaultName), Protocols: make(map[string]any)}
	for _, p := range s.Protocols {
		if _, there := info.Protocols[p.Name]; !there {
			info.Protocols[p.Name] = "unknown"
		}
		if p.NodeInfo != nil {
			info.Protocols[p.Name] = p.NodeInfo()
		}
	}
	self := s.Self()
	if self == nil {
		return info
	}
	info.ID, info.Enode = self.IDText(), self.String()
	if self.Record != nil {
		info.ENR = self.Record.String()
	}
	for _, h := range self.Hosts {
		if host, _, err := net.SplitHostPort(h); err == nil {
			info.IP = host
			break
		}
	}
	if a := s.Addr(); a != nil {
		info.ListenAddr = a.String()
		info.Ports.Listener = int(portOf(a.String()))
	}
	if udp := self.UDPHosts(); len(udp) > 0 && self.Scheme == node.V4 {
		info.Ports.Discovery = int(portOf(udp[0]))
	}
	return info
}

// portOf is the port of "ip:port"; 0 if it has none.
func portOf(addr string) uint16 {
	ap, _ := netip.ParseAddrPort(addr)
	return ap.Port()
}

// PeerInfo is what is known of a peer, for people and as JSON, in the same names.
type PeerInfo struct {
	ENR   string `json:"enr,omitempty"`
	Enode string `json:"enode"`
	ID    string `json:"id"`
	// Name and Caps are what the peer says, save that what is not printable is
	// U+FFFD.
	Name string   `json:"name"`
	Caps []string `json:"caps"` // "name/version"

	Network struct {
		LocalAddress  string `json:"localAddress"`
		RemoteAddress string `json:"remoteAddress"`
		Inbound       bool   `json:"inbound"`
		Trusted       bool   `json:"trusted"`
		Static        bool   `json:"static"`
	} `json:"network"`
	// Protocols has, for each protocol that runs with the peer, what its PeerInfo
	// gives: "handshake" if that is nil, "unknown" if the protocol has none.
	Protocols map[string]any `json:"protocols"`
}

// Info is what is known of the peer.
func (p *Peer) Info() PeerInfo {
	n := p.Node()
	if len(n.Hosts) == 0 { // it does not say where it listens
		n.Hosts = []string{p.RemoteAddr().String()}
	}
	info := PeerInfo{Enode: n.String(), ID: n.IDText(), Name: printable(p.Name()), Caps: []string{}, Protocols: make(map[string]any)}
	if n.Record != nil {
		info.ENR = n.Record.String()
	}
	for _, c := range p.hello.Caps {
		info.Caps = append(info.Caps, printable(c.String()))
	}
	info.Network.LocalAddress, info.Network.RemoteAddress = p.LocalAddr().String(), p.RemoteAddr().String()
	info.Network.Inbound, info.Network.Trusted, info.Network.Static = p.Inbound(), p.Trusted(), p.Static()
	for _, proto := range p.protos {
		var about any = "unknown"
		if proto.PeerInfo != nil {
			if about = proto.PeerInfo(p.ID()); about == nil {
				about = "handshake"
			}
		}
		info.Protocols[proto.Name] = about
	}
	return info
}

// PeersInfo is what is known of all peers, sorted by ID.
func (s *Server) PeersInfo() []PeerInfo {
	out := []PeerInfo{} // as JSON: [], not null
	for _, p := range s.Peers() {
		out = append(out, p.Info())
	}
	slices.SortFunc(out, func(a, b PeerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
