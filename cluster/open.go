package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"kith/node"
)

// Open is the section of a configuration that is about an open network: one that
// anybody may join, over RLPx. A Node does not read it: it is for a p2p.Server,
// and the command runs one.
type Open struct {
	// KeyFile is the path of the node's key. Empty means a new one at each start;
	// a file that is missing is to be made.
	KeyFile string
	// ListenAddr is where to listen; empty means nowhere.
	ListenAddr string
	// Name is what peers are told.
	Name     string
	MaxPeers int
	// StaticNodes are kept connected, BootNodes are dialled while there are few,
	// TrustedNodes need none.
	StaticNodes, BootNodes, TrustedNodes []*node.Node
	// NetRestrict are the only networks to dial and to be dialled from. Empty
	// means all.
	NetRestrict []netip.Prefix
	// Protocols are names of sub-protocols that the command has.
	Protocols []string
	// Serve are ports that are served by a command.
	Serve []Serve
}

// maxOpenList is how many nodes or networks a list may have.
const maxOpenList = 256

// InCluster tells whether the configuration is about a cluster. Only one with a
// section "open" may have no certificates.
func (c *Config) InCluster() bool { return c.CA != "" }

// section takes the object of "open" apart: its keys come into force each for
// itself, so that a later layer may set one of them. null takes back the section
// of earlier layers.
func (r *reading) section(f field) {
	if value(f.raw).null() {
		r.config.Open = nil
		r.fields = slices.DeleteFunc(r.fields, func(h held) bool { return strings.HasPrefix(h.key, openSection+".") })
		return
	}
	if r.config.Open == nil {
		r.config.Open = new(Open)
	}
	if f.raw[0] != '{' {
		r.wrong(f.line, f.key, excerpt(f.raw), `must be an object, such as {"listen": "0.0.0.0:30303"}`)
		return
	}
	s := splitter{rest: f.raw, line: f.line}
	fields := s.object()
	r.take(openSection, s.problems)
	r.forceAll(fields, openSection+".")
}

// openValue reads those keys of the section that are long enough to have their
// problems told one by one. It is false for the others.
func (r *reading) openValue(h held) bool {
	switch o := r.config.Open; h.key {
	case "open.serve":
		o.Serve = r.serve(h.field)
	case "open.static_nodes":
		o.StaticNodes = r.openNodes(h.field)
	case "open.boot_nodes":
		o.BootNodes = r.openNodes(h.field)
	case "open.trusted_nodes":
		o.TrustedNodes = r.openNodes(h.field)
	default:
		return false
	}
	return true
}

func (r *reading) openNodes(f field) (out []*node.Node) {
	rule := ruleOf(f.key)
	if len(f.raw) == 0 || f.raw[0] != '[' {
		r.wrong(f.line, f.key, excerpt(f.raw), rule)
		return nil
	}
	s := splitter{rest: f.raw, line: f.line}
	entries := s.list()
	r.take(f.key, s.problems)
	if len(entries) > maxOpenList {
		r.wrong(f.line, f.key, "", fmt.Sprintf("must have at most %d nodes, has %d", maxOpenList, len(entries)))
		return nil
	}
	for i, e := range entries {
		n, why := openNode(value(e.raw), f.key != "open.trusted_nodes")
		if why != "" {
			r.wrong(e.line, fmt.Sprintf("%s[%d]", f.key, i), excerpt(e.raw), why)
			continue
		}
		out = append(out, n)
	}
	return out
}

// openNode reads a node of an open network, or says what is wrong with it.
func openNode(v value, dialled bool) (n *node.Node, why string) {
	text, ok := v.text()
	if !ok {
		return nil, "must be a text: enode://… or enr:…"
	}
	n, err := node.Parse(text)
	switch {
	case err != nil:
		return nil, "must be enode://<128 hex digits>@host:port or enr:<text>: " + excerpt([]byte(strings.TrimPrefix(err.Error(), "node: ")))
	case n.Scheme != node.V4 || n.ID.IsZero():
		return nil, "must be enode://… or enr:…; kith:// is for members of a cluster"
	case dialled && len(n.TCPHosts()) == 0:
		return nil, "must say where it is: enode://…@host:port"
	}
	return n, ""
}

func (v value) networks(to *[]netip.Prefix) bool {
	var out []netip.Prefix
	_, ok := v.texts(maxOpenList, func(v value) (string, bool) {
		s, ok := v.text()
		if !ok {
			return "", false
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, bad := netip.ParseAddr(s)
			if bad != nil || a.Zone() != "" {
				return "", false
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
		return s, true
	})
	if ok {
		*to = out
	}
	return ok
}
