package cluster

import "slices"

// openSection is the key whose object holds the keys of the open network.
const openSection = "open"

// What stands for a missing key of the section.
const (
	openListen = "0.0.0.0:30303"
	openName   = "kith"
	openPeers  = 50 // as p2p.DefaultMaxPeers
)

// openProtocols are those that the command can run.
var openProtocols = []string{"foobar"}

// openKeys are those of the section "open". Their set is called only where there
// is a section.
func openKeys() []Key {
	const nodesRule = "must be a list of at most 256 nodes, each enode://<128 hex digits>@host:port or enr:<text>"
	ks := []Key{
		{
			Name: "key_file", Type: "text", Default: `""`, Empty: "another key, and so another node, at each start",
			rule:    "must be the path of a file with a key of 64 hex digits; one that is missing is made",
			Meaning: "who this node is: a secp256k1 key, as kith devp2p key makes it",
			set:     func(c *Config, v value) bool { return v.path(&c.Open.KeyFile) },
		},
		{
			Name: "listen", Type: "text", Default: `"` + openListen + `"`, Empty: "nowhere: this node only dials",
			rule:    "must be host:port to listen on, such as 0.0.0.0:30303 or [::]:30303; port 0 takes any",
			Meaning: "where to listen, on TCP",
			set:     func(c *Config, v value) bool { return v.openListen(&c.Open.ListenAddr) },
		},
		{
			Name: "name", Type: "text", Default: `"` + openName + `"`, Empty: "refused",
			rule:    "must be a text of 1 to 255 bytes",
			Meaning: "what peers are told that we are",
			set:     func(c *Config, v value) bool { return v.openName(&c.Open.Name) },
		},
		whole("max_peers", "50", 1, 100_000, "how many peers there may be, beside trusted ones", func(c *Config, n int) { c.Open.MaxPeers = n }),
		{
			Name: "static_nodes", Type: "list of texts", Default: "[]", Empty: "none", rule: nodesRule,
			Meaning: "nodes to be connected to always; dialled again when they go",
		},
		{
			Name: "boot_nodes", Type: "list of texts", Default: "[]", Empty: "none", rule: nodesRule,
			Meaning: "nodes to begin with: dialled in turn while there are fewer than three peers",
		},
		{
			Name: "trusted_nodes", Type: "list of texts", Default: "[]", Empty: "none", rule: nodesRule,
			Meaning: "nodes that are let in even when there are max_peers",
		},
		{
			Name: "net_restrict", Type: "list of texts", Default: "[]", Empty: "everybody",
			rule:    "must be a list of at most 256 networks, such as 10.0.0.0/8 or fd00::/8",
			Meaning: "the only networks that this node dials and takes connections from",
			set:     func(c *Config, v value) bool { return v.networks(&c.Open.NetRestrict) },
		},
		{
			Name: "protocols", Type: "list of texts", Default: "[]", Empty: "none but port, which is always there",
			rule:    `must be a list of protocols that the command has: "foobar"`,
			Meaning: "sub-protocols that the command runs with peers; programs ignore it",
			set:     func(c *Config, v value) bool { return v.openProtocols(&c.Open.Protocols) },
		},
		{
			Name: "serve", Type: "list of objects", Default: "[]", Empty: "none", rule: ruleOfServe,
			Meaning: "ports that are served by a command to any peer, as serve does it in the cluster; programs ignore it",
		},
	}
	for i := range ks {
		ks[i].Open, ks[i].Name = true, openSection+"."+ks[i].Name
	}
	return ks
}

func (v value) openListen(to *string) bool {
	if s, ok := v.text(); ok && s == "" {
		*to = ""
		return true
	}
	return v.listen(to)
}

func (v value) openName(to *string) bool {
	s, ok := v.text()
	if ok = ok && s != "" && len(s) <= 255; ok {
		*to = s
	}
	return ok
}

func (v value) openProtocols(to *[]string) bool {
	list, ok := v.texts(len(openProtocols), func(v value) (string, bool) {
		s, ok := v.text()
		return s, ok && slices.Contains(openProtocols, s)
	})
	if ok {
		*to = list
	}
	return ok
}
