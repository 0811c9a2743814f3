package node

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"kith/crypto"
)

const (
	keyDigits = 128 // hexadecimal, of a public key
	idDigits  = 64
)

// parseEnode reads what follows enode://. Paths, fragments and parameters other
// than discport are passed over, as everywhere in these networks.
func parseEnode(text, rest string) (*Node, error) {
	fail := func(what string, args ...any) (*Node, error) {
		return nil, fmt.Errorf("node: parse %.40q: %s: %w", text, fmt.Sprintf(what, args...), ErrBadNode)
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	who, where, located := strings.Cut(rest, "@")
	key, err := parseKey(who)
	if err != nil {
		return fail("%v", err)
	}
	n := NewV4(key)
	if !located {
		return n, nil
	}
	where, _, _ = strings.Cut(where, "/")
	host, port, err := net.SplitHostPort(where)
	if err != nil {
		return fail("%v", err)
	}
	if host, err = cleanHost(host); err != nil {
		return fail("%v", err)
	}
	tcp, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fail("the port must be 0 to 65535, not %q", port)
	}
	if err := n.setDiscport(query, uint16(tcp)); err != nil {
		return fail("%v", err)
	}
	n.Hosts = []string{net.JoinHostPort(host, strconv.Itoa(int(tcp)))}
	return n, nil
}

func parseKey(text string) (*crypto.PublicKey, error) {
	digits := strings.TrimPrefix(text, "0x")
	if len(digits) != keyDigits {
		return nil, fmt.Errorf("a key of %d digits, want %d hexadecimal ones", len(digits), keyDigits)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("the key: %v", err)
	}
	return crypto.ParsePublicKey(b)
}

// setDiscport reads the parameters of the URL.
func (n *Node) setDiscport(query string, tcp uint16) error {
	text := ""
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "discport="); ok {
			text = value
			break
		}
	}
	udp := uint64(tcp)
	if text != "" {
		var err error
		if udp, err = strconv.ParseUint(text, 10, 16); err != nil {
			return fmt.Errorf("discport must be 0 to 65535, not %q", text)
		}
	}
	switch {
	case udp == 0 && tcp == 0:
		return fmt.Errorf("the port is 0, and so is discport")
	case udp == 0:
		n.NoUDP = true
	case uint16(udp) != tcp:
		n.UDP = uint16(udp)
	}
	return nil
}

// cleanHost gives an address its usual form, and says what is wrong with a name.
func cleanHost(host string) (string, error) {
	host = strings.Replace(host, "%25", "%", 1) // how URLs write the % of a zone
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); plain(a.Zone()) {
			return a.String(), nil
		}
	} else if last := host[strings.LastIndexByte(host, '.')+1:]; host != "" && len(host) <= 253 && plain(host) &&
		strings.Trim(last, "0123456789") != "" {
		return host, nil
	}
	return "", fmt.Errorf("%.40q is neither an IP address nor a name", host)
}

// plain tells whether all of s may stand in a host's name.
func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) < 0
}

// enode is the URL of a V4 node.
func (n *Node) enode() string {
	if n.Key == nil {
		return n.ID.Hex()
	}
	key := n.Key.Bytes()
	text := enodePrefix + hex.EncodeToString(key[:])
	if len(n.Hosts) == 0 {
		return text
	}
	text += "@" + strings.Replace(n.Hosts[0], "%", "%25", 1)
	switch {
	case n.NoUDP:
		text += "?discport=0"
	case n.UDP != 0:
		text += "?discport=" + strconv.Itoa(int(n.UDP))
	}
	return text
}
