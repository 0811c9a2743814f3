package node

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kith/crypto"
)

// A Node is somebody to dial. It is a value: copy it, never change one that
// another goroutine may hold.
type Node struct {
	// ID is who must answer. Zero means an address alone, such as a seed: the
	// session then tells who answered.
	ID ID
	// Scheme is how ID is proved.
	Scheme Scheme
	// Hosts are "host:port" in the order to try them, all of the same node: an
	// IPv4 address beside an IPv6 one, for example. A host may be a name; it is
	// looked up at every dial. Empty means that a Resolver has to say. Port 0
	// means that the node takes only UDP there; TCPHosts leaves such ones out.
	Hosts []string
	// Key is the public key of a V4 node. Nil in clusters, and where only the
	// ID is known: RLPx cannot dial without it.
	Key *crypto.PublicKey
	// Record is what the node has signed. Nil in clusters, and where none is
	// known. It is shared and must not be changed.
	Record *Record
	// UDP is the port for discovery at each of Hosts. Zero means the one of TCP.
	// What Record says goes before it.
	UDP uint16
	// NoUDP tells that the node takes no discovery: its text has discport=0.
	NoUDP bool
}

// NewV4 gives the node with this key at these addresses.
func NewV4(key *crypto.PublicKey, hosts ...string) *Node {
	return &Node{ID: V4ID(key), Scheme: V4, Key: key, Hosts: hosts}
}

// FromRecord gives the node that a signed Record is about, with its addresses,
// the widest reachable first.
func FromRecord(r *Record) (*Node, error) {
	if !r.Signed() {
		return nil, fmt.Errorf("node: from record: %w", ErrUnsigned)
	}
	n := NewV4(r.key)
	n.Record = r
	tcp, udp := r.TCP(), r.UDP()
	for _, a := range tcp {
		n.Hosts = append(n.Hosts, a.String())
	}
	if len(tcp) > 0 && len(udp) > 0 && udp[0].Port() != tcp[0].Port() {
		n.UDP = udp[0].Port()
	}
	if len(tcp) == 0 {
		for _, a := range udp {
			n.Hosts = append(n.Hosts, net.JoinHostPort(a.Addr().String(), "0"))
			n.UDP = udp[0].Port()
		}
	}
	return n, nil
}

// TCPHosts are those of Hosts that can be dialled.
func (n *Node) TCPHosts() []string {
	return slices.DeleteFunc(slices.Clone(n.Hosts), func(h string) bool { return strings.HasSuffix(h, ":0") })
}

// UDPHosts are "host:port" for discovery: those of the Record, else those of
// Hosts. Empty means that the node takes none.
func (n *Node) UDPHosts() []string {
	var hosts []string
	if n.Record != nil {
		for _, a := range n.Record.UDP() {
			hosts = append(hosts, a.String())
		}
		return hosts
	}
	if n.NoUDP {
		return nil
	}
	for _, h := range n.Hosts {
		host, port, err := net.SplitHostPort(h)
		if n.UDP != 0 {
			port = strconv.Itoa(int(n.UDP))
		}
		if err == nil && port != "0" {
			hosts = append(hosts, net.JoinHostPort(host, port))
		}
	}
	return hosts
}

// ErrBadNode is wrapped by every error about the text of a Node.
var ErrBadNode = errors.New("not a node")

// CheckHost says what is wrong with a "host:port" to dial: both must be there
// and the port must be a number from 1 to 65535.
func CheckHost(hostport string) error {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return fmt.Errorf("node: address %q: %v: %w", hostport, err, ErrBadNode)
	}
	if host == "" {
		return fmt.Errorf("node: address %q: no host: %w", hostport, ErrBadNode)
	}
	if strings.ContainsFunc(host, noHost) {
		return fmt.Errorf("node: address %q: a host has no such characters: %w", hostport, ErrBadNode)
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
		return fmt.Errorf("node: address %q: the port must be 1 to 65535: %w", hostport, ErrBadNode)
	}
	return nil
}

// noHost tells what is in no name and no address: what a terminal would obey or
// not show, and what divides the text of a node.
func noHost(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune("@,/?#", r) || r == utf8.RuneError
}

// IDText is the whole id, in base58 or for V4 in hexadecimal.
func (n *Node) IDText() string { return n.Scheme.IDText(n.ID) }

// Short is the first eight characters of IDText, for logs and errors.
func (n *Node) Short() string { return n.Scheme.Short(n.ID) }

// String is a text that Parse reads: kith:// for a cluster's node with all its
// Hosts; for a V4 node its enode URL with the first of them, or its ID in
// hexadecimal if Key is not known. The text of the Record is Record.String.
func (n *Node) String() string {
	if n.Scheme == V4 {
		return n.enode()
	}
	var b strings.Builder
	b.WriteString(prefix)
	if !n.ID.IsZero() {
		b.WriteString(n.ID.String())
		if len(n.Hosts) > 0 {
			b.WriteByte('@')
		}
	}
	b.WriteString(strings.Join(n.Hosts, ","))
	return b.String()
}

// Equal tells whether both say the same.
func (n *Node) Equal(m *Node) bool {
	return n.ID == m.ID && n.Scheme == m.Scheme && (n.Key == nil) == (m.Key == nil) &&
		n.UDP == m.UDP && n.NoUDP == m.NoUDP && slices.Equal(n.Hosts, m.Hosts) && n.Record.Equal(m.Record)
}
