package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Key describes one key of a configuration.
type Key struct {
	Name string
	// Type is the JSON type: "text", "number", "whole number", "list of texts",
	// "text or list of texts", "list of 3 whole numbers" or "list of objects".
	Type string
	// Unit is what a number counts, such as "ms". Empty if nothing.
	Unit string
	// Default is the JSON text that stands for a missing key. Empty if the key is
	// required.
	Default string
	// Fast is the default with profile fast, where that differs.
	Fast string
	// Min and Max bound a number. Both 0: no bounds.
	Min, Max float64
	// Zero says what 0 means, Empty what "" or [] means; "refused" if neither.
	// Empty text: it cannot be.
	Zero, Empty string
	// Null says what null means: for nearly all keys what a missing key does.
	Null string
	// Required tells that the key must be there.
	Required bool
	// Seed tells that it is one of the 18 keys of p2pConfigDefault.
	Seed bool
	// Open tells that it is a key of the section "open", which Name begins with:
	// "open.listen".
	Open bool
	// Timing tells that setting it makes profile seed the default.
	Timing bool
	// Meaning is a sentence for people.
	Meaning string

	rule string
	set  func(c *Config, v value) bool
}

// Rule is what a value must be, as problems word it.
func (k Key) Rule() string { return k.rule }

// nullDefault is what null means if nothing else is said.
const nullDefault = "as if missing"

// Keys describes every key, the seed's 18 first, in the seed's order, those of
// the section "open" last. The slice is the caller's.
func Keys() []Key {
	all := slices.Concat(seedKeys(), ownKeys(), openKeys())
	for i := range all {
		if all[i].Null == "" {
			all[i].Null = nullDefault
		}
	}
	return all
}

func seedKeys() []Key {
	ks := []Key{
		path("ca_cert_file", "the certificates of the authorities whose nodes may join, PEM", func(c *Config) *string { return &c.CA }),
		path("cert_file", "this node's certificate, PEM, its intermediates after it", func(c *Config) *string { return &c.Cert }),
		path("key_file", "the private key of cert_file, PEM", func(c *Config) *string { return &c.Key }),
		{
			Name: "local_host", Type: "text", Default: `"0.0.0.0:8080"`, Empty: "refused",
			rule:    "must be host:port to listen on, such as 0.0.0.0:8080 or [::]:8080; port 0 takes any",
			Meaning: "where to listen, on TCP and UDP",
			set:     func(c *Config, v value) bool { return v.listen(&c.ListenAddr) },
		},
		{
			Name: "seed_host", Type: "text", Default: `""`, Empty: "no seed: the first node of a cluster",
			rule:    "must be host:port to dial, such as 10.0.0.1:8080; empty for the first node",
			Meaning: "a member to join by; a host name is looked up at every dial",
			set:     func(c *Config, v value) bool { return v.seedHost(c) },
		},
		{
			Name: "seed_host_name", Type: "text", Default: `""`, Empty: "whoever has a certificate of ours may answer",
			rule:    "must be a node's name in base58, without /generation, or a name in its certificate; empty for whoever has one of the CA",
			Meaning: "who must answer at seed_host",
			set:     func(c *Config, v value) bool { return v.seedName(c) },
		},
		number("phi_threshold", "8.0", 1, 50, "how many usual intervals a member may be silent before it counts as dead", func(c *Config, f float64) { c.Profile.Phi = f }),
		whole("sampling_window_size", "1000", 10, 10_000, "how many intervals are remembered for each member", func(c *Config, n int) { c.Profile.Window = n }),
		millis("max_interval", "10000", "", "the most that one silence counts for in the mean", func(c *Config) *time.Duration { return &c.Profile.MaxInterval }),
		millis("initial_interval", "5000", "", "the interval expected of a member not heard for long", func(c *Config) *time.Duration { return &c.Profile.Initial }),
		millis("unlive_node_grace_period", "30000", "", "how long a dead member stays in the list", func(c *Config) *time.Duration { return &c.Profile.Grace }),
		millis("connect_timeout", "5000", "5000", "the limit for connecting to a node", func(c *Config) *time.Duration { return &c.DialTimeout }),
		{
			Name: "version", Type: "list of 3 whole numbers", Default: "[0, 1, 0]", Zero: "[0, 0, 0] is refused", Empty: "refused",
			rule:    "must be a list of three numbers, up to 255, 255 and 65535, not all 0",
			Meaning: "the version of this node's software; nodes with another first number are refused",
			set:     func(c *Config, v value) bool { return v.version(&c.Version) },
		},
		whole("seed_amount", "1", 0, 16, "how many seeds are greeted in a round", func(c *Config, n int) { c.Profile.Seeds = n }),
		whole("not_seed_amount", "1", 0, 16, "how many other members are greeted in a round", func(c *Config, n int) { c.Profile.Others = n }),
		millis("sync_timeout", "5000", "5000", "the limit for one exchange of tables", func(c *Config) *time.Duration { return &c.Profile.Sync }),
		millis("heartbeat_interval", "5000", "5000", "how often this node tells its observers that it lives", func(c *Config) *time.Duration { return &c.Profile.Heartbeat }),
		millis("collect_interval", "30000", "", "how often the list is swept for members that are dead for long", func(c *Config) *time.Duration { return &c.Profile.Collect }),
	}
	for i := range ks {
		k := &ks[i]
		k.Seed = true
		switch k.Name {
		case "heartbeat_interval":
			k.Null = "as if missing, with a warning: heartbeats cannot be turned off"
			k.Fast = "1000"
		case "initial_interval":
			k.Fast = "1000"
		case "seed_amount", "not_seed_amount":
			k.Zero = "none; not both amounts"
		}
		switch k.Name {
		case "phi_threshold", "sampling_window_size", "max_interval", "initial_interval", "unlive_node_grace_period",
			"heartbeat_interval", "collect_interval":
			k.Timing = true
		}
	}
	return ks
}

func path(name, meaning string, at func(*Config) *string) Key {
	return Key{
		Name: name, Type: "text", Required: true, Empty: "refused", Null: "refused", Meaning: meaning,
		rule: "must be the path of a PEM file",
		set:  func(c *Config, v value) bool { return v.path(at(c)) && *at(c) != "" },
	}
}

func number(name, def string, low, high float64, meaning string, set func(*Config, float64)) Key {
	return Key{
		Name: name, Type: "number", Default: def, Min: low, Max: high, Zero: "refused", Meaning: meaning,
		rule: fmt.Sprintf("must be a number from %v to %v", low, high),
		set: func(c *Config, v value) bool {
			f, ok := v.number()
			if ok = ok && low <= f && f <= high; ok {
				set(c, f)
			}
			return ok
		},
	}
}

func whole(name, def string, low, high int, meaning string, set func(*Config, int)) Key {
	return Key{
		Name: name, Type: "whole number", Default: def, Min: float64(low), Max: float64(high), Zero: "refused", Meaning: meaning,
		rule: fmt.Sprintf("must be a whole number from %d to %d", low, high),
		set: func(c *Config, v value) bool {
			n, ok := v.whole(low, high)
			if ok {
				set(c, n)
			}
			return ok
		},
	}
}

const minMillis, maxMillis = 100, 3_600_000

// millis is a key in milliseconds. zero is what 0 stands for; empty if it is
// refused.
func millis(name, def, zero, meaning string, at func(*Config) *time.Duration) Key {
	k := whole(name, def, minMillis, maxMillis, meaning, nil)
	k.Unit = "ms"
	k.rule = "must be a whole number of milliseconds from 100 to 3600000 (1 h)"
	if zero != "" {
		k.Zero = zero
		k.rule += ", or 0 for " + zero
	}
	k.set = func(c *Config, v value) bool {
		n, ok := v.whole(minMillis, maxMillis)
		if _, isZero := v.whole(0, 0); isZero && zero != "" {
			n, _ = strconv.Atoi(zero)
			ok = true
		}
		if ok {
			*at(c) = time.Duration(n) * time.Millisecond
		}
		return ok
	}
	return k
}

func ownKeys() []Key {
	return []Key{
		{
			Name: "profile", Type: "text", Default: `"fast"`, Empty: "refused",
			rule:    `must be "fast" or "seed"`,
			Meaning: "the defaults of the timing keys: fast, or those of the seed; fast if no timing key is set, else seed",
			set:     func(c *Config, v value) bool { return v.profile(c) },
		},
		{
			Name: "seeds", Type: "list of texts", Default: "[]", Empty: "no more than seed_host",
			rule:    "must be a list of at most 16 host:port to dial, or kith://id@host:port if nobody else may answer",
			Meaning: "more members to join by, beside seed_host",
			set:     func(c *Config, v value) bool { return v.seeds(&c.Seeds) },
		},
		{
			Name: "advertise", Type: "text or list of texts", Default: "[]", Empty: "what other members see",
			rule:    "must be host:port, or a list of at most 8, under which others reach this node",
			Meaning: "the addresses that are given to other members",
			set:     func(c *Config, v value) bool { return v.advertise(&c.Advertise) },
		},
		{
			Name: "crl_file", Type: "text", Default: `""`, Empty: "nothing is revoked",
			rule:    "must be the path of a PEM file",
			Meaning: "the list of revoked certificates, PEM",
			set:     func(c *Config, v value) bool { return v.path(&c.CRL) },
		},
		{
			Name: "state_file", Type: "text", Default: `""`, Empty: "key_file with .state after it",
			rule:    "must be the path of a file that this node may write",
			Meaning: "where the last generation is kept, so that a clock set back does no harm",
			set:     func(c *Config, v value) bool { return v.path(&c.StateFile) },
		},
		{
			Name: "admin", Type: "text", Default: `""`, Empty: "kith/<short id>.sock in XDG_RUNTIME_DIR",
			rule:    "must be the path of a socket to make",
			Meaning: "where the command reaches the node; programs ignore it",
			set:     func(c *Config, v value) bool { return v.path(&c.Admin) },
		},
		{
			Name: "serve", Type: "list of objects", Default: "[]", Empty: "none",
			rule:    ruleOfServe,
			Meaning: "ports that are served by a command: it reads the message from its standard input and writes the reply; programs ignore it",
			set:     nil, // serve finds problems of its own
		},
	}
}
