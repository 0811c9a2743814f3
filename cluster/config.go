package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"kith/crypto"
	"kith/node"
)

// A Config is a configuration that has been read and found good. Its fields are
// filled: no zero stands for a default any more, save where a comment says so.
type Config struct {
	// CA, Cert and Key are paths, as they were written. All three are empty if
	// there is Open and no cluster.
	CA, Cert, Key string
	// CRL and StateFile are paths; empty means none and the default.
	CRL, StateFile string
	ListenAddr     string
	// Seeds are as Node has them, that of seed_host first, with the id if
	// seed_host_name is one.
	Seeds []string
	// SeedName is seed_host_name if that is a name in a certificate.
	SeedName    string
	Advertise   []string
	Version     [3]uint16
	Profile     Profile
	DialTimeout time.Duration
	// Admin is where the command reaches the node; empty means the default.
	Admin string
	Serve []Serve
	// Open is about an open network; nil if there is none.
	Open *Open
	// Warnings are what is odd but allowed.
	Warnings []Problem

	profile  string // "fast" or "seed"
	seedHost string
	seedID   node.ID
	settings map[string]setting
}

// A setting is where the value of a key comes from.
type setting struct {
	origin string
	line   int
	raw    string
}

// A Layer is one source of a configuration: a file, the environment, flags.
type Layer struct {
	// Name says where it comes from, in problems and by Config.Origin. It may be
	// empty.
	Name string
	// Data is a JSON object. It may have // and /* */ comments.
	Data []byte
}

// FromJSON reads a configuration: the seed's 18 keys and ours, see [Keys]. It
// opens none of the files that are named there. The error is a *ConfigError that
// lists all problems.
func FromJSON(data []byte) (*Config, error) { return FromLayers(Layer{Data: data}) }

// FromLayers reads a configuration from several sources. A key of a later layer
// takes the place of an earlier one.
func FromLayers(layers ...Layer) (*Config, error) {
	r := &reading{config: &Config{settings: make(map[string]setting)}}
	for _, l := range layers {
		r.layer(l)
	}
	r.values()
	r.missing()
	r.crossRules()
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, byLine)
		return nil, &ConfigError{r.problems}
	}
	return r.config, nil
}

// Text is the JSON text in force for a key, default or not; empty for a required
// key or one that does not exist.
func (c *Config) Text(key string) string {
	if s, ok := c.settings[key]; ok && s.raw != "null" {
		return s.raw
	}
	for _, k := range Keys() {
		switch {
		case k.Name != key || k.Open && c.Open == nil:
		case key == "profile":
			return fmt.Sprintf("%q", c.profile)
		case c.profile == "fast" && k.Fast != "":
			return k.Fast
		default:
			return k.Default
		}
	}
	return ""
}

// Origin says where the value of a key comes from: "line 4", the layer's name
// with the line if it has one, "profile fast" or "default".
func (c *Config) Origin(key string) string {
	s, ok := c.settings[key]
	switch {
	case ok && s.raw != "null" && s.origin == "":
		return fmt.Sprintf("line %d", s.line)
	case ok && s.raw != "null":
		return fmt.Sprintf("%s line %d", s.origin, s.line)
	}
	for _, k := range Keys() {
		if k.Name == key && k.Fast != "" && c.profile == "fast" {
			return "profile fast"
		}
	}
	return "default"
}

// CheckFiles opens the certificate files and reads the key of the open network,
// and says which of them it cannot, in the words that FromJSON has for problems.
// Whether the certificates are any good is found by Start.
func (c *Config) CheckFiles() error {
	failed := new(ConfigError)
	wrong := func(key, rule string) {
		s := c.settings[key]
		failed.Problems = append(failed.Problems, Problem{s.origin, s.line, key, excerpt([]byte(s.raw)), rule})
	}
	for _, f := range []struct{ key, path string }{{"ca_cert_file", c.CA}, {"cert_file", c.Cert}, {"key_file", c.Key}, {"crl_file", c.CRL}} {
		if f.path == "" {
			continue // all but crl_file, if there is no cluster
		}
		file, err := os.Open(f.path)
		if err == nil {
			file.Close()
			continue
		}
		wrong(f.key, "cannot be opened: "+reason(err))
	}
	if c.Open != nil && c.Open.KeyFile != "" {
		if _, err := crypto.LoadKey(c.Open.KeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			wrong("open.key_file", "cannot be read: "+reason(err))
		}
	}
	if len(failed.Problems) > 0 {
		return failed
	}
	return nil
}

// reason is the system's, if err has one.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Node is a node with this configuration. Admin and Serve are left to the caller.
func (c *Config) Node() *Node {
	return &Node{
		CA: c.CA, Cert: c.Cert, Key: c.Key, CRL: c.CRL, StateFile: c.StateFile, ListenAddr: c.ListenAddr, Advertise: c.Advertise,
		Seeds: c.Seeds, SeedName: c.SeedName, Profile: c.Profile, Version: c.Version, DialTimeout: c.DialTimeout,
	}
}
