package node

import (
	"fmt"
	"strings"
)

const (
	prefix      = "kith://"
	enodePrefix = "enode://"
	enrPrefix   = "enr:"
)

// Parse reads the text of a node.
//
//	kith://id@host:port,host:port          a node of a cluster; the id may be missing, or the addresses
//	enode://key@host:port?discport=port    a node of an open network
//	enr:…                                  the same, from its signed record
//
// In an enode URL the key has 128 hexadecimal digits, the host may be a name or
// an IPv6 address in brackets, discport is the port for discovery if it is not
// that of TCP, and all after the key may be missing. The key alone, and an id of
// 64 hexadecimal digits alone, are nodes of an open network too. Errors wrap
// ErrBadNode, ErrBadID or ErrBadRecord.
func Parse(text string) (*Node, error) {
	switch {
	case strings.HasPrefix(text, prefix):
		return parseKith(text)
	case len(text) >= len(enodePrefix) && strings.EqualFold(text[:len(enodePrefix)], enodePrefix):
		return parseEnode(text, text[len(enodePrefix):])
	case strings.HasPrefix(text, enrPrefix):
		r, err := ParseRecord(text)
		if err != nil {
			return nil, err
		}
		return FromRecord(r)
	case len(text) == keyDigits:
		return parseEnode(text, text)
	case len(text) == idDigits:
		id, err := ParseID(text)
		if err != nil {
			return nil, err
		}
		return &Node{ID: id, Scheme: V4}, nil
	}
	return nil, fmt.Errorf("node: parse %.40q: it must start with %s, %s or %s: %w", text, enodePrefix, enrPrefix, prefix, ErrBadNode)
}

func parseKith(text string) (*Node, error) {
	rest := text[len(prefix):]
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
