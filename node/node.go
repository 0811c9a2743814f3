package node

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// A Scheme says how an ID is proved.
type Scheme uint8

const (
	// Cert is the scheme of clusters: the key of a certificate.
	Cert Scheme = iota
)

// A Node is somebody to dial. It is a value: copy it, never change one that
// another goroutine may hold.
type Node struct {
	// ID is who must answer. Zero means an address alone, such as a seed: the
	// session then tells who answered.
	ID ID
	// Scheme is how ID is proved.
	Scheme Scheme
	// Hosts are "host:port" in the order to try them. A host may be a name; it
	// is looked up at every dial. Empty means that a Resolver has to say.
	Hosts []string
}

const prefix = "kith://"

// ErrBadNode is wrapped by every error about the text of a Node.
var ErrBadNode = errors.New("not a node")

// Parse reads the text of a node: "kith://id@host:port,host:port", where the
// id may be missing, or the addresses.
func Parse(text string) (*Node, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return nil, fmt.Errorf("node: parse %q: it must start with %s: %w", text, prefix, ErrBadNode)
	}
	n := new(Node)
	who, where, found := strings.Cut(rest, "@")
	if !found && strings.Contains(rest, ":") {
		who, where = "", rest
	}
	if who != "" {
		id, err := ParseID(who)
		if err != nil {
			return nil, err
		}
		n.ID = id
	}
	if where != "" {
		n.Hosts = strings.Split(where, ",")
	}
	for _, h := range n.Hosts {
		if err := CheckHost(h); err != nil {
			return nil, err
		}
	}
	if n.ID.IsZero() && len(n.Hosts) == 0 {
		return nil, fmt.Errorf("node: parse %q: neither id nor address: %w", text, ErrBadNode)
	}
	return n, nil
}

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
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
		return fmt.Errorf("node: address %q: the port must be 1 to 65535: %w", hostport, ErrBadNode)
	}
	return nil
}

// String is the text that Parse reads.
func (n *Node) String() string {
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
	return n.ID == m.ID && n.Scheme == m.Scheme && slices.Equal(n.Hosts, m.Hosts)
}
