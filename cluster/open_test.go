package cluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"kith/cluster"
)

// enode is the node whose key is 1.
const enode = "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:30303"

func TestOpenSection(t *testing.T) {
	c, err := cluster.FromJSON([]byte(`{"open": {
		"key_file": "node.key", "listen": ":30300", "name": "my node name", "max_peers": 10,
		"static_nodes": ["` + enode + `"], "boot_nodes": ["` + enode + `"], "trusted_nodes": ["` + strings.TrimSuffix(enode, "@127.0.0.1:30303") + `"],
		"net_restrict": ["127.0.0.0/8", "10.1.2.3", "fd00::1/8"], "protocols": ["foobar"],
		"serve": [{"port": 8080, "mode": "request", "command": ["cat"]}]
	}, "admin": "/run/a.sock"}`))
	if err != nil {
		t.Fatal(err)
	}
	o := c.Open
	if c.InCluster() || o == nil || len(c.Warnings) > 0 || c.Admin != "/run/a.sock" {
		t.Fatalf("InCluster() = %v, Open = %v, Warnings = %v, Admin = %q", c.InCluster(), o, c.Warnings, c.Admin)
	}
	if o.KeyFile != "node.key" || o.ListenAddr != ":30300" || o.Name != "my node name" || o.MaxPeers != 10 || fmt.Sprint(o.Protocols) != "[foobar]" {
		t.Errorf("Open = %+v", o)
	}
	if len(o.StaticNodes) != 1 || o.StaticNodes[0].String() != enode || len(o.BootNodes) != 1 || len(o.TrustedNodes) != 1 || o.TrustedNodes[0].ID != o.StaticNodes[0].ID {
		t.Errorf("nodes are %v, %v, %v", o.StaticNodes, o.BootNodes, o.TrustedNodes)
	}
	if got := fmt.Sprint(o.NetRestrict); got != "[127.0.0.0/8 10.1.2.3/32 fd00::/8]" {
		t.Errorf("NetRestrict = %s", got)
	}
	if len(o.Serve) != 1 || o.Serve[0].Port != 8080 {
		t.Errorf("Serve = %+v", o.Serve)
	}
	if n := c.Node(); n.Start() == nil {
		n.Close()
		t.Error("a node without certificates has started")
	}
}

func TestOpenDefaults(t *testing.T) {
	for _, data := range []string{`{"open": {}}`, `{"open": {"listen": null, "protocols": null, "static_nodes": null, "serve": null}}`} {
		c, err := cluster.FromJSON([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		o := *c.Open
		if o.KeyFile != "" || o.ListenAddr != "0.0.0.0:30303" || o.Name != "kith" || o.MaxPeers != 50 || len(o.StaticNodes)+len(o.BootNodes)+len(o.TrustedNodes)+len(o.NetRestrict)+len(o.Protocols)+len(o.Serve) > 0 {
			t.Errorf("FromJSON(%s) has Open = %+v", data, o)
		}
	}
	c, err := cluster.FromJSON([]byte(`{"open": {"listen": ""}}`))
	if err != nil || c.Open.ListenAddr != "" {
		t.Errorf("an empty listen gives %+v, %v", c.Open, err)
	}
	c, err = cluster.FromJSON([]byte("{" + required + `, "open": null}`))
	if err != nil || c.Open != nil || !c.InCluster() {
		t.Errorf("null gives %+v, %v", c.Open, err)
	}
	c, err = cluster.FromJSON([]byte("{" + required + `, "open": {}}`))
	if err != nil || c.Open == nil || !c.InCluster() {
		t.Errorf("both networks give %+v, %v", c.Open, err)
	}
}

func TestOpenRefused(t *testing.T) {
	const nodes = "must be enode://<128 hex digits>@host:port or enr:<text>"
	for _, test := range []struct{ data, want string }{
		{`{"open": 7}`, `line 1: open: 7: must be an object, such as {"listen": "0.0.0.0:30303"}`},
		{"{\"open\": {\n\"listen\": \"30303\"}}", `line 2: open.listen: "30303": must be host:port to listen on, such as 0.0.0.0:30303 or [::]:30303; port 0 takes any`},
		{`{"open": {"lisen": ":1"}}`, `line 1: open.lisen: ":1": is not a key of a configuration; did you mean "open.listen"?`},
		{`{"open": {}, "max_peers": 3}`, `line 1: max_peers: 3: is not a key of a configuration; "max_peers" is one of the section "open"`},
		{`{"open.listen": ":1"}`, `line 1: open.listen: ":1": is not a key of a configuration; "listen" is one of the section "open"`},
		{`{"open": {"open": {}}}`, `line 1: open.open: {}: is not a key of a configuration`},
		{"{\"open\": {\"name\": \"a\",\n\"name\": \"b\"}}", `line 2: open.name: "b": must not be there twice; it is on line 1`},
		{"{\"open\": {},\n\"open\": {}}", `line 2: open: {}: must not be there twice; it is on line 1`},
		{`{"open": {"name": ""}}`, `line 1: open.name: "": must be a text of 1 to 255 bytes`},
		{`{"open": {"key_file": 7}}`, `line 1: open.key_file: 7: must be the path of a file with a key of 64 hex digits; one that is missing is made`},
		{`{"open": {"max_peers": 0}}`, `line 1: open.max_peers: 0: must be a whole number from 1 to 100000`},
		{`{"open": {"protocols": ["eth"]}}`, `line 1: open.protocols: ["eth"]: must be a list of protocols that the command has: "foobar"`},
		{`{"open": {"net_restrict": ["10.0.0.0/33"]}}`, `line 1: open.net_restrict: ["10.0.0.0/33"]: must be a list of at most 256 networks, such as 10.0.0.0/8 or fd00::/8`},
		{`{"open": {"static_nodes": "` + enode + `"}}`, `line 1: open.static_nodes: "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f…: must be a list of at most 256 nodes, each enode://<128 hex digits>@host:port or enr:<text>`},
		{`{"open": {"static_nodes": [` + strings.Repeat("1,", 256) + `1]}}`, `line 1: open.static_nodes: must have at most 256 nodes, has 257`},
		{"{\"open\": {\"boot_nodes\": [\n7]}}", `line 2: open.boot_nodes[0]: 7: must be a text: enode://… or enr:…`},
		{`{"open": {"boot_nodes": ["kith://10.0.0.1:1"]}}`, `line 1: open.boot_nodes[0]: "kith://10.0.0.1:1": must be enode://… or enr:…; kith:// is for members of a cluster`},
		{`{"open": {"static_nodes": ["` + strings.TrimSuffix(enode, "@127.0.0.1:30303") + `"]}}`, `line 1: open.static_nodes[0]: "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f…: must say where it is: enode://…@host:port`},
		{`{"open": {"trusted_nodes": ["enode://00"]}}`, `line 1: open.trusted_nodes[0]: "enode://00": ` + nodes},
		{`{"open": {"serve": [{"port": 0, "mode": 2, "command": ["a"]}]}}`, `line 1: open.serve[0].port: 0: must be a whole number from 1 to 65535`},
		{`{"open": {"serve": 1}}`, `line 1: open.serve: 1: must be a list of {"port": 1 to 65535, "name": text, "mode": "send", "request" or "unreliable", "command": [program, argument, …]}`},
		{`{"open": {,}}`, `line 1: open: a key is missing before the comma`},
		{`{"open": {}, "key_file": "a.key"}`, `ca_cert_file: is missing; it must be the path of a PEM file`},
		{`{"admin": "a.sock"}`, `ca_cert_file: is missing; it must be the path of a PEM file`},
	} {
		_, err := cluster.FromJSON([]byte(test.data))
		var ce *cluster.ConfigError
		if !errors.As(err, &ce) || !strings.HasPrefix(ce.Problems[0].String(), test.want) {
			t.Errorf("FromJSON(%.200s):\n got %v\nwant %s", test.data, err, test.want)
		}
	}
}

// What is set in vain is said.
func TestOpenOnlyWarnsOfTheCluster(t *testing.T) {
	c, err := cluster.FromJSON([]byte("{\"open\": {},\n\"local_host\": \"0.0.0.0:1\", \"seed_host\": null,\n\"phi_threshold\": 9}"))
	if err != nil {
		t.Fatal(err)
	}
	const why = "has no effect: without ca_cert_file, cert_file and key_file the node is in the open network only"
	if got, want := fmt.Sprint(c.Warnings), `[line 2: local_host: "0.0.0.0:1": `+why+` line 3: phi_threshold: 9: `+why+`]`; got != want {
		t.Errorf("Warnings = %s, want %s", got, want)
	}
}

func TestLayersOfTheSection(t *testing.T) {
	file := cluster.Layer{Name: "kith.json", Data: []byte("{\"open\": {\"listen\": \":1\",\n\"name\": \"a\"}}")}
	c, err := cluster.FromLayers(file, cluster.Layer{Name: "--set", Data: []byte(`{"open": {"listen": ":2"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][3]string{
		{"open.listen", `":2"`, "--set line 1"},
		{"open.name", `"a"`, "kith.json line 2"},
		{"open.max_peers", "50", "default"},
	} {
		if text, origin := c.Text(test[0]), c.Origin(test[0]); text != test[1] || origin != test[2] {
			t.Errorf("%s is %s from %s, want %s from %s", test[0], text, origin, test[1], test[2])
		}
	}
	if c.Open.ListenAddr != ":2" || c.Open.Name != "a" {
		t.Errorf("Open = %+v", c.Open)
	}
	if _, err := cluster.FromLayers(file, cluster.Layer{Name: "--set", Data: []byte(`{"open": null}`)}); err == nil || !strings.Contains(err.Error(), "ca_cert_file: is missing") {
		t.Errorf("without its section the configuration gives %v", err)
	}
}

func TestCheckOpenFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := cluster.FromJSON([]byte(`{"open": {"key_file": "node.key"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckFiles(); err != nil {
		t.Errorf("a key that is missing: CheckFiles() = %v, want nil: it will be made", err)
	}
	if err := os.WriteFile("node.key", []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckFiles(); err == nil || !strings.HasPrefix(err.Error(), `cluster: config: line 1: open.key_file: "node.key": `) {
		t.Errorf("a key that is none: CheckFiles() = %v", err)
	}
}

func TestSchemaOfTheSection(t *testing.T) {
	var s struct {
		Properties map[string]struct {
			Properties map[string]struct{ Default any }
		}
		AnyOf []any
	}
	if err := json.Unmarshal(cluster.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	if got := s.Properties["open"].Properties["listen"].Default; got != "0.0.0.0:30303" || len(s.AnyOf) != 2 {
		t.Errorf("open.listen has default %v, anyOf has %d", got, len(s.AnyOf))
	}
}
